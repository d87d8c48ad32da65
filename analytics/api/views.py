"""The analysis by the REST API."""

from __future__ import annotations

from typing import Any

from django.http import HttpResponse
from django.http.response import HttpResponseBase
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import Serializer

from analytics.api import acts, examples
from analytics.api.acts import Question
from analytics.api.run_shapes import RunAnalysisSerializer
from analytics.api.shapes import (
    CostsSerializer,
    DurationsSerializer,
    FailuresSerializer,
    MarkSerializer,
    OneFailureGroupSerializer,
    OverviewSerializer,
)
from analytics.views.address import dated
from runs.api.pagination import read_number
from runs.api.renderers import CsvRenderer
from runs.api.run_query import FILTERS, NAMES, wanted_runs
from runs.api.views import ApiViewSet

MOST_PAGES = 999
FORMS = ("json", "csv")
_COMPARE = OpenApiParameter(
    "compare",
    default="before",
    description="`before`: with as long a time before; `v3`: with another version of the workflow"
    " in the same time; `none`: with nothing.",
)
_AS = OpenApiParameter(
    "as", enum=list(FORMS), default="json",
    description="The kind of answer; `csv` is the main table.",
)  # fmt: skip
_PAGE = OpenApiParameter(
    "page", OpenApiTypes.INT, default=1, description=f"Of the table, up to {MOST_PAGES}."
)


def _described(question: Question, shape: type[Serializer], example: Any) -> Any:
    sort = OpenApiParameter(
        "sort", enum=list(question.sorts), default=question.sorts[0],
        description="What the table is sorted by, largest first.",
    )  # fmt: skip
    return extend_schema(
        operation_id=f"analysis_{question.name}",
        parameters=[*FILTERS, _COMPARE, sort, *([_PAGE] if question.is_paged else []), _AS],
        responses={
            (200, "application/json"): shape,
            (200, "text/csv"): OpenApiResponse(OpenApiTypes.STR),
        },
        examples=[example],
    )


class AnalysisViewSet(ApiViewSet):
    """Where time, money and failures go, over the runs of a filter.

    A filter that names nothing but a workflow, a version and a time is answered from rollups,
    however long the time is; any other for seven days at most. Without a time it is the last seven
    days."""

    permission = "runs.view_run"
    pagination_class = None
    renderer_classes = [*ApiViewSet.renderer_classes, CsvRenderer]

    @_described(acts.FAILURES, FailuresSerializer, examples.FAILURES)
    def failures(self, request: Request) -> HttpResponseBase:
        """What fails: how often, how alike, since which version, and whether a retry helps.

        To retry the runs of a group, begin a bulk operation with the filter `group`."""
        return self._answered(request, acts.FAILURES, FailuresSerializer)

    @_described(acts.COST, CostsSerializer, examples.COST)
    def cost(self, request: Request) -> HttpResponseBase:
        """What runs cost, by workflow, node, model and person, and what of it bought nothing.

        Totals are the sums of the model calls, to the last digit."""
        return self._answered(request, acts.COST, CostsSerializer)

    @_described(acts.DURATION, DurationsSerializer, examples.DURATION)
    def duration(self, request: Request) -> HttpResponseBase:
        """How long runs take, which nodes it is spent in, and what they wait for.

        Percentiles are those of histograms, within three per cent."""
        return self._answered(request, acts.DURATION, DurationsSerializer)

    def _answered(
        self, request: Request, question: Question, shape: type[Serializer]
    ) -> HttpResponseBase:
        pages = ["page"] if question.is_paged else []
        self.refuse_unknown(*NAMES, "compare", "sort", "as", *pages)
        given = request.query_params
        form = given.get("as") or getattr(request.accepted_renderer, "format", "")
        if "as" in given and form not in FORMS:
            raise ValidationError({"as": [f"One of {', '.join(FORMS)}."]})
        beside: dict[str, Any] = {name: given.get(name, "") for name in ("compare", "sort")}
        beside["page"] = read_number(request, "page", 1, 1, MOST_PAGES) if pages else 1
        answer = acts.ask(question, wanted_runs(dated(given)), beside, self.now)
        if form == "csv":
            return _file(answer.csv(), question.name)
        found = shape(answer.document(), context=self.get_serializer_context())
        return Response(found.data, headers={"Cache-Control": "no-store"})


def _file(text: str, name: str) -> HttpResponse:
    answer = HttpResponse(text, content_type="text/csv; charset=utf-8")
    answer.headers["Content-Disposition"] = f'attachment; filename="{name}.csv"'
    answer.headers["Cache-Control"] = "no-store"
    return answer


class OverviewViewSet(ApiViewSet):
    """What an operator sees first."""

    permission = "runs.view_run"
    serializer_class = OverviewSerializer
    pagination_class = None

    @extend_schema(operation_id="analysis_overview", examples=[examples.OVERVIEW])
    def retrieve(self, request: Request) -> Response:  # noqa: ARG002
        """What runs now, how the last 24 hours compare with usual, and what has changed."""
        self.refuse_unknown()
        found = OverviewSerializer(acts.look(self.now), context=self.get_serializer_context())
        return Response(found.data, headers={"Cache-Control": "no-store"})


class FailureGroupViewSet(ApiViewSet):
    """One failure group: runs whose errors differ in numbers, ids, paths and the like only."""

    permission = "runs.view_run"
    permissions = {"mark": "analytics.mark_failuregroup"}
    lookup_field = lookup_url_kwarg = "group_id"
    serializer_class = OneFailureGroupSerializer
    pagination_class = None

    @extend_schema(operation_id="analysis_group", examples=[examples.GROUP])
    def retrieve(self, request: Request, group_id: str) -> Response:  # noqa: ARG002
        """What is known of a group, and its runs by workflow since it first came.

        To retry them all: `POST /api/bulk/` with `{"kind": "retry", "filter": {"state": "failed",
        "group": "…"}}`."""
        self.refuse_unknown()
        return self._shown(acts.find_group(group_id))

    @extend_schema(
        operation_id="analysis_mark_group",
        request=MarkSerializer,
        responses=OneFailureGroupSerializer,
        examples=[examples.MARK, examples.GROUP],
    )
    def mark(self, request: Request, group_id: str) -> Response:
        """Say that a group is known, or resolved; or take that back. It is audited.

        One that was resolved becomes `new` again when a run fails so later."""
        self.refuse_unknown()
        given = MarkSerializer(data=request.data)
        given.is_valid(raise_exception=True)
        found = acts.mark_group(group_id, given.validated_data, by=self.actor, now=self.now)
        return self._shown(found)

    def _shown(self, found: Any) -> Response:
        shown = OneFailureGroupSerializer(found, context=self.get_serializer_context())
        return Response(shown.data)


class RunAnalysisViewSet(ApiViewSet):
    """One run, against what is usual for its workflow."""

    permission = "runs.view_run"
    lookup_field = lookup_url_kwarg = "run_id"
    serializer_class = RunAnalysisSerializer
    pagination_class = None

    @extend_schema(operation_id="runs_analysis", examples=[examples.RUN])
    def retrieve(self, request: Request, run_id: str) -> Response:  # noqa: ARG002
        """Where its time went, what ran longer than usual, what it cost, and why it failed.

        Usual is what completed runs of 30 days took: of the same version, where enough did."""
        self.refuse_unknown()
        found = acts.of_run(run_id, self.now)
        shown = RunAnalysisSerializer(found, context=self.get_serializer_context())
        return Response(shown.data)
