"""What the API gives and takes. Times are in UTC with milliseconds, money is decimal text."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.urls import reverse
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from runs import ids
from runs.actors import ACTOR_REFS
from runs.context import milliseconds, stamp
from runs.models import Run, Workflow, WorkflowVersion
from runs.states import Kind, NodeStatus, RunState, Trigger


class StampField(serializers.DateTimeField):
    def to_representation(self, value: datetime) -> str:
        return stamp(value) or ""


class StrictSerializer(serializers.Serializer):
    """Takes no field it does not know: a mistyped name must not pass for one left out."""

    def to_internal_value(self, data: Any) -> Any:
        unknown = data.keys() - self.fields.keys() if isinstance(data, Mapping) else set()
        if unknown:
            raise serializers.ValidationError(
                {name[:64]: ["There is no such field."] for name in sorted(unknown)[:10]}
            )
        return super().to_internal_value(data)


# -- Runs ------------------------------------------------------------------------------------


class TokensSerializer(serializers.Serializer):
    input = serializers.IntegerField(source="input_tokens")
    output = serializers.IntegerField(source="output_tokens")
    cached = serializers.IntegerField(source="cached_tokens")


class NodeCountSerializer(serializers.Serializer):
    total = serializers.IntegerField(source="nodes_total")
    done = serializers.IntegerField(source="nodes_done")


class RunErrorSerializer(serializers.Serializer):
    node = serializers.CharField(source="error_node", allow_blank=True)
    kind = serializers.CharField(source="error_kind")
    message = serializers.CharField(source="error_message")


class RunSerializer(serializers.Serializer):
    """A run of ``Run.objects`` with its workflow, version and `draining`; wants `now`."""

    id = serializers.CharField(source="public_id")
    job_id = serializers.CharField()
    workflow_id = serializers.CharField(source="workflow.slug")
    workflow_version = serializers.IntegerField(source="version.number")
    state = serializers.ChoiceField(choices=[str(state) for state in RunState])
    created_at = StampField()
    started_at = StampField(allow_null=True)
    completed_at = StampField(allow_null=True)
    duration_ms = serializers.SerializerMethodField(
        help_text="From start to end, or until now while the run is active."
    )
    trigger = serializers.ChoiceField(choices=[str(trigger) for trigger in Trigger])
    triggered_by = serializers.CharField()
    ref_type = serializers.CharField()
    ref_id = serializers.CharField()
    retry_of = serializers.SerializerMethodField()
    first_run = serializers.SerializerMethodField()
    cost = serializers.DecimalField(max_digits=20, decimal_places=10, help_text="US dollars.")
    tokens = TokensSerializer(source="*")
    nodes = NodeCountSerializer(source="*")
    current_node = serializers.CharField()
    error = serializers.SerializerMethodField()
    ended_by = serializers.CharField()
    reason = serializers.CharField()
    last_seq = serializers.IntegerField(help_text="Number of the newest event.")
    draining = serializers.IntegerField(
        help_text="Nodes of a run that has ended which still finish their present operation."
    )
    url = serializers.SerializerMethodField(help_text="The run's page in the portal.")

    def get_duration_ms(self, run: Run) -> int | None:
        return milliseconds(run.started_at, run.completed_at or self.context["now"])

    def get_retry_of(self, run: Run) -> str | None:
        return ids.encode("run", run.retry_of_id) if run.retry_of_id else None

    def get_first_run(self, run: Run) -> str | None:
        return ids.encode("run", run.first_id) if run.first_id else None

    @extend_schema_field(RunErrorSerializer(allow_null=True))
    def get_error(self, run: Run) -> dict[str, Any] | None:
        return RunErrorSerializer(run).data if run.state == RunState.FAILED else None

    @extend_schema_field(serializers.URLField())
    def get_url(self, run: Run) -> str:
        page = reverse("admin:runs_run_page", args=[run.public_id])
        return self.context["request"].build_absolute_uri(page)


class JobSerializer(serializers.Serializer):
    """What `context.job_of` gives."""

    job_id = serializers.CharField()
    dag_id = serializers.CharField()
    state = serializers.ChoiceField(choices=[str(state) for state in RunState])
    created_at = serializers.DateTimeField()
    started_at = serializers.DateTimeField(allow_null=True)
    completed_at = serializers.DateTimeField(allow_null=True)
    total_duration_ms = serializers.IntegerField(allow_null=True)
    ref_id = serializers.CharField(allow_null=True)
    ref_type = serializers.CharField(allow_null=True)


class NodeErrorSerializer(serializers.Serializer):
    kind = serializers.CharField()
    message = serializers.CharField()
    trace = serializers.CharField(required=False)


class NodeMetadataSerializer(serializers.Serializer):
    duration_ms = serializers.IntegerField(allow_null=True)
    executor = serializers.CharField(allow_null=True)
    kind = serializers.CharField()
    status = serializers.ChoiceField(choices=[str(status) for status in NodeStatus])
    attempts = serializers.IntegerField()
    error = NodeErrorSerializer(required=False)
    omitted = serializers.ListField(
        child=serializers.ChoiceField(choices=["input", "output"]),
        required=False,
        help_text="Payloads left out because the context would be too large.",
    )


class NodeContextSerializer(serializers.Serializer):
    started_at = serializers.DateTimeField(allow_null=True)
    completed_at = serializers.DateTimeField(allow_null=True)
    input = serializers.JSONField(allow_null=True)
    output = serializers.JSONField(allow_null=True)
    metadata = NodeMetadataSerializer()


class ContextSerializer(serializers.Serializer):
    """What `context.context_of` gives."""

    run_id = serializers.CharField()
    workflow_id = serializers.CharField()
    workflow_version = serializers.IntegerField()
    input_data = serializers.JSONField()
    nodes = serializers.DictField(child=NodeContextSerializer())


class EventSerializer(serializers.Serializer):
    """What `live.public_event` gives."""

    seq = serializers.IntegerField()
    kind = serializers.ChoiceField(choices=[str(kind) for kind in Kind])
    node = serializers.CharField()
    attempt = serializers.IntegerField(allow_null=True)
    actor = serializers.CharField()
    at = serializers.DateTimeField()
    data = serializers.DictField()  # type: ignore[assignment]


class ReasonSerializer(StrictSerializer):
    reason = serializers.CharField(
        max_length=500, required=False, allow_blank=True, default="",
        help_text="Why; it is kept in the audit.",
    )  # fmt: skip


class EventQuerySerializer(serializers.Serializer):
    kind = serializers.MultipleChoiceField(
        choices=[str(kind) for kind in Kind],
        required=False,
        help_text="Only events of these kinds.",
    )
    node = serializers.CharField(
        max_length=64, required=False, help_text="Only events of this node."
    )


# -- Workflows -------------------------------------------------------------------------------


class WorkflowSerializer(serializers.Serializer):
    """A workflow with `newest`, the number of its newest version."""

    id = serializers.CharField(source="slug")
    description = serializers.CharField()
    created_at = StampField()
    version = serializers.IntegerField(
        source="newest", allow_null=True, help_text="Number of the newest version."
    )
    url = serializers.SerializerMethodField(help_text="The workflow's page in the portal.")

    @extend_schema_field(serializers.URLField())
    def get_url(self, workflow: Workflow) -> str:
        page = reverse("admin:runs_workflow_page", args=[workflow.slug])
        return self.context["request"].build_absolute_uri(page)


class VersionSerializer(serializers.Serializer):
    number = serializers.IntegerField()
    created_at = StampField()
    created_by = serializers.SerializerMethodField()

    def get_created_by(self, version: WorkflowVersion) -> str | None:
        return version.created_by.get_username() if version.created_by else None


class WorkflowDetailSerializer(WorkflowSerializer):
    """A workflow with `versions_shown`, newest first, and the newest one's `definition`."""

    definition = serializers.JSONField(allow_null=True)
    versions = VersionSerializer(source="versions_shown", many=True)


class StartSerializer(StrictSerializer):
    input = serializers.JSONField(
        allow_null=True, help_text="The run's input; the workflow's schema applies."
    )
    version = serializers.IntegerField(
        min_value=1, max_value=2**31 - 1, required=False, allow_null=True, default=None,
        help_text="Number of the version; without it the newest.",
    )  # fmt: skip
    ref_type = serializers.CharField(
        max_length=64, required=False, allow_blank=True, default="",
        help_text="A word of your own for what the run belongs to, such as “order”.",
    )  # fmt: skip
    ref_id = serializers.CharField(
        max_length=200, required=False, allow_blank=True, default="",
        help_text="Its id with you.",
    )  # fmt: skip

    def validate_ref_type(self, word: str) -> str:
        if word.lower() in ACTOR_REFS:
            raise serializers.ValidationError(f"“{word}” is the portal's own word; choose another.")
        return word

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if attrs["ref_id"] and not attrs["ref_type"]:
            raise serializers.ValidationError({"ref_type": ["Say what the ref_id belongs to."]})
        return attrs
