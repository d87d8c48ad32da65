"""Runs that do not get on, by the REST API: the list of them, and what helps one."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.db.models import Q, QuerySet
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from runs import ids
from runs.api import examples
from runs.api.acts import find_workflow
from runs.api.pagination import KeyPages
from runs.api.serializers import StampField
from runs.api.views import ApiViewSet
from runs.models import StuckRun
from runs.models.stuck import Rescue, StuckKind
from runs.stuck.finding import of_row

CLASSES = [str(kind) for kind in StuckKind.values]
RESCUES = [str(rescue) for rescue in Rescue.values if rescue]
_TITLES = ", ".join(f"`{kind.value}`: {kind.label.lower()}" for kind in StuckKind)


class FactSerializer(serializers.Serializer):
    name = serializers.CharField()
    words = serializers.CharField(allow_blank=True)
    at = StampField(allow_null=True)


class StuckSerializer(serializers.Serializer):
    run = serializers.CharField()
    node = serializers.CharField(allow_blank=True, help_text="Empty: the run as a whole.")
    workflow_id = serializers.CharField()
    state = serializers.CharField(help_text="The run's.")
    cause = serializers.ChoiceField(choices=CLASSES, help_text=f"The class. {_TITLES}.")
    since = StampField()
    found_at = StampField(help_text="When it was found in this class first.")
    checked_at = StampField(help_text="When it was looked at last.")
    words = serializers.CharField()
    act = serializers.CharField(help_text="What a person can do about it.")
    rescue = serializers.ChoiceField(
        choices=RESCUES, allow_blank=True,
        help_text="What one press of its page does; `rerun`, `hint` and `settle` are also done by"
        " `POST /api/runs/{id}/rescue/`.",
    )  # fmt: skip
    command = serializers.CharField(allow_blank=True, help_text="For a shell, or PostgreSQL.")
    evidence = FactSerializer(many=True)


class StuckPages(KeyPages):
    """Longest stuck first."""

    def key(self, row: StuckRun) -> str:
        return str(row.pk)

    def page_at(self, rows: QuerySet, side: str, key: str) -> QuerySet:
        if not key:
            return rows.order_by("since", "id")
        if not (key.isascii() and key.isdecimal() and len(key) < 19):
            raise ValueError(key)
        at = StuckRun.objects.filter(pk=int(key)).values_list("since", flat=True).first()
        if at is None:
            raise ValueError(key)
        if side == "before":
            before = Q(since__lt=at) | Q(since=at, id__lt=int(key))
            return rows.filter(before, since__lte=at).order_by("-since", "-id")
        after = Q(since__gt=at) | Q(since=at, id__gt=int(key))
        return rows.filter(after, since__gte=at).order_by("since", "id")


def listed(cause: str, workflow: str) -> QuerySet[StuckRun]:
    """Of runs that have not ended meanwhile. Raises NotFound for a workflow that is none."""
    rows = StuckRun.objects.open().select_related("run", "workflow")
    if cause:
        rows = rows.filter(kind=cause)
    return rows.filter(workflow=find_workflow(workflow).pk) if workflow else rows


def told(row: StuckRun) -> dict[str, Any]:
    found = of_row(row)
    return {
        "run": ids.encode("run", row.run_id),
        "node": row.node,
        "workflow_id": row.workflow.slug,
        "state": row.run.state,
        "cause": row.kind,
        "since": row.since,
        "found_at": row.found_at,
        "checked_at": row.checked_at,
        "words": row.words,
        "act": row.act,
        "rescue": row.rescue,
        "command": found.command,
        "evidence": [
            {"name": fact.label, "words": fact.words, "at": fact.at} for fact in found.facts
        ],
    }


class StuckViewSet(ApiViewSet):
    """Runs that do not get on, as they were found within the last 15 seconds."""

    permission = "runs.view_run"
    pagination_class = StuckPages
    serializer_class = StuckSerializer
    queryset = StuckRun.objects.none()
    now: datetime

    @extend_schema(
        operation_id="stuck_list",
        parameters=[
            OpenApiParameter("cause", enum=CLASSES, description="Those of this class."),
            OpenApiParameter("workflow", description="Those of the workflow with this id."),
        ],
        examples=[examples.STUCK],
    )
    def list(self, request: Request) -> Response:
        """What is in their way, with what speaks for it, and what helps; longest stuck first.

        The same runs as `GET /api/runs/?stuck=yes`."""
        self.refuse_unknown("cause", "workflow")
        cause = request.query_params.get("cause", "")
        if cause and cause not in CLASSES:
            raise ValidationError({"cause": [f"One of {', '.join(CLASSES)}."]})
        rows = listed(cause, request.query_params.get("workflow", ""))
        page = self.paginate_queryset(rows) or []
        shown = StuckSerializer([told(row) for row in page], many=True)
        return self.get_paginated_response(shown.data)
