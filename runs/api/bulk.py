"""Bulk operations: one act on any number of runs, followed, steered, and what came of each."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator, Callable
from typing import Any, cast

from asgiref.sync import sync_to_async
from django.db.models import QuerySet
from django.http import HttpResponseBase
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework.decorators import action
from rest_framework.exceptions import ValidationError
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response

from runs import idempotency, ids
from runs.api import bulk_acts, bulk_shapes, examples
from runs.api.files import streamed
from runs.api.keys import KEY, REPEATED, key_of
from runs.api.pagination import CreatedPages, KeyPages
from runs.api.problems import KeyReused
from runs.api.renderers import CsvRenderer, NdjsonRenderer
from runs.api.views import ApiViewSet
from runs.bulk import exports, operations
from runs.exports import cell, compact, csv_lines
from runs.models import BulkOperation, BulkOutcome, User
from runs.models.bulk import BulkKind, BulkState, OutcomeStatus

# Rows of a file that are read at a time.
PAGE = 2_000
_COLUMNS = ("run", "status", "reason", "new_run", "at")
_TYPES = {"ndjson": "application/x-ndjson", "csv": "text/csv; charset=utf-8"}
_FORMS = [*_TYPES]
_PLACE = OpenApiParameter(
    "Location", response=[202], location=OpenApiParameter.HEADER, description="The operation."
)
_STATUS = OpenApiParameter(
    "status", enum=OutcomeStatus.values, description="Only of runs for which it ended so."
)
_FIGURES = [
    OpenApiParameter(
        name, int, OpenApiParameter.HEADER, response=[200], description=f"{words} in the file."
    )
    for name, words in (
        ("Export-Runs", "Runs"), ("Export-Events", "Events"),
        ("Export-Missing", "Events that should be and are not"),
    )
]  # fmt: skip
_FILE = OpenApiResponse(OpenApiTypes.STR)


class OutcomePages(KeyPages):
    """By the runs' ids, of one operation."""

    default_limit = 100
    max_limit = 1_000

    def key(self, row: BulkOutcome) -> str:
        return ids.encode("run", row.run_id)

    def page_at(self, rows: QuerySet, side: str, key: str) -> QuerySet:
        if not key:
            return rows.order_by("run_id")
        if (run_id := ids.decode("run", key)) is None:
            raise ValueError(key)
        if side == "before":
            return rows.filter(run_id__lt=run_id).order_by("-run_id")
        return rows.filter(run_id__gt=run_id).order_by("run_id")


class BulkViewSet(ApiViewSet):
    """Acts on any number of runs. To make or steer one needs the permission, and of a token the
    scope, of what it does to each."""

    permission = "runs.view_run"
    permissions = {"download": "runs.export_run"}
    # Of the kind that is asked for, or that the operation is of.
    needed: str | None = None
    lookup_field = lookup_url_kwarg = "bulk_id"
    pagination_class = CreatedPages
    serializer_class = bulk_shapes.BulkSerializer
    queryset = BulkOperation.objects.none()

    def check_permissions(self, request: Request) -> None:
        if request.user.is_authenticated:
            if self.action == "create" and isinstance(request.data, dict):
                self.needed = bulk_acts.permission_of(request.data.get("kind"))
            elif self.action in ("pause", "resume", "abort", "again", "partial_update"):
                self.needed = bulk_acts.permission_for(self.kwargs["bulk_id"])
        super().check_permissions(request)

    # -- Found and read ----------------------------------------------------------------------

    @extend_schema(
        parameters=[
            OpenApiParameter("kind", enum=BulkKind.values, description="Only of this kind."),
            OpenApiParameter("state", enum=BulkState.values, description="Only in this state."),
        ],
        examples=[examples.BULK],
    )
    def list(self, request: Request) -> Response:
        """Operations, newest first."""
        self.refuse_unknown("kind", "state")
        rows = BulkOperation.objects.defer("chosen")
        if kind := _one_of(request, "kind", BulkKind.values):
            rows = rows.filter(kind=kind)
        if state := _one_of(request, "state", BulkState.values):
            rows = rows.filter(state=state)
        page = self.paginate_queryset(rows)
        return self.get_paginated_response(self.get_serializer(page, many=True).data)

    @extend_schema(responses=bulk_shapes.BulkDetailSerializer)
    def retrieve(self, request: Request, bulk_id: str) -> Response:  # noqa: ARG002
        """One operation: how far it is, how fast it goes, how long it still takes. Of an export,
        also what there is to download."""
        operation = bulk_acts.find_operation(bulk_id)
        context = {
            **self.get_serializer_context(),
            "download": exports.downloads(operation, self.now),
        }
        return Response(bulk_shapes.BulkDetailSerializer(operation, context=context).data)

    @extend_schema(parameters=[_STATUS], responses=bulk_shapes.BulkOutcomeSerializer(many=True))
    @action(
        detail=True,
        pagination_class=OutcomePages,
        serializer_class=bulk_shapes.BulkOutcomeSerializer,
    )
    def outcomes(self, request: Request, bulk_id: str) -> Response:
        """What became of each run that was visited, one entry a run."""
        self.refuse_unknown("status")
        page = self.paginate_queryset(self._outcomes(request, bulk_id))
        return self.get_paginated_response(self.get_serializer(page, many=True).data)

    @extend_schema(
        parameters=[
            _STATUS,
            OpenApiParameter("as", enum=_FORMS, default="ndjson", description="The kind of file."),
        ],
        responses={(200, "application/x-ndjson"): _FILE, (200, "text/csv"): _FILE},
    )
    @action(
        detail=True,
        url_path="outcomes/file",
        pagination_class=None,
        renderer_classes=[NdjsonRenderer, CsvRenderer, JSONRenderer],
    )
    def outcomes_file(self, request: Request, bulk_id: str) -> HttpResponseBase:
        """The same as a file, however many there are: as NDJSON, or as CSV with a row each."""
        self.refuse_unknown("status", "as")
        kind = _one_of(request, "as", _FORMS) or "ndjson"
        rows = self._outcomes(request, bulk_id)
        name = f"{bulk_id}-outcomes.{kind}"
        return streamed(_outcome_lines(rows, kind), _TYPES[kind], name)

    @extend_schema(
        parameters=_FIGURES,
        responses={
            (200, "application/json"): OpenApiTypes.OBJECT,
            (200, "application/x-ndjson"): _FILE,
            (200, "text/csv"): _FILE,
        },
    )
    @action(
        detail=True,
        pagination_class=None,
        renderer_classes=[JSONRenderer, NdjsonRenderer, CsvRenderer],
    )
    def download(self, request: Request, bulk_id: str) -> HttpResponseBase:  # noqa: ARG002
        """The file of an export that is finished, as it was asked for: one JSON object, a line a
        run (and, with logs, one for each event, which names its run), or CSV.

        Its end tells how many runs and events stand in it and how many events are missing: a file
        without it broke off. It is audited; after some days the file is gone (410)."""
        told = bulk_acts.download(bulk_id, by=self.actor, now=self.now)
        return streamed(
            exports.document(told), told.content_type, told.name,
            Export_Runs=told.runs, Export_Events=told.events, Export_Missing=told.missing,
        )  # fmt: skip

    # -- Made and steered --------------------------------------------------------------------

    @extend_schema(
        request=bulk_shapes.MakeBulkSerializer,
        responses={202: bulk_shapes.BulkSerializer},
        parameters=[KEY, _PLACE, REPEATED],
        examples=examples.BULKS,
    )
    def create(self, request: Request) -> Response:
        """Begin an operation on the runs that a filter finds, on named ones, or on those for which
        an earlier one failed. Runs that are created afterwards are not meant.

        Each run is judged again when it is visited; one that does not fit is skipped, with the
        reason as its outcome. Deleting by a filter needs `expected_at_most`."""
        given = _checked(bulk_shapes.MakeBulkSerializer, request)

        def act() -> BulkOperation:
            return bulk_acts.make(given, by=self.actor, now=self.now, pages=self.run_pages)

        return self._begun(request, ["bulk", given], act)

    @extend_schema(
        request=bulk_shapes.PreviewInputSerializer, responses=bulk_shapes.PreviewSerializer
    )
    @action(detail=False, methods=["post"], pagination_class=None)
    def preview(self, request: Request) -> Response:
        """How many runs an operation would mean, by state, and how many of them would be skipped
        and why. Nothing is counted further than 10,000, and nothing is done."""
        given = _checked(bulk_shapes.PreviewInputSerializer, request)
        return Response(bulk_acts.preview(given["kind"], bulk_acts.meant(given), self.now))

    @extend_schema(
        request=bulk_shapes.RateSerializer,
        responses=bulk_shapes.BulkSerializer,
        examples=[examples.BULK_RATE],
    )
    def partial_update(self, request: Request, bulk_id: str) -> Response:
        """Say how many runs a second it may visit at most."""
        given = _checked(bulk_shapes.RateSerializer, request)
        return self._shown(bulk_acts.limit(bulk_id, given["rate"], by=self.actor))

    @extend_schema(request=None)
    @action(detail=True, methods=["post"])
    def pause(self, request: Request, bulk_id: str) -> Response:  # noqa: ARG002
        """Let it rest; what is done stays done."""
        return self._switched(operations.pause, bulk_id)

    @extend_schema(request=None)
    @action(detail=True, methods=["post"])
    def resume(self, request: Request, bulk_id: str) -> Response:  # noqa: ARG002
        """Let one that is paused go on."""
        return self._switched(operations.resume, bulk_id)

    @extend_schema(request=None)
    @action(detail=True, methods=["post"])
    def abort(self, request: Request, bulk_id: str) -> Response:  # noqa: ARG002
        """End it for good; what is done stays done. The file of an export is deleted."""
        return self._switched(operations.abort, bulk_id)

    @extend_schema(
        request=None,
        responses={202: bulk_shapes.BulkSerializer},
        parameters=[KEY, _PLACE, REPEATED],
    )
    @action(detail=True, methods=["post"])
    def again(self, request: Request, bulk_id: str) -> Response:
        """The same act on those of its runs for which it failed, as a new operation."""
        bulk_acts.find_operation(bulk_id)

        def act() -> BulkOperation:
            return bulk_acts.again(bulk_id, by=self.actor, now=self.now)

        return self._begun(request, ["again", bulk_id], act)

    # ----------------------------------------------------------------------------------------

    def _outcomes(self, request: Request, bulk_id: str) -> QuerySet[BulkOutcome]:
        rows = BulkOutcome.objects.filter(operation=bulk_acts.find_operation(bulk_id))
        status = _one_of(request, "status", OutcomeStatus.values)
        return rows.filter(status=status) if status else rows

    def _switched(self, act: Callable[..., bool], bulk_id: str) -> Response:
        return self._shown(bulk_acts.switch(act, bulk_id, by=self.actor, now=self.now))

    def _shown(self, operation: BulkOperation) -> Response:
        return Response(self._data(operation))

    def _data(self, operation: BulkOperation) -> dict[str, Any]:
        context = self.get_serializer_context()
        return dict(bulk_shapes.BulkSerializer(operation, context=context).data)

    def _begun(self, request: Request, asked: Any, act: Callable[[], BulkOperation]) -> Response:
        """Once, where the request has a key."""

        def made() -> tuple[uuid.UUID, dict[str, Any]]:
            operation = act()
            return operation.pk, self._data(operation)

        key, headers = key_of(request), {}
        if key is None:
            shown = made()[1]
        else:
            caller = cast(User, request.user).public_id
            try:
                shown, is_repeated = idempotency.once(caller, key, asked, made, now=self.now)
            except idempotency.Mismatch:
                raise KeyReused from None
            if is_repeated:
                headers["Idempotency-Replayed"] = "true"
        return Response(shown, status=202, headers={"Location": shown["url"], **headers})


def _checked(serializer: type, request: Request) -> dict[str, Any]:
    given = serializer(data=request.data)
    given.is_valid(raise_exception=True)
    return given.validated_data


def _one_of(request: Request, name: str, choices: list[str]) -> str | None:
    value = request.query_params.get(name)
    if value is not None and value not in choices:
        raise ValidationError({name: [f"One of {', '.join(choices)}."]})
    return value


async def _outcome_lines(rows: QuerySet[BulkOutcome], kind: str) -> AsyncIterator[str]:
    if kind == "csv":
        yield csv_lines([_COLUMNS])
    after = uuid.UUID(int=0)
    while page := await sync_to_async(_page)(rows, after):
        shown = [dict(bulk_shapes.BulkOutcomeSerializer(row).data) for row in page]
        if kind == "csv":
            yield csv_lines([map(cell, row.values()) for row in shown])
        else:
            yield "".join(f"{compact(row)}\n" for row in shown)
        after = page[-1].run_id


def _page(rows: QuerySet[BulkOutcome], after: uuid.UUID) -> list[BulkOutcome]:
    return list(rows.filter(run_id__gt=after).order_by("run_id")[:PAGE])
