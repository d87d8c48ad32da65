"""What the API of bulk operations gives and takes."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers
from rest_framework.reverse import reverse

from runs import ids, restore_days
from runs.api.run_query import NAMES, WORDS
from runs.api.serializers import (
    CountsSerializer,
    OneOf,
    ReasonSerializer,
    StampField,
    StrictSerializer,
)
from runs.bulk.operations import MAX_RATE
from runs.bulk.parts import FORMATS
from runs.models import BulkOperation, BulkOutcome
from runs.models.bulk import MOST_CHOSEN, BulkKind, BulkState, OutcomeStatus

KINDS = [(kind, kind) for kind in BulkKind.values]
STATES = [(state, state) for state in BulkState.values]
STATUSES = [(status, status) for status in OutcomeStatus.values]
# More than anybody would confirm.
MOST_EXPECTED = 1_000_000_000
_ID = 100

_MOST_LETTERS = 200


class RunFilterSerializer(StrictSerializer):
    """The list's filter. Its values are judged where the list's are."""

    def get_fields(self) -> dict[str, Any]:
        return {
            name: serializers.CharField(
                required=False, max_length=_MOST_LETTERS, help_text=WORDS[name]
            )
            for name in NAMES
        }


class MeantSerializer(StrictSerializer):
    """Which runs: exactly one of the three."""

    filter = RunFilterSerializer(required=False, help_text="All that it finds; {}: all runs.")
    runs = serializers.ListField(
        child=serializers.CharField(max_length=_ID), required=False, min_length=1,
        max_length=MOST_CHOSEN, help_text="These, by their ids.",
    )  # fmt: skip
    failed_of = serializers.CharField(
        required=False, max_length=_ID,
        help_text="Those for which this operation, which has ended, failed.",
    )  # fmt: skip

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if sum(name in attrs for name in ("filter", "runs", "failed_of")) != 1:
            said = "Say on which runs: give one of filter, runs and failed_of."
            raise serializers.ValidationError(said)
        return attrs


class PreviewInputSerializer(MeantSerializer):
    kind = OneOf(choices=KINDS)


class MakeBulkOptionsSerializer(StrictSerializer):
    from_failed = serializers.BooleanField(
        required=False, help_text="Of retry: go on from the failed node, with what was done before."
    )
    format = OneOf(choices=FORMATS, required=False, help_text="Of export: the kind of file.")
    with_logs = serializers.BooleanField(
        required=False, help_text="Of export: with all events of each run."
    )
    days = serializers.IntegerField(
        required=False, min_value=1, max_value=restore_days.MOST,
        help_text="Of restore: for how many days; without it as the retention's settings say.",
    )  # fmt: skip


class RateSerializer(StrictSerializer):
    rate = serializers.IntegerField(
        min_value=1, max_value=MAX_RATE, allow_null=True,
        help_text="Runs a second at most; null: as fast as it goes.",
    )  # fmt: skip


class MakeBulkSerializer(PreviewInputSerializer):
    reason = serializers.CharField(
        max_length=500, required=False, allow_blank=True, default="",
        help_text="Why; kept in the audit. Needed to terminate, delete and hold.",
    )  # fmt: skip
    rate = serializers.IntegerField(
        min_value=1, max_value=MAX_RATE, allow_null=True, required=False, default=None,
        help_text="Runs a second at most; null: as fast as it goes.",
    )  # fmt: skip
    options = MakeBulkOptionsSerializer(required=False)
    expected_at_most = serializers.IntegerField(
        min_value=0, max_value=MOST_EXPECTED, required=False, allow_null=True, default=None,
        help_text="Refused where the filter means more runs than this that the act can be done to;"
        " and where more come into it later, the operation ends before it visits them. Needed to"
        " delete by a filter: one that is wider than it was thought to be cannot be undone there.",
    )  # fmt: skip

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        attrs = super().validate(attrs)
        errors = {}
        kind, options = attrs["kind"], attrs.get("options", {})
        if kind == BulkKind.DELETE and "filter" in attrs and attrs["expected_at_most"] is None:
            errors["expected_at_most"] = ["To delete by a filter, say how many runs at most."]
        if kind in (BulkKind.TERMINATE, BulkKind.DELETE, BulkKind.HOLD) and not attrs["reason"]:
            errors["reason"] = ["Say why: the reason is kept in the audit."]
        allowed = _OPTIONS.get(kind, set())
        if odd := sorted(options.keys() - allowed):
            errors["options"] = [f"{', '.join(odd)}: not of {kind}."]
        if errors:
            raise serializers.ValidationError(errors)
        return attrs


_OPTIONS = {
    BulkKind.RETRY: {"from_failed"},
    BulkKind.EXPORT: {"format", "with_logs"},
    BulkKind.RESTORE: {"days"},
}


class RestoreSerializer(ReasonSerializer):
    days = serializers.IntegerField(
        required=False, min_value=1, max_value=restore_days.MOST,
        help_text="For how many days; without it as the retention's settings say.",
    )  # fmt: skip


# Options that are not told as such.
_OWN = ("pages", "states", "at_most")


class BulkOptionsSerializer(serializers.Serializer):
    from_failed = serializers.BooleanField(required=False)
    format = serializers.ChoiceField(choices=FORMATS, required=False)
    with_logs = serializers.BooleanField(required=False)
    days = serializers.IntegerField(required=False)


class BulkSerializer(serializers.Serializer):
    """An operation; wants `request`."""

    id = serializers.CharField(source="public_id")
    kind = serializers.ChoiceField(choices=KINDS)
    state = serializers.ChoiceField(choices=STATES)
    reason = serializers.CharField()
    by = serializers.CharField(source="actor")
    created_at = StampField()
    ended_at = StampField(allow_null=True)
    filter = serializers.DictField(
        child=serializers.CharField(), allow_null=True,
        help_text="As it was frozen; null: runs were named, or are those that failed elsewhere.",
    )  # fmt: skip
    failed_of = serializers.SerializerMethodField(help_text="The operation whose failures it does.")
    options = serializers.SerializerMethodField()
    rate = serializers.IntegerField(allow_null=True, help_text="Runs a second at most.")
    at_least = serializers.IntegerField(help_text="How many runs were counted at its beginning.")
    total = serializers.IntegerField(allow_null=True, help_text="null: not counted yet.")
    visited = serializers.IntegerField()
    done = serializers.IntegerField()
    skipped = serializers.IntegerField()
    failed = serializers.IntegerField()
    per_second = serializers.FloatField(
        allow_null=True, help_text="Runs, of late; of one that has ended, on average."
    )
    seconds_left = serializers.SerializerMethodField()
    expected_at_most = serializers.SerializerMethodField(
        help_text="It ends before it visits more; null: however many there are."
    )
    trouble = serializers.CharField(
        help_text="Why it does not move, if it does not; or why it ended by itself."
    )
    url = serializers.SerializerMethodField()

    def get_failed_of(self, operation: BulkOperation) -> str | None:
        return ids.encode("bulk", operation.failed_of_id) if operation.failed_of_id else None

    @extend_schema_field(BulkOptionsSerializer())
    def get_options(self, operation: BulkOperation) -> dict[str, Any]:
        return {name: value for name, value in operation.options.items() if name not in _OWN}

    def get_expected_at_most(self, operation: BulkOperation) -> int | None:
        most: int | None = operation.options.get("at_most")
        return most

    def get_seconds_left(self, operation: BulkOperation) -> int | None:
        """About how long it still takes; null where that cannot be told."""
        left = operation.left
        return None if left is None else round(left.total_seconds())

    @extend_schema_field(serializers.URLField())
    def get_url(self, operation: BulkOperation) -> str:
        place = [operation.public_id]
        return reverse("api:bulk-detail", args=place, request=self.context["request"])


class BulkExportSerializer(serializers.Serializer):
    """Of an export: a `Download`."""

    runs = serializers.IntegerField()
    events = serializers.IntegerField(help_text="Events that are stored of these runs.")
    missing = serializers.IntegerField(help_text="Events that should be and are not.")
    bytes = serializers.IntegerField(help_text="Size of the file, unpacked, about.")
    is_ready = serializers.BooleanField(help_text="Whether it can be downloaded.")
    until = StampField(allow_null=True, help_text="Until when.")


class BulkDetailSerializer(BulkSerializer):
    """Wants `download` beside."""

    export = serializers.SerializerMethodField()

    @extend_schema_field(BulkExportSerializer(allow_null=True))
    def get_export(self, _: BulkOperation) -> Any:
        told = self.context["download"]
        return BulkExportSerializer(told).data if told else None


class BulkOutcomeSerializer(serializers.Serializer):
    run = serializers.SerializerMethodField()
    status = serializers.ChoiceField(choices=STATUSES)
    reason = serializers.CharField()
    new_run = serializers.SerializerMethodField(help_text="The run that a retry made.")
    at = StampField(allow_null=True, help_text="When.")

    def get_run(self, outcome: BulkOutcome) -> str:
        return ids.encode("run", outcome.run_id)

    def get_new_run(self, outcome: BulkOutcome) -> str | None:
        return ids.encode("run", outcome.new_run) if outcome.new_run else None


class SkippedSerializer(serializers.Serializer):
    reason = serializers.CharField()
    count = serializers.IntegerField()
    is_capped = serializers.BooleanField(help_text="There are more than is counted.")


class PreviewSerializer(serializers.Serializer):
    """What `preview.preview` gives."""

    counts = CountsSerializer(help_text="Runs that are meant, by state.")
    skipped = SkippedSerializer(many=True)
