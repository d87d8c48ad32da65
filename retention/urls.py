"""Where the settings of runs are, under /admin/settings/."""

from django.contrib import admin
from django.urls import path

from retention.views.settings import RunSettings, RunSettingsPreview

urlpatterns = [
    path("runs/", admin.site.admin_view(RunSettings.as_view()), name="run_settings"),
    path(
        "runs/preview/",
        admin.site.admin_view(RunSettingsPreview.as_view()),
        name="run_settings_preview",
    ),
]
