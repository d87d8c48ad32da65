"""What the APIs tell of one run: `RunAnalysis.document`."""

from __future__ import annotations

from rest_framework import serializers

from analytics.api.shapes import MARKS, MoneyField, NumberField, RunsField
from runs.api.serializers import StampField
from runs.states import NodeStatus, RunState


class UsualSerializer(serializers.Serializer):
    """The completed runs that it is compared with."""

    runs = serializers.IntegerField()
    version = serializers.IntegerField(allow_null=True, help_text="null: of all versions.")
    since = StampField()
    until = StampField()
    is_known = serializers.BooleanField(help_text="false: they are too few to compare with.")
    parallel_efficiency = NumberField(allow_null=True)


class ComparedSerializer(serializers.Serializer):
    ms = NumberField(help_text="So far, where it has not ended.")
    p50_ms = NumberField(allow_null=True, help_text="What is usual.")
    p95_ms = NumberField(allow_null=True)
    factor = NumberField(allow_null=True, help_text="How many times the median.")
    is_longer = serializers.BooleanField(help_text="Than 95 of 100.")


class WaitedSerializer(serializers.Serializer):
    ms = NumberField(help_text="From creation to start.")
    mean_ms = NumberField(allow_null=True, help_text="What is usual.")


class PathNodeSerializer(serializers.Serializer):
    node = serializers.CharField()
    ms = NumberField()
    share = NumberField(help_text="Of the run's time.")
    waited_ms = NumberField(help_text="Since what it waited for had ended.")


class RunTimeSerializer(serializers.Serializer):
    total_ms = NumberField()
    spent_on = serializers.DictField(
        child=NumberField(), help_text="Milliseconds by cause; together they are the total."
    )
    work_ms = NumberField(help_text="All nodes' work, one after the other.")
    ideal_ms = NumberField(help_text="With each node begun as soon as it could.")
    parallel_efficiency = NumberField(allow_null=True, help_text="The ideal, of what it took.")
    critical_path = PathNodeSerializer(many=True)


class NodeComparedSerializer(ComparedSerializer):
    node = serializers.CharField()
    kind = serializers.CharField()
    status = serializers.ChoiceField(choices=[str(status) for status in NodeStatus])
    attempts = serializers.IntegerField()
    of_runs = serializers.IntegerField(help_text="That the usual is of.")
    queued_ms = NumberField()
    queued_mean_ms = NumberField(allow_null=True, help_text="What is usual.")


class SpentSerializer(serializers.Serializer):
    calls = serializers.IntegerField()
    input_tokens = serializers.IntegerField()
    output_tokens = serializers.IntegerField()
    cached_tokens = serializers.IntegerField()
    cost = MoneyField()
    failed_cost = MoneyField(help_text="Of it: on attempts that failed, were lost or came late.")
    failed_calls = serializers.IntegerField()


class NodeSpentSerializer(SpentSerializer):
    node = serializers.CharField()


class RunCostSerializer(serializers.Serializer):
    total = SpentSerializer(help_text="The sum of its model calls.")
    stated = MoneyField(help_text="As the run itself says.")
    usual_mean = MoneyField(allow_null=True)
    nodes = NodeSpentSerializer(many=True)


class WhySerializer(serializers.Serializer):
    group = serializers.CharField(help_text="The failure group's id.")
    kind = serializers.CharField()
    node = serializers.CharField(help_text="Empty: before any node.")
    message = serializers.CharField(help_text="With # for what differs from run to run.")
    first_seen = StampField(allow_null=True)
    last_seen = StampField(allow_null=True)
    since = serializers.CharField(help_text="The first version with it, as far as is known.")
    mark = serializers.ChoiceField(choices=MARKS, allow_blank=True)
    note = serializers.CharField()
    days = serializers.IntegerField(help_text="The time of the counts, up to now.")
    runs = serializers.IntegerField()
    retried = serializers.IntegerField()
    recovered = serializers.IntegerField()
    runs_url = RunsField(source="filter")


class RunAnalysisSerializer(serializers.Serializer):
    run_id = serializers.CharField()
    workflow = serializers.CharField()
    version = serializers.IntegerField()
    state = serializers.ChoiceField(choices=[str(state) for state in RunState])
    is_final = serializers.BooleanField()
    usual = UsualSerializer()
    duration = ComparedSerializer(allow_null=True, help_text="null: it has not started.")
    waited = WaitedSerializer()
    time = RunTimeSerializer(allow_null=True, help_text="null: it has not started.")
    nodes = NodeComparedSerializer(
        many=True, help_text="Those that were begun, first those that took longest beyond usual."
    )
    cost = RunCostSerializer()
    failure = WhySerializer(allow_null=True, help_text="Of a run that failed.")
