"""What the APIs of the analysis give and take. Money is decimal text with all its digits."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers
from rest_framework.reverse import reverse

from analytics.documents import plain
from analytics.marking import NOTE_LENGTH
from analytics.models.failures import Mark
from runs.api.serializers import OneOf, StampField, StrictSerializer

MARKS = [(mark, mark) for mark in Mark.values]
_TO_THE_RUNS = "The API's list of the runs behind it; null where no filter says which."


class RunsField(serializers.URLField):
    """Of a link to the portal's list: the API's list of the same runs. Wants `request`."""

    def __init__(self, **more: Any) -> None:
        super().__init__(allow_null=True, help_text=_TO_THE_RUNS, **more)

    def to_representation(self, value: str) -> str | None:  # type: ignore[override]
        if not value:
            return None
        # The API's list has one order.
        query = value.partition("&sort=")[0]
        return reverse("api:run-list", request=self.context["request"]) + query


class NumberField(serializers.FloatField):
    """No more digits than mean something."""

    def to_representation(self, value: Any) -> float:  # type: ignore[override]
        return round(float(value), 6)


class MoneyField(serializers.DecimalField):
    def __init__(self, **more: Any) -> None:
        super().__init__(max_digits=None, decimal_places=None, **more)


class _AnswerSerializer(serializers.Serializer):
    """What all answers say of themselves."""

    filter = serializers.DictField(
        child=serializers.CharField(), help_text="Which runs it is about, as it was understood."
    )
    compared_with = serializers.CharField(
        help_text="`before`, `none`, or another version such as `v3`."
    )
    counted_until = StampField(
        allow_null=True, help_text="What happened later may not be counted yet."
    )


class FigureSerializer(serializers.Serializer):
    label = serializers.CharField()  # type: ignore[assignment]  # a field's name here
    value = serializers.SerializerMethodField(
        "told_value",
        help_text="A count, a share of 1, milliseconds, or money as decimal text; null: nothing"
        " to tell.",
    )
    before = serializers.SerializerMethodField(
        "told_before", help_text="The same of what it is compared with."
    )
    words = serializers.CharField(help_text="As the portal's page writes it.")
    runs_url = RunsField(source="link")

    @extend_schema_field({"type": ["number", "string", "null"]})
    def told_value(self, figure: dict[str, Any]) -> int | str | None:
        return plain(figure["value"])

    @extend_schema_field({"type": ["number", "string", "null"]})
    def told_before(self, figure: dict[str, Any]) -> int | str | None:
        return plain(figure["before"])


# -- Failures --------------------------------------------------------------------------------


class FailedBarSerializer(serializers.Serializer):
    at = StampField(help_text="The beginning of the hours or the day.")
    failed = serializers.IntegerField()
    runs_url = RunsField(source="link")


class FailureGroupSerializer(serializers.Serializer):
    id = serializers.CharField()
    kind = serializers.CharField()
    node = serializers.CharField(help_text="Empty: it failed before any node.")
    message = serializers.CharField(help_text="With # for what differs from run to run.")
    sample = serializers.CharField(help_text="The newest message, as it was.")
    workflows = serializers.ListField(child=serializers.CharField())
    runs = serializers.IntegerField(help_text="That failed so, of those that are asked about.")
    retried = serializers.IntegerField(help_text="Of them: runs that were retried.")
    recovered = serializers.IntegerField(help_text="Of these: runs of which a retry completed.")
    median_ms_to_failure = NumberField(allow_null=True)
    since = serializers.CharField(help_text="The version with which it first came.")
    is_new = serializers.BooleanField(help_text="It was first seen in this time.")
    mark = serializers.ChoiceField(choices=MARKS, allow_blank=True)
    first_seen = StampField(allow_null=True)
    last_seen = StampField(allow_null=True)
    runs_url = RunsField(source="link")


class FailuresSerializer(_AnswerSerializer):
    figures = FigureSerializer(many=True)
    trend = FailedBarSerializer(many=True)
    groups = FailureGroupSerializer(many=True, help_text="Of this page.")
    group_count = serializers.IntegerField(help_text="On all pages.")


# -- Cost ------------------------------------------------------------------------------------


class CostBarSerializer(serializers.Serializer):
    at = StampField(help_text="The beginning of the hours or the day.")
    cost = MoneyField()
    runs_url = RunsField(source="link")


class CostLineSerializer(serializers.Serializer):
    name = serializers.CharField()
    cost = MoneyField()
    before = MoneyField(allow_null=True, help_text="Of what it is compared with.")
    tokens = serializers.IntegerField()
    count = serializers.IntegerField(help_text="Model calls; of people: runs.")
    runs_url = RunsField(source="link")


class CostRestSerializer(serializers.Serializer):
    workflows = MoneyField()
    nodes = MoneyField()
    models = MoneyField()
    people = MoneyField()


class DearRunSerializer(serializers.Serializer):
    id = serializers.CharField()
    workflow = serializers.CharField()
    cost = MoneyField()


class CostsSerializer(_AnswerSerializer):
    figures = FigureSerializer(many=True)
    total = MoneyField()
    calls = serializers.IntegerField()
    input_tokens = serializers.IntegerField()
    output_tokens = serializers.IntegerField()
    cached_tokens = serializers.IntegerField()
    on_failed_attempts = MoneyField(help_text="On attempts that failed, were lost or came late.")
    on_retries = MoneyField(help_text="In runs that retry another one.")
    trend = CostBarSerializer(many=True)
    workflows = CostLineSerializer(many=True)
    nodes = CostLineSerializer(many=True)
    models = CostLineSerializer(many=True)
    people = CostLineSerializer(many=True, help_text="By who triggered the runs.")
    not_listed = CostRestSerializer(help_text="What the lines that are left out come to.")
    runs = DearRunSerializer(many=True, help_text="The most expensive ones.")


# -- Duration --------------------------------------------------------------------------------


class DurationBarSerializer(serializers.Serializer):
    at = StampField(help_text="The beginning of the hours or the day.")
    p50_ms = NumberField(allow_null=True)
    p95_ms = NumberField(allow_null=True)
    runs_url = RunsField(source="link")


class NodeTimeSerializer(serializers.Serializer):
    workflow = serializers.CharField()
    node = serializers.CharField()
    kind = serializers.CharField()
    executed = serializers.IntegerField(help_text="Runs in which it was executed.")
    failed = serializers.IntegerField(help_text="Of them: runs in which it failed.")
    p50_ms = NumberField(allow_null=True)
    p95_ms = NumberField(allow_null=True)
    p95_ms_before = NumberField(allow_null=True)
    longest_ms = serializers.IntegerField()
    share = NumberField(help_text="Of the time in which nodes worked.")
    queued_ms = NumberField(help_text="On average.")
    queued_ms_before = NumberField(allow_null=True)
    backoff_ms = NumberField(help_text="Between attempts, on average.")
    runs_url = RunsField(source="link")
    failed_runs_url = RunsField(source="failed_link")


class WorkflowTimeSerializer(serializers.Serializer):
    workflow = serializers.CharField()
    version = serializers.IntegerField(
        allow_null=True, help_text="Where the filter is one workflow; else null: all of it."
    )
    runs = serializers.IntegerField()
    p50_ms = NumberField(allow_null=True)
    p95_ms = NumberField(allow_null=True)
    p95_ms_before = NumberField(allow_null=True)
    waited_ms = NumberField(help_text="From creation to start, on average.")
    parallel_efficiency = NumberField(allow_null=True)
    parallel_efficiency_before = NumberField(allow_null=True)
    runs_url = RunsField(source="link")


class SampleSerializer(serializers.Serializer):
    """Where the time of a sample of completed runs went."""

    runs = serializers.IntegerField()
    parallel_efficiency = NumberField(
        allow_null=True,
        help_text="What they would take if nothing waited that need not, of what they took.",
    )
    nodes_at_once = NumberField(allow_null=True, help_text="On average.")
    spent_on = serializers.DictField(child=NumberField(), help_text="Shares of 1, by cause.")


class DurationsSerializer(_AnswerSerializer):
    figures = FigureSerializer(many=True)
    runs = serializers.IntegerField(help_text="Those that have started and ended.")
    trend = DurationBarSerializer(many=True)
    workflows = WorkflowTimeSerializer(many=True, help_text="Or the versions of one.")
    nodes = NodeTimeSerializer(many=True, help_text="Of this page.")
    node_count = serializers.IntegerField(help_text="On all pages.")
    sample = SampleSerializer(
        allow_null=True, help_text="Only where the filter is a workflow and a time."
    )


# -- The overview ----------------------------------------------------------------------------


class RunsNowSerializer(serializers.Serializer):
    """Counted up to 9,999 each; 10,000 means more."""

    active = serializers.IntegerField()
    queued = serializers.IntegerField()
    waiting = serializers.IntegerField(help_text="Questions that wait for a person.")
    stuck = serializers.IntegerField(help_text="Runs that do not get on.")


class ChangeSerializer(serializers.Serializer):
    kind = serializers.CharField()
    title = serializers.CharField()
    evidence = serializers.CharField()
    url = serializers.SerializerMethodField("told_url", help_text="The page that shows it.")

    @extend_schema_field(serializers.URLField())
    def told_url(self, change: dict[str, Any]) -> str:
        return self.context["request"].build_absolute_uri(change["url"])


class StatesBarSerializer(serializers.Serializer):
    at = StampField(help_text="The beginning of the hour.")
    completed = serializers.IntegerField()
    failed = serializers.IntegerField()
    terminated = serializers.IntegerField()
    active = serializers.IntegerField()
    created = serializers.IntegerField()


class WorkflowDaySerializer(serializers.Serializer):
    workflow = serializers.CharField()
    runs = serializers.IntegerField()
    failed = serializers.IntegerField()
    failure_rate = NumberField(allow_null=True, help_text="Of the runs that completed or failed.")
    failure_rate_before = NumberField(allow_null=True, help_text="In the seven days before.")
    p95_ms = NumberField(allow_null=True)
    cost = MoneyField()
    runs_url = RunsField(source="link")
    failed_runs_url = RunsField(source="failed_link")


class OverviewSerializer(serializers.Serializer):
    """The last 24 hours, against the seven days before."""

    counted_until = StampField(help_text="What happened later may not be counted yet.")
    now = RunsNowSerializer()
    figures = FigureSerializer(many=True)
    changes = ChangeSerializer(many=True, help_text="Most urgent first.")
    trend = StatesBarSerializer(many=True, help_text="Runs by the state that they are in now.")
    workflows = WorkflowDaySerializer(many=True, help_text="Those that failed most, then most run.")


# -- One group -------------------------------------------------------------------------------


class GroupInWorkflowSerializer(serializers.Serializer):
    workflow_id = serializers.CharField(source="workflow")
    since_version = serializers.IntegerField(help_text="The version with which it came.")
    runs = serializers.IntegerField()
    retried = serializers.IntegerField()
    recovered = serializers.IntegerField()


class OneFailureGroupSerializer(serializers.Serializer):
    """A OneGroup. Wants `request`."""

    id = serializers.CharField(source="known.public_id")
    kind = serializers.CharField(source="known.kind")
    node = serializers.CharField(source="known.node", help_text="Empty: before any node.")
    message = serializers.CharField(
        source="known.message", help_text="With # for what differs from run to run."
    )
    sample = serializers.CharField(source="known.sample", help_text="The newest, as it was.")
    first_seen = StampField(source="known.first_seen")
    last_seen = StampField(source="known.last_seen")
    runs = serializers.IntegerField(help_text="That failed so and are still there.")
    retried = serializers.IntegerField(help_text="Of them: runs that were retried.")
    recovered = serializers.IntegerField(help_text="Of these: runs of which a retry completed.")
    retry_success = NumberField(source="retry_share", allow_null=True)
    workflows = GroupInWorkflowSerializer(
        many=True, help_text="In the order in which it came to them."
    )
    mark = serializers.ChoiceField(source="known.mark", choices=MARKS)
    marked_at = StampField(source="known.marked_at", allow_null=True)
    marked_by = serializers.CharField(source="known.marked_by")
    reopened_at = StampField(
        source="known.reopened_at",
        allow_null=True,
        help_text="When it came back after it was said to be resolved.",
    )
    note = serializers.CharField(source="known.note")
    runs_url = RunsField(source="link")


class MarkSerializer(StrictSerializer):
    mark = OneOf(choices=MARKS, help_text="`new` takes a mark away.")
    note = serializers.CharField(
        max_length=NOTE_LENGTH, required=False, allow_blank=True, default="",
        help_text="Shown with the group, and kept in the audit.",
    )  # fmt: skip
