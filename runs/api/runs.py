"""Runs: found, read, exported, changed."""

from __future__ import annotations

import uuid
from collections.abc import Callable

from django.http import HttpResponseBase
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework.decorators import action
from rest_framework.exceptions import ValidationError
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response

from runs import exports, lifecycle
from runs.api import examples
from runs.api.acts import (
    change,
    count_by_state,
    export_runs,
    find_run,
    listed_runs,
    retry_act,
    run_cursor,
    shown_runs,
)
from runs.api.archived import prolong as prolong_log
from runs.api.archived import read_log
from runs.api.archived import restore as restore_log
from runs.api.bulk_shapes import BulkSerializer, RestoreSerializer
from runs.api.files import FORMS, log_lines, streamed
from runs.api.history import events_of
from runs.api.pagination import EventPages, RunPages
from runs.api.renderers import CsvRenderer, NdjsonRenderer, ZipRenderer
from runs.api.run_query import FIELDS, FIELDS_PARAMETER, FILTERS, NAMES, wanted_fields, wanted_runs
from runs.api.run_timeline import TimelineSerializer, timeline_of
from runs.api.serializers import (
    ContextSerializer,
    CountsSerializer,
    EventQuerySerializer,
    EventSerializer,
    ExportSerializer,
    HoldSerializer,
    JobSerializer,
    ReasonSerializer,
    RetrySerializer,
    RunDetailSerializer,
    RunExportSerializer,
    RunOrMembersSerializer,
    RunSerializer,
)
from runs.api.views import LOCATION, ApiViewSet
from runs.context import context_of, job_of
from runs.definitions import names_of
from runs.live import public_event
from runs.models import AuditEntry, Run
from runs.public_run import public_run
from runs.querysets import RunQuerySet
from runs.stuck.rescue import rescue
from runs.views.run_bundle import bundle as bundle_of
from runs.views.run_download import as_json, opened

FILTERS_BUT_STATE = [each for each in FILTERS if each.name != "state"]
_AS = OpenApiParameter("as", enum=list(FORMS), default="ndjson", description="The kind of file.")
_GO_ON = OpenApiParameter(
    "cursor", description="From `Export-Next`: the file goes on behind the one that said it."
)
_EXPORT_HEADERS = [
    OpenApiParameter(
        "Export-Complete", bool, OpenApiParameter.HEADER, response=[200],
        description="false: there are more runs than the limit.",
    ),
    OpenApiParameter("Export-Limit", int, OpenApiParameter.HEADER, response=[200]),
    OpenApiParameter(
        "Export-Next", str, OpenApiParameter.HEADER, response=[200],
        description="Where there are more runs: the `cursor` with which the next file begins.",
    ),
]  # fmt: skip
_LOG_HEADERS = [
    OpenApiParameter(
        "Last-Seq", int, OpenApiParameter.HEADER, response=[200],
        description="Number of the last line.",
    ),
]  # fmt: skip
_OPERATION = OpenApiParameter(
    "Location", response=[202], location=OpenApiParameter.HEADER, description="The operation."
)
_REASON = OpenApiParameter("reason", description="Why; it is kept in the audit.")


class RunViewSet(ApiViewSet):
    """Runs, newest first. A run keeps its id, its job and its whole history."""

    permission = "runs.view_run"
    permissions = {
        "retry": "runs.retry_run",
        "terminate": "runs.terminate_run",
        "rescue": "runs.retry_run",
        "hold": "runs.hold_run",
        "release": "runs.hold_run",
        "restore": "runs.restore_run",
        "prolong": "runs.restore_run",
        "destroy": "runs.delete_run",
        "logs": "runs.export_run",
        "export": "runs.export_run",
        "export_all": "runs.export_run",
        "bundle": "runs.export_run",
    }
    lookup_field = lookup_url_kwarg = "run_id"
    pagination_class = RunPages
    serializer_class = RunSerializer

    def get_queryset(self) -> RunQuerySet:
        return shown_runs()

    def get_object(self) -> Run:
        return find_run(self.kwargs["run_id"])

    # -- Found and read ----------------------------------------------------------------------

    @extend_schema(
        parameters=[*FILTERS, FIELDS_PARAMETER],
        responses=RunOrMembersSerializer(many=True),
        examples=[examples.RUN],
    )
    def list(self, request: Request) -> Response:
        """Runs, newest first, in pages that follow each other by key."""
        self.refuse_unknown(*NAMES, "fields")
        wanted, fields = wanted_runs(request.query_params), wanted_fields(request.query_params)
        page = self.paginate_queryset(wanted.apply(listed_runs(), self.now)) or []
        names, pages = names_of(row.version_id for row in page), self.run_pages
        shown = [public_run(row, names[row.version_id], self.now, pages) for row in page]
        if fields != FIELDS:
            shown = [{name: run[name] for name in fields} for run in shown]
        return self.get_paginated_response(shown)

    @extend_schema(parameters=FILTERS_BUT_STATE, responses=CountsSerializer)
    @action(detail=False, pagination_class=None)
    def counts(self, request: Request) -> Response:
        """How many runs a filter finds in each state, none counted further than 10,000."""
        self.refuse_unknown(*(name for name in NAMES if name != "state"))
        return Response(count_by_state(wanted_runs(request.query_params), self.now))

    @extend_schema(responses=RunDetailSerializer, examples=[examples.FIRED_RUN])
    def retrieve(self, request: Request, run_id: str) -> Response:  # noqa: ARG002
        """One run as it is now."""
        context = self.get_serializer_context()
        return Response(RunDetailSerializer(self.get_object(), context=context).data)

    @extend_schema(examples=[examples.JOB])
    @action(detail=True, serializer_class=JobSerializer)
    def job(self, request: Request, run_id: str) -> Response:  # noqa: ARG002
        """The scheduler's handle on the run."""
        return Response(job_of(self.get_object()))

    @action(detail=True, serializer_class=ContextSerializer)
    def context(self, request: Request, run_id: str) -> Response:  # noqa: ARG002
        """What went into the run and its nodes, and what came out."""
        run = self.get_object()
        return Response(context_of(run, None if run.has_log else read_log(run)))

    @action(detail=True, serializer_class=TimelineSerializer)
    def timeline(self, request: Request, run_id: str) -> Response:  # noqa: ARG002
        """Each node's attempts and waits with their causes, and the critical path."""
        return Response(timeline_of(self.get_object(), self.now))

    @extend_schema(
        responses=EventSerializer(many=True),
        parameters=[EventQuerySerializer],
        examples=[examples.EVENT],
    )
    @action(detail=True, pagination_class=EventPages, serializer_class=EventSerializer)
    def events(self, request: Request, run_id: str) -> Response:  # noqa: ARG002
        """The run's history in order; the live stream shows events in the same shape."""
        self.refuse_unknown("kind", "node", "text")
        query = EventQuerySerializer(data=request.query_params)
        query.is_valid(raise_exception=True)
        events, within = events_of(self.get_object(), query.validated_data)
        with within:
            page = self.paginate_queryset(events) or []
        return self.get_paginated_response([public_event(event) for event in page])

    # -- Files -------------------------------------------------------------------------------

    @extend_schema(
        parameters=_LOG_HEADERS,
        responses={
            (200, "application/x-ndjson"): OpenApiResponse(
                OpenApiTypes.STR, description="One event a line, from the first to the last."
            )
        },
    )
    @action(detail=True, renderer_classes=[NdjsonRenderer, JSONRenderer])
    def logs(self, request: Request, run_id: str) -> HttpResponseBase:  # noqa: ARG002
        """The whole history as a file, one event a line. It is audited as an export.

        Whole or not at all: 409 with the reason where the archived log is damaged or lost (`export`
        then gives what is left), and where an event turns out to be missing on the way, the
        connection is cut before the file's end."""
        run = self.get_object()
        log = read_log(run, at_once=False)
        self._exported(run)
        lines, name = log_lines(log), f"{run.public_id}-logs.ndjson"
        return streamed(lines, "application/x-ndjson", name, Last_Seq=run.last_seq)

    @extend_schema(responses={200: RunExportSerializer})
    @action(detail=True, renderer_classes=[JSONRenderer])
    def export(self, request: Request, run_id: str) -> HttpResponseBase:  # noqa: ARG002
        """Job, context and history in one JSON file, as the run's page gives it. It is audited.

        `completeness` at its end says how many events stand in it and how many are missing."""
        run = self.get_object()
        log = opened(run)
        self._exported(run)
        return streamed(as_json(run, self.now, log), "application/json", f"{run.public_id}.json")

    @extend_schema(
        responses={
            (200, "application/zip"): OpenApiResponse(OpenApiTypes.BINARY, description="A zip.")
        }
    )
    @action(detail=True, renderer_classes=[ZipRenderer, JSONRenderer])
    def bundle(self, request: Request, run_id: str) -> HttpResponseBase:  # noqa: ARG002
        """The diagnostic bundle: job, context, history and definition of the run, and what the
        portal is made of, without secrets. It is audited."""
        run = self.get_object()
        log = opened(run)
        AuditEntry.objects.note(self.actor, "bundle", ("run", run.public_id))
        name = f"{run.public_id}-bundle.zip"
        return streamed(bundle_of(run, self.now, log), "application/zip", name)

    @extend_schema(
        operation_id="runs_export_all",
        parameters=[*FILTERS, _AS, _GO_ON, *_EXPORT_HEADERS],
        responses={
            (200, "application/x-ndjson"): OpenApiResponse(
                OpenApiTypes.STR, description="A run a line, and a last line on the export itself."
            ),
            (200, "text/csv"): OpenApiResponse(OpenApiTypes.STR),
            (200, "application/json"): ExportSerializer,
        },
    )
    @action(
        detail=False,
        url_path="export",
        pagination_class=None,
        renderer_classes=[NdjsonRenderer, CsvRenderer, JSONRenderer],
    )
    def export_all(self, request: Request) -> HttpResponseBase:
        """The runs that a filter finds, newest first, as a file: 10,000 at most.

        The header `Export-Complete`, and `complete` in JSON and in the last line of NDJSON, say
        whether these are all; where not, `Export-Next` and `next` are the `cursor` with which the
        next file goes on. Each run tells how many of its events are stored (`events`) and how
        many are `missing`. It is audited, with the filter."""
        self.refuse_unknown(*NAMES, "as", "cursor")
        given = request.query_params
        wanted, kind = wanted_runs(given), given.get("as", "ndjson")
        if kind not in FORMS:
            raise ValidationError({"as": [f"One of {', '.join(FORMS)}."]})
        after = run_cursor(given.get("cursor"))
        found = export_runs(wanted, after, by=self.actor, now=self.now, pages=self.run_pages)
        make, content_type = FORMS[kind]
        headers = {
            "Export_Complete": str(found.is_whole).lower(),
            "Export_Limit": exports.MOST,
            **({"Export_Next": str(found.last)} if found.last else {}),
        }
        return streamed(make(found), content_type, f"runs.{kind}", **headers)

    def _exported(self, run: Run) -> None:
        AuditEntry.objects.note(self.actor, "export", ("run", run.public_id))

    # -- Changed -----------------------------------------------------------------------------

    @extend_schema(
        responses={201: RunDetailSerializer},
        parameters=[LOCATION],
        examples=[examples.REASON, examples.FROM_FAILED],
    )
    @action(detail=True, methods=["post"], serializer_class=RetrySerializer)
    def retry(self, request: Request, run_id: str) -> Response:  # noqa: ARG002
        """A new run with a failed one's version and input.

        With `from_failed` the results of nodes that completed are taken over, with decisions and
        branches; the failed node and all that follows from it are executed anew. The context marks
        what was taken over with `reused_from`; it costs nothing again."""
        act = retry_act(self.checked(request))
        return self.run_response(self._done(act, request), status=201)

    @extend_schema(responses=RunDetailSerializer, examples=[examples.REASON])
    @action(detail=True, methods=["post"], serializer_class=ReasonSerializer)
    def terminate(self, request: Request, run_id: str) -> Response:  # noqa: ARG002
        """Ends a queued or active run at once; nodes in flight finish what they are doing."""
        return self.run_response(self._done(lifecycle.terminate, request))

    @extend_schema(responses=RunDetailSerializer, examples=[examples.REASON])
    @action(detail=True, methods=["post"], serializer_class=ReasonSerializer)
    def rescue(self, request: Request, run_id: str) -> Response:  # noqa: ARG002
        """Helps a run that is stuck: a silent attempt is ended as lost, so that its node runs
        again; a node that nobody takes is offered anew; a run of which nothing is under way goes
        on. Refused where it gets on, or where only a person can help: `GET /api/stuck/` says what
        is in its way."""
        return self.run_response(self._done(rescue, request))

    @extend_schema(responses=RunDetailSerializer, examples=[examples.HOLD])
    @action(detail=True, methods=["post"], serializer_class=HoldSerializer)
    def hold(self, request: Request, run_id: str) -> Response:  # noqa: ARG002
        """Legal hold: the run and all that belongs to it are kept until it is released."""
        return self.run_response(self._done(lifecycle.hold, request))

    @extend_schema(responses=RunDetailSerializer, examples=[examples.REASON])
    @action(detail=True, methods=["post"], serializer_class=ReasonSerializer)
    def release(self, request: Request, run_id: str) -> Response:  # noqa: ARG002
        """Take the legal hold from the run."""
        return self.run_response(self._done(lifecycle.release, request))

    @extend_schema(
        responses={202: BulkSerializer}, parameters=[_OPERATION], examples=[examples.RESTORE]
    )
    @action(detail=True, methods=["post"], serializer_class=RestoreSerializer)
    def restore(self, request: Request, run_id: str) -> Response:  # noqa: ARG002
        """Bring an archived log back into the database, byte for byte, for some days.

        It is a bulk operation of one run, which `Location` leads to; the run's `log_state`
        says `restored` once it is done."""
        run, given = self.get_object(), self.checked(request)
        operation = restore_log(run, given, by=self.actor, now=self.now, reason=given["reason"])
        shown = BulkSerializer(operation, context=self.get_serializer_context()).data
        return Response(shown, status=202, headers={"Location": shown["url"]})

    @extend_schema(responses=RunDetailSerializer, examples=[examples.RESTORE])
    @action(detail=True, methods=["post"], serializer_class=RestoreSerializer)
    def prolong(self, request: Request, run_id: str) -> Response:  # noqa: ARG002
        """Keep a restored log in the database for longer: for so many days from now on."""
        run, given = self.get_object(), self.checked(request)
        return self.run_response(
            prolong_log(run, given, by=self.actor, now=self.now, reason=given["reason"])
        )

    @extend_schema(parameters=[_REASON], responses={204: None})
    def destroy(self, request: Request, run_id: str) -> Response:  # noqa: ARG002
        """Delete a run that has ended, with all its events, for good.

        Its retries stay and keep its id; no late event brings it back."""
        self.refuse_unknown("reason")
        query = ReasonSerializer(data=request.query_params.dict())
        query.is_valid(raise_exception=True)
        reason = query.validated_data["reason"]
        change(lifecycle.delete, self.get_object(), by=self.actor, reason=reason, now=self.now)
        return Response(status=204)

    def _done(self, act: Callable[..., lifecycle.Outcome], request: Request) -> uuid.UUID:
        """Do it to the one run; gives the run that came of it."""
        run, reason = self.get_object(), self.checked(request)["reason"]
        return change(act, run, by=self.actor, reason=reason, now=self.now)
