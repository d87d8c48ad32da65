"""Where the pages of triggers are, under /admin/automation/."""

from django.contrib import admin
from django.urls import URLPattern, path
from django.views.generic import View

from runs.views.automation.trigger_form import DeleteTrigger, EditTrigger, NewTrigger
from runs.views.automation.trigger_list import Triggers
from runs.views.automation.trigger_page import TriggerPage
from runs.views.automation.trigger_test import TestTrigger


def _mount(route: str, view: type[View], name: str) -> URLPattern:
    return path(route, admin.site.admin_view(view.as_view()), name=name)


urlpatterns = [
    _mount("", Triggers, "automation"),
    _mount("new/", NewTrigger, "trigger_new"),
    _mount("<int:trigger_id>/", TriggerPage, "trigger"),
    _mount("<int:trigger_id>/edit/", EditTrigger, "trigger_edit"),
    _mount("<int:trigger_id>/test/", TestTrigger, "trigger_test"),
    _mount("<int:trigger_id>/delete/", DeleteTrigger, "trigger_delete"),
]
