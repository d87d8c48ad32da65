"""The REST API's addresses, all under /api/."""

from django.urls import path
from rest_framework.routers import DefaultRouter

from runs.api.ingest import EventsView
from runs.api.tokens import TokenViewSet
from runs.api.views import IndexView, RunViewSet, WorkflowViewSet

app_name = "api"

router = DefaultRouter(use_regex_path=False)
router.APIRootView = IndexView
router.include_format_suffixes = False
router.register("runs", RunViewSet, basename="run")
router.register("workflows", WorkflowViewSet, basename="workflow")
router.register("tokens", TokenViewSet, basename="token")

urlpatterns = [
    # Programs send there: no redirect, which would lose the body.
    path("events", EventsView.as_view(), name="events"),
    path("events/", EventsView.as_view()),
    *router.urls,
]
