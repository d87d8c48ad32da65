"""A run's timeline in figures: what the page draws."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from rest_framework import serializers

from runs import ids
from runs.context import stamp
from runs.models import Attempt, Run
from runs.states import AttemptStatus, NodeStatus
from runs.timeline import BACKOFF, DEPENDENCY, PERSON, QUEUED
from runs.views.run_overview import NodeLine, overview

CAUSES = {QUEUED: "queued", DEPENDENCY: "dependency", BACKOFF: "back_off", PERSON: "person"}
WAIT_CAUSES = [(name, name) for name in CAUSES.values()]


class BarSerializer(serializers.Serializer):
    """One attempt."""

    attempt = serializers.IntegerField()
    status = serializers.ChoiceField(choices=[str(status) for status in AttemptStatus])
    started_at = serializers.DateTimeField()
    completed_at = serializers.DateTimeField(allow_null=True)
    duration_ms = serializers.IntegerField(help_text="Until now while it is running.")
    worker = serializers.CharField()
    error_kind = serializers.CharField()


class GapSerializer(serializers.Serializer):
    """Time in which the node waited, and what for."""

    cause = serializers.ChoiceField(choices=WAIT_CAUSES)
    started_at = serializers.DateTimeField()
    duration_ms = serializers.IntegerField()


class RowSerializer(serializers.Serializer):
    node = serializers.CharField()
    status = serializers.ChoiceField(choices=[str(status) for status in NodeStatus])
    reused_from = serializers.CharField(
        allow_null=True, help_text="The run whose result this is, where it was not executed here."
    )
    critical = serializers.BooleanField(help_text="Whether it is on the critical path.")
    queued_at = serializers.DateTimeField(allow_null=True)
    duration_ms = serializers.IntegerField(allow_null=True)
    bars = BarSerializer(many=True)
    gaps = GapSerializer(many=True)


class TimelineSerializer(serializers.Serializer):
    run_id = serializers.CharField()
    started_at = serializers.DateTimeField(allow_null=True)
    completed_at = serializers.DateTimeField(allow_null=True)
    total_ms = serializers.IntegerField(help_text="From start to end, or until now.")
    idle_ms = serializers.IntegerField(help_text="Of that, time in which no node ran.")
    idle_cause = serializers.ChoiceField(
        choices=WAIT_CAUSES, allow_blank=True, help_text="What most of it was spent on."
    )
    growing = serializers.BooleanField(help_text="Whether something is still running.")
    critical_path = serializers.ListField(
        child=serializers.CharField(), help_text="Nodes that made the run take as long as it did."
    )
    rows = RowSerializer(many=True)


def timeline_of(run: Run, now: datetime) -> dict[str, Any]:
    shown = overview(run, now)
    told = shown.told
    zero = run.started_at if run.started_at and told.waited else run.created_at
    begin = zero - timedelta(seconds=told.zero)
    return {
        "run_id": run.public_id,
        "started_at": stamp(run.started_at),
        "completed_at": stamp(run.completed_at),
        "total_ms": _ms(told.total),
        "idle_ms": _ms(told.idle),
        "idle_cause": CAUSES.get(told.idle_cause, told.idle_cause),
        "growing": told.growing,
        "critical_path": [row.key for row in told.rows if row.critical],
        "rows": [
            _row(line, shown.attempts.get(line.node.key, ()), begin, told.span, now)
            for line in shown.lines
        ],
    }


def _row(
    line: NodeLine, attempts: Sequence[Attempt], begin: datetime, span: float, now: datetime
) -> dict[str, Any]:
    row = line.row
    return {
        "node": row.key,
        "status": line.node.status,
        "reused_from": ids.encode("run", reused) if (reused := line.node.reused_from) else None,
        "critical": row.critical,
        "queued_at": stamp(row.queued_at),
        "duration_ms": None if row.seconds is None else _ms(row.seconds),
        "bars": [
            {
                "attempt": attempt.number,
                "status": attempt.status,
                "started_at": stamp(attempt.started_at),
                "completed_at": stamp(attempt.completed_at),
                "duration_ms": _ms(
                    ((attempt.completed_at or now) - attempt.started_at).total_seconds()
                ),
                "worker": attempt.worker,
                "error_kind": attempt.error_kind,
            }
            for attempt in attempts
        ],
        "gaps": [
            {
                "cause": CAUSES.get(gap.cause, gap.cause),
                # From its end: it may have begun before what the drawing shows.
                "started_at": stamp(
                    begin + timedelta(seconds=(gap.x + gap.w) / 100 * span - gap.seconds)
                ),
                "duration_ms": _ms(gap.seconds),
            }
            for gap in row.gaps
        ],
    }


def _ms(seconds: float) -> int:
    return round(seconds * 1000)
