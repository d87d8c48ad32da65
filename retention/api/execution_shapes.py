"""What the API of executions gives and takes."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers
from rest_framework.reverse import reverse

from retention import reported
from retention.api import shapes
from retention.models import Execution, Finding
from retention.models.execution import ExecutionKind, ExecutionState
from runs import ids
from runs.api.serializers import OneOf, StampField, StrictSerializer
from runs.models import Workflow

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
        help_text="Of sweep: delete what nothing names, and mark what is lost, also where that is"
        " over a tenth of all. Of check: mark what is lost also where storage has none of the logs"
        " that are looked for, as where its folder is not mounted.",
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


class DueLineSerializer(serializers.Serializer):
    """What would be archived of one workflow's runs in one state."""

    workflow = serializers.CharField(help_text="Its id; empty: it is not there any more.")
    state = serializers.ChoiceField(choices=shapes.STATES)
    runs = serializers.IntegerField()
    events = serializers.IntegerField()
    gone = serializers.IntegerField(help_text="Of the runs: would go for good just after it.")
    bytes = serializers.IntegerField(help_text="Freed in the database, about.")
    oldest = StampField(help_text="When the first of them ended.")
    newest = StampField()


class GoneLineSerializer(serializers.Serializer):
    """Archived runs of one workflow that would go for good."""

    workflow = serializers.CharField(help_text="Its id; empty: it is not there any more.")
    runs = serializers.IntegerField()
    bytes = serializers.IntegerField(help_text="In storage.")
    oldest = StampField(help_text="When the first of them ended.")
    newest = StampField()


class ReportSerializer(serializers.Serializer):
    """Of a dry run `terms` to `unfinished`; of a sweep `objects` to `leftovers`; of a check one."""

    terms = DueLineSerializer(many=True, required=False, help_text="What is due.")
    deleted = GoneLineSerializer(
        many=True, required=False, help_text="Archived runs that would go for good."
    )
    gone = serializers.IntegerField(
        required=False, help_text="All runs that would go for good, also just after archiving."
    )
    expired = serializers.IntegerField(
        required=False, help_text="Restored logs that would leave the database again."
    )
    unfinished = serializers.IntegerField(required=False, help_text="Left half archived.")
    objects = serializers.IntegerField(required=False)
    orphans = serializers.IntegerField(required=False, help_text="Which no run or export names.")
    strange = serializers.IntegerField(required=False, help_text="None of the portal's, by name.")
    lost = serializers.IntegerField(required=False, help_text="Named, and not there as put.")
    doomed = serializers.IntegerField(required=False, help_text="Orphans that are to be deleted.")
    leftovers = serializers.IntegerField(required=False, help_text="Unfinished ones, removed.")
    there = serializers.IntegerField(required=False, help_text="Archived logs that there were.")


class WaitSerializer(serializers.Serializer):
    since = StampField()
    until = StampField()
    why = serializers.CharField()


class ExecutionSerializer(serializers.Serializer):
    """Wants `request`."""

    _known: dict[int, str] | None = None

    id = serializers.CharField(source="public_id")
    kind = serializers.ChoiceField(choices=KINDS)
    state = serializers.ChoiceField(choices=STATES)
    dry_run = serializers.BooleanField()
    night = serializers.SerializerMethodField()
    by = serializers.CharField(source="started_by")
    reason = serializers.CharField()
    options = serializers.DictField(
        help_text="As asked for; of an archive run the policy at the start, also of workflows that"
        " have days of their own; of a night when it was due."
    )
    created_at = StampField()
    ended_at = StampField(allow_null=True)
    trouble = serializers.CharField(help_text="Why it waits, or gave up; it goes on by itself.")
    trouble_since = StampField(allow_null=True)
    next_at = StampField(allow_null=True, help_text="When it is tried again.")
    waits = serializers.SerializerMethodField()
    aborted_by = serializers.CharField(help_text="Who ended it by hand; else empty.")
    abort_reason = serializers.CharField()
    seen = serializers.IntegerField(
        help_text="Runs looked at, those that went for good too; of sweep and check: objects."
    )
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
    report = serializers.SerializerMethodField()
    url = serializers.SerializerMethodField()

    def get_night(self, execution: Execution) -> str | None:
        """Of which night it is, as a date in the policy's zone; null: of none."""
        return execution.night.isoformat() if execution.night else None

    @extend_schema_field(WaitSerializer(many=True))
    def get_waits(self, execution: Execution) -> list[dict[str, Any]]:
        """What was in its way before, and is over."""
        return execution.waits or []

    @extend_schema_field(ReportSerializer())
    def get_report(self, execution: Execution) -> dict[str, Any]:
        """What a dry run counted, or of a sweep how many objects are what."""
        return reported.named(execution.report, self._slugs(execution))

    def _slugs(self, execution: Execution) -> dict[int, str]:
        """Of the workflows that it names: of a whole page of executions found at once."""
        if self._known is None:
            # Of one execution, or of the list whose child this is.
            page = getattr(self.parent, "instance", None) or [execution]
            asked = reported.workflows([each.report for each in page])
            found = Workflow.objects.filter(pk__in=asked) if asked else Workflow.objects.none()
            self._known = dict(found.values_list("pk", "slug"))
        return self._known

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
