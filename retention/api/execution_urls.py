"""Where executions are, under /api/retention/executions/."""

from django.urls import path

from retention.api.executions import ExecutionViewSet

_ONE = "<slug:execution_id>/"

urlpatterns = [
    path(
        "",
        ExecutionViewSet.as_view({"get": "list", "post": "create"}),
        name="retention-execution-list",
    ),
    path(
        _ONE,
        ExecutionViewSet.as_view({"get": "retrieve"}),
        name="retention-execution-detail",
    ),
    path(
        f"{_ONE}abort/",
        ExecutionViewSet.as_view({"post": "abort"}),
        name="retention-execution-abort",
    ),
    path(
        f"{_ONE}findings/",
        ExecutionViewSet.as_view(
            {"get": "findings"},
            **ExecutionViewSet.findings.kwargs,
        ),
        name="retention-execution-findings",
    ),
]
