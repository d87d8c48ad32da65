"""What the API of executions gives and takes."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers
from rest_framework.reverse import reverse

from retention.models import Execution, Finding
from retention.models.execution import ExecutionKind, ExecutionState
from runs import ids
from runs.api.serializers import OneOf, StampField, StrictSerializer

KINDS = [(kind, kind) for kind in ExecutionKind.values]
STATES = [(state, state) for state in ExecutionState.values]
MOST_OBJECTS = 1_000_000_000


class BeginOptionsSerializer(StrictSerializer):
    most = serializers.IntegerField(
        min_value=1, max_value=MOST_OBJECTS, allow_null=True, required=False,
        help_text="Of check: how many objects are read, those first that were read longest ago;"
        " null: all. Usually 1,000.",
    )  # fmt: skip
    however_many = serializers.BooleanField(
        required=False,
        help_text="Of sweep: delete what nothing names, also where that is over a tenth of all.",
    )


class BeginExecutionSerializer(StrictSerializer):
    kind = OneOf(choices=KINDS)
    dry_run = serializers.BooleanField(
        required=False, default=False, help_text="It counts, and writes and deletes nothing."
    )
    reason = serializers.CharField(
        max_length=500, required=False, allow_blank=True, default="",
        help_text="Why; it is kept in the audit.",
    )  # fmt: skip
    options = BeginOptionsSerializer(required=False)


class ExecutionSerializer(serializers.Serializer):
    """Wants `request`."""

    id = serializers.CharField(source="public_id")
    kind = serializers.ChoiceField(choices=KINDS)
    state = serializers.ChoiceField(choices=STATES)
    dry_run = serializers.BooleanField()
    night = serializers.SerializerMethodField()
    by = serializers.CharField(source="started_by")
    reason = serializers.CharField()
    options = serializers.DictField(help_text="As asked for, and the policy at the start.")
    created_at = StampField()
    ended_at = StampField(allow_null=True)
    trouble = serializers.CharField(help_text="Why it waits, or gave up; it goes on by itself.")
    trouble_since = StampField(allow_null=True)
    next_at = StampField(allow_null=True, help_text="When it is tried again.")
    seen = serializers.IntegerField(help_text="Runs looked at; of sweep and check: objects.")
    expected = serializers.IntegerField(
        allow_null=True, help_text="How many it will look at, about; null: not known."
    )
    archived = serializers.IntegerField()
    verified = serializers.IntegerField(help_text="Objects read back and found whole.")
    expired = serializers.IntegerField(help_text="Restored logs whose time was over.")
    deleted_runs = serializers.IntegerField(help_text="Runs that went for good, by their age.")
    skipped = serializers.IntegerField()
    errors = serializers.IntegerField()  # type: ignore[assignment]  # a field's name here
    found = serializers.IntegerField(
        help_text="Findings, of which the first 10,000 are kept, for 90 days after the end."
    )
    events = serializers.IntegerField(help_text="Events that left the database.")
    unpacked_bytes = serializers.IntegerField(help_text="Of the events' lines.")
    bytes = serializers.IntegerField(help_text="Of the objects.")
    seconds_worked = serializers.SerializerMethodField()
    report = serializers.DictField(
        help_text="Of a dry run what is due, as lines of workflow, state, runs, events, and runs"
        " that would go for good; of a sweep how many objects are what."
    )
    url = serializers.SerializerMethodField()

    def get_night(self, execution: Execution) -> str | None:
        """Of which night it is, as a date in the policy's zone; null: of none."""
        return execution.night.isoformat() if execution.night else None

    def get_seconds_worked(self, execution: Execution) -> int:
        """For how long workers were at it."""
        return round(execution.worked.total_seconds())

    @extend_schema_field(serializers.URLField())
    def get_url(self, execution: Execution) -> str:
        place = [execution.public_id]
        return reverse("retention-execution-detail", args=place, request=self.context["request"])


class FindingSerializer(serializers.Serializer):
    id = serializers.IntegerField()
    at = StampField()
    run = serializers.SerializerMethodField()
    object = serializers.CharField(source="object_name")
    problem = serializers.CharField()
    act = serializers.CharField(help_text="What was done about it, if anything.")

    def get_run(self, finding: Finding) -> str | None:
        return ids.encode("run", finding.run_id) if finding.run_id else None


def shown(execution: Execution, context: dict[str, Any]) -> dict[str, Any]:
    return dict(ExecutionSerializer(execution, context=context).data)
