"""``POST /api/events``: events of runs that are executed elsewhere."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any, cast

from django.conf import settings
from django.utils import timezone
from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework import serializers
from rest_framework.exceptions import UnsupportedMediaType
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from runs import counters
from runs.api.problems import TooLarge
from runs.api.throttling import ReportsPerMinute
from runs.ingest import body
from runs.ingest.check import TYPES, report_of
from runs.ingest.intake import Outcome, take_in
from runs.ingest.report import Report
from runs.models import User
from runs.rows import Refused
from runs.states import Trigger

# Refusals that are told singly; all are counted.
MAX_TOLD = 100
JSON = "application/json"
NDJSON = frozenset({
    "application/x-ndjson", "application/ndjson", "application/jsonl", "application/x-jsonlines",
})  # fmt: skip
_PIECE = 64 * 1024


class EventReportSerializer(serializers.Serializer):
    """One event. A run is named by `run`, or by `source` and `external_id`; with the first event
    of a run, `workflow` is needed, and the fields from `input` on may say more about it."""

    event_id = serializers.CharField(
        max_length=100, help_text="Yours, unique within the source: sent again, it is a duplicate."
    )
    run = serializers.CharField(required=False, help_text="The portal's id of the run.")
    source = serializers.CharField(
        max_length=64, required=False, help_text="Your system, such as airflow-prod."
    )  # type: ignore[assignment]
    external_id = serializers.CharField(
        max_length=200, required=False, help_text="Your id of the run."
    )
    workflow = serializers.CharField(max_length=64, required=False)
    type = serializers.ChoiceField(choices=list(TYPES))
    node = serializers.CharField(max_length=64, required=False)
    attempt = serializers.IntegerField(min_value=1, required=False)
    at = serializers.DateTimeField(required=False, help_text="When it happened; now if left out.")
    actor = serializers.CharField(max_length=150, required=False, help_text="Who did it.")
    data = serializers.DictField(  # type: ignore[assignment]
        required=False,
        help_text="What the type needs: `input`, `output`, `error` of a node; `level` and"
        " `message` of a log line; `done` and `total` of progress; `model`, `input_tokens`,"
        " `output_tokens`, `cached_tokens` and `cost` of an LLM call; `to` of a state.",
    )
    input = serializers.JSONField(required=False, help_text="The run's, with run_created.")
    trigger = serializers.ChoiceField(choices=[str(trigger) for trigger in Trigger], required=False)
    triggered_by = serializers.CharField(max_length=150, required=False)
    ref_type = serializers.CharField(max_length=64, required=False)
    ref_id = serializers.CharField(max_length=200, required=False)


class RefusalSerializer(serializers.Serializer):
    index = serializers.IntegerField(help_text="Place of the event in what was sent, from 0.")
    field = serializers.CharField(help_text="What is wrong; empty for the whole event.")
    reason = serializers.CharField()


class IngestedSerializer(serializers.Serializer):
    stored = serializers.IntegerField()
    duplicates = serializers.IntegerField()
    refused = serializers.IntegerField()
    refusals = RefusalSerializer(many=True, help_text=f"The first {MAX_TOLD}.")


_EXAMPLE = [
    {
        "event_id": "7f1c-1", "source": "airflow-prod", "external_id": "manual__2026-01-31",
        "workflow": "nightly_import", "type": "run_created", "at": "2026-01-31T02:00:00Z",
        "input": {"day": "2026-01-30"},
    },
    {
        "event_id": "7f1c-2", "source": "airflow-prod", "external_id": "manual__2026-01-31",
        "type": "node_started", "node": "extract", "at": "2026-01-31T02:00:01Z",
    },
    {
        "event_id": "7f1c-3", "source": "airflow-prod", "external_id": "manual__2026-01-31",
        "type": "node_completed", "node": "extract", "at": "2026-01-31T02:00:09Z",
        "data": {"output": {"rows": 1200}},
    },
]  # fmt: skip


class EventsView(APIView):
    """Takes events of runs that are executed elsewhere: a JSON array, or NDJSON, of at most 10,000
    events and 10 MB, also with `Content-Encoding: gzip`. Bad events are refused one by one; all
    others are stored when the answer comes."""

    permission = "runs.ingest_event"
    throttle_classes = (ReportsPerMinute,)

    @extend_schema(
        operation_id="events_create",
        request={JSON: EventReportSerializer(many=True)},
        responses=IngestedSerializer,
        examples=[OpenApiExample("A run", value=_EXAMPLE, request_only=True)],
    )
    def post(self, request: Request) -> Response:
        now = timezone.now()
        outcome = Outcome()
        reports: list[Report] = []
        limit = settings.ENGINE_PAYLOAD_BYTES
        items, doubtful = _items(request)
        for index, item in enumerate(items):
            if index == body.MAX_EVENTS:
                raise TooLarge(f"These are over {body.MAX_EVENTS:,} events; send them in parts.")
            try:
                reports.append(report_of(item, index, now, limit, doubtful=doubtful))
            except Refused as why:
                outcome.refused.append((index, why))
        if reports:
            taken = take_in(reports, by=cast(User, request.user), now=now)
            _count_by_source(reports, taken)
            taken.refused += outcome.refused
            outcome = taken
        counters.add(counters.EVENTS, outcome.stored)
        counters.add(counters.DUPLICATES, outcome.duplicates)
        counters.add(counters.REFUSED, len(outcome.refused))
        return Response(_told(outcome))


def _count_by_source(reports: list[Report], taken: Outcome) -> None:
    """Of sources that are known: what names none would make a counter for each mistake."""
    refused = {index for index, _ in taken.refused}
    known = [report for report in reports if report.source_id and report.source]
    for name, count in Counter(report.source for report in known).items():
        counters.add(f"{counters.RECEIVED_FROM}{name}", count)
    for name, count in Counter(r.source for r in known if r.index in refused).items():
        counters.add(f"{counters.REFUSED_FROM}{name}", count)


def _told(outcome: Outcome) -> dict[str, Any]:
    first = sorted(outcome.refused, key=lambda pair: pair[0])[:MAX_TOLD]
    return {
        "stored": outcome.stored,
        "duplicates": outcome.duplicates,
        "refused": len(outcome.refused),
        "refusals": [
            {"index": index, "field": why.field, "reason": why.reason} for index, why in first
        ],
    }


def _items(request: Request) -> tuple[Iterator[Any], bool]:
    """The events one by one, and whether their strings are to be looked at closely."""
    media_type = (request.content_type or "").partition(";")[0].strip().lower()
    if media_type != JSON and media_type not in NDJSON:
        raise UnsupportedMediaType(
            media_type or "none", f"Send {JSON} (an array) or application/x-ndjson."
        )
    encoding = request.headers.get("Content-Encoding", "identity").strip().lower()
    if encoding not in ("identity", "gzip"):
        raise UnsupportedMediaType(encoding, "The only Content-Encoding taken is gzip.")
    if int(request.META.get("CONTENT_LENGTH") or 0) > body.MAX_BYTES:
        raise TooLarge(f"The body is over {body.MAX_BYTES:,} bytes; send it in parts.")
    text = body.decoded(body.gathered(_pieces(request), gzipped=encoding == "gzip"))
    return (body.array if media_type == JSON else body.lines)(text), body.is_doubtful(text)


def _pieces(request: Request) -> Iterator[bytes]:
    raw = request._request
    while piece := raw.read(_PIECE):
        yield piece
