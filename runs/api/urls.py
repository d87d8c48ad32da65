"""The REST API's addresses, all under /api/."""

from django.urls import path, re_path
from rest_framework.routers import DefaultRouter

from runs.api.bulk import BulkViewSet
from runs.api.decisions import DecisionViewSet
from runs.api.document import SchemaView
from runs.api.hooks import HookView
from runs.api.ingest import EventsView
from runs.api.runs import RunViewSet
from runs.api.saved_views import SavedViewSet
from runs.api.stuck import StuckViewSet
from runs.api.tokens import TokenViewSet
from runs.api.triggers import TriggerViewSet
from runs.api.trpc.view import TrpcView
from runs.api.views import IndexView
from runs.api.workflows import WorkflowViewSet

app_name = "api"

router = DefaultRouter(use_regex_path=False)
router.APIRootView = IndexView
router.include_format_suffixes = False
router.register("runs", RunViewSet, basename="run")
router.register("bulk", BulkViewSet, basename="bulk")
router.register("workflows", WorkflowViewSet, basename="workflow")
router.register("views", SavedViewSet, basename="view")
router.register("triggers", TriggerViewSet, basename="trigger")
router.register("tokens", TokenViewSet, basename="token")

urlpatterns = [
    path("schema/", SchemaView.as_view(), name="schema"),
    re_path(r"^trpc(?:/(?P<path>.*))?$", TrpcView.as_view(), name="trpc"),
    # Programs send there: no redirect, which would lose the body.
    re_path(r"^events/?$", EventsView.as_view(), name="events"),
    re_path(r"^hooks/(?P<hook>[A-Za-z0-9_-]{1,64})/?$", HookView.as_view(), name="hook"),
    path("decisions/", DecisionViewSet.as_view({"get": "list"}), name="decision-list"),
    path(
        "decisions/<str:run_id>/<str:node>/",
        DecisionViewSet.as_view({"get": "retrieve", "post": "answer"}),
        name="decision-detail",
    ),
    path("stuck/", StuckViewSet.as_view({"get": "list"}), name="stuck-list"),
    *router.urls,
]
