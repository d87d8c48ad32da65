"""What the API gives and takes. Times are in UTC with milliseconds, money is decimal text."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, cast

from django.urls import reverse
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from runs.actors import ACTOR_REFS
from runs.context import stamp
from runs.definitions import VersionName
from runs.models import Run, SavedView, Workflow, WorkflowVersion
from runs.public_run import public_run
from runs.states import Kind, LogState, NodeStatus, RunState, Trigger
from runs.workflow_state import MOST_ACTIVE

# No workflow's id: its page would have the address of the page that makes one.
RESERVED = "add"


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


class OneOf(serializers.ChoiceField):
    """Its error names what may be chosen."""

    def __init__(self, choices: Any, **more: Any) -> None:
        super().__init__(choices, **more)
        self.error_messages["invalid_choice"] = _there_are(self.choices)


class SomeOf(serializers.MultipleChoiceField):
    """Its error names what may be chosen."""

    def __init__(self, choices: Any, **more: Any) -> None:
        super().__init__(choices=choices, **more)
        self.error_messages["invalid_choice"] = _there_are(self.choices)


def _there_are(choices: Iterable[Any]) -> str:
    return f"There is no “{{input}}” here, only {', '.join(map(str, choices))}."


# -- Runs ------------------------------------------------------------------------------------


class TokensSerializer(serializers.Serializer):
    input = serializers.IntegerField()
    output = serializers.IntegerField()
    cached = serializers.IntegerField()


class NodeCountSerializer(serializers.Serializer):
    total = serializers.IntegerField()
    done = serializers.IntegerField()


class RunErrorSerializer(serializers.Serializer):
    node = serializers.CharField(allow_blank=True)
    kind = serializers.CharField()
    message = serializers.CharField()


class RunSerializer(serializers.Serializer):
    """A run of ``Run.objects`` with its workflow, version and `draining`; wants `now`."""

    id = serializers.CharField()
    job_id = serializers.CharField()
    workflow_id = serializers.CharField()
    workflow_version = serializers.IntegerField()
    state = serializers.ChoiceField(choices=[str(state) for state in RunState])
    created_at = StampField()
    started_at = StampField(allow_null=True)
    completed_at = StampField(allow_null=True)
    duration_ms = serializers.IntegerField(
        allow_null=True, help_text="From start to end, or until now while the run is active."
    )
    trigger = serializers.ChoiceField(choices=[str(trigger) for trigger in Trigger])
    triggered_by = serializers.CharField()
    ref_type = serializers.CharField()
    ref_id = serializers.CharField()
    retry_of = serializers.CharField(allow_null=True, help_text="The run that this one retries.")
    first_run = serializers.CharField(
        allow_null=True, help_text="The run that the chain of retries began with."
    )
    cost = serializers.DecimalField(max_digits=20, decimal_places=10, help_text="US dollars.")
    tokens = TokensSerializer()
    nodes = NodeCountSerializer()
    current_node = serializers.CharField()
    error = RunErrorSerializer(allow_null=True)
    ended_by = serializers.CharField()
    reason = serializers.CharField()
    last_seq = serializers.IntegerField(help_text="Number of the newest event.")
    held = serializers.BooleanField(help_text="Under legal hold: it is not deleted.")
    log_state = serializers.ChoiceField(
        choices=[str(state) for state in LogState],
        help_text="Where its events are: `live` and `restored`: all in the database; `archived`:"
        " none; `partly`: those that came after archiving; `archiving`, `restoring`: on their way.",
    )
    archived_at = StampField(allow_null=True, help_text="When its log was archived, if it was.")
    restored_until = StampField(
        allow_null=True, help_text="When a restored log leaves the database again."
    )
    draining = serializers.IntegerField(
        help_text="Nodes of a run that has ended which still finish their present operation."
    )
    url = serializers.URLField(help_text="The run's page in the portal.")

    def to_representation(self, run: Run) -> dict[str, Any]:
        # The fields above say what stands in it; going through them takes much longer.
        name = VersionName(run.workflow.slug, run.version.number)
        return public_run(run, name, self.context["now"], self._pages)

    @property
    def _pages(self) -> str:
        """What the address of a run's page begins with: found out once for a whole list."""
        context = cast(dict[str, Any], self.context)
        if "pages" not in context:
            runs = reverse("admin:runs_run_changelist")
            context["pages"] = context["request"].build_absolute_uri(runs)
        return context["pages"]


class RunMembersSerializer(RunSerializer):
    """Those members of a run that `fields` names."""

    def get_fields(self) -> dict[str, Any]:
        found = super().get_fields()
        for field in found.values():
            field.required = False
        return found


class RunOrMembersSerializer(serializers.Serializer):
    """A run, or with `fields` some members of one: see `document.EitherRun`."""


class FiredSerializer(serializers.Serializer):
    trigger_id = serializers.IntegerField()
    trigger = serializers.CharField(help_text="Its name.")
    firing = serializers.IntegerField(help_text="Number of what it did when it started the run.")


class RunDetailSerializer(RunSerializer):
    """A run of `shown_runs`."""

    fired = FiredSerializer(
        allow_null=True,
        help_text="The trigger that started it; null where none did, or it is gone.",
    )

    def to_representation(self, run: Run) -> dict[str, Any]:
        fired = getattr(run, "triggered", None)
        return {
            **super().to_representation(run),
            "fired": fired
            and {
                "trigger_id": fired.trigger_id,
                "trigger": fired.trigger.name,
                "firing": fired.firing_id,
            },
        }


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


class HoldSerializer(StrictSerializer):
    reason = serializers.CharField(max_length=500, help_text="Why; it is kept in the audit.")


class LimitSerializer(ReasonSerializer):
    max_active = serializers.IntegerField(
        min_value=1, max_value=MOST_ACTIVE, allow_null=True,
        help_text="Runs that may be active at once; null: any number.",
    )  # fmt: skip


class RetrySerializer(ReasonSerializer):
    from_failed = serializers.BooleanField(
        required=False, default=False,
        help_text="Go on from the failed node: results of nodes that completed are reused.",
    )  # fmt: skip


class EventQuerySerializer(serializers.Serializer):
    kind = SomeOf(
        choices=[str(kind) for kind in Kind],
        required=False,
        help_text="Only events of these kinds.",
    )
    node = serializers.CharField(
        max_length=64, required=False, help_text="Only events of this node."
    )
    text = serializers.CharField(
        max_length=200, required=False, allow_blank=True,
        help_text="Only events that say this, in any case, in their data or the names beside it.",
    )  # fmt: skip


class ExportInfoSerializer(serializers.Serializer):
    run_id = serializers.CharField()
    exported_at = serializers.DateTimeField()
    last_seq = serializers.IntegerField()


class CompletenessSerializer(serializers.Serializer):
    events = serializers.IntegerField()
    missing = serializers.IntegerField()


class HistoryLineSerializer(serializers.Serializer):
    seq = serializers.IntegerField()
    kind = serializers.ChoiceField(choices=[str(kind) for kind in Kind])
    at = serializers.DateTimeField()
    node = serializers.CharField(allow_null=True)
    attempt = serializers.IntegerField(allow_null=True)
    actor = serializers.CharField(allow_null=True)
    data = serializers.DictField()  # type: ignore[assignment]


class RunExportSerializer(serializers.Serializer):
    """What `run_download.as_json` writes."""

    export = ExportInfoSerializer()
    job = JobSerializer()
    context = ContextSerializer()  # type: ignore[assignment]
    history = HistoryLineSerializer(many=True)
    completeness = CompletenessSerializer()


class ExportedRunSerializer(RunSerializer):
    events = serializers.IntegerField(help_text="Events that are stored.")
    missing = serializers.IntegerField(help_text="Events that should be and are not.")
    draining = None  # type: ignore[assignment]


class FilterExportInfoSerializer(serializers.Serializer):
    exported_at = serializers.DateTimeField()
    filter = serializers.DictField(child=serializers.CharField())
    limit = serializers.IntegerField()
    complete = serializers.BooleanField(help_text="false: there are more runs than the limit.")
    next = serializers.CharField(
        allow_null=True, help_text="Where there are more: the cursor with which the next begins."
    )


class ExportSerializer(serializers.Serializer):
    """What `exports.as_json` writes."""

    export = FilterExportInfoSerializer()
    runs = ExportedRunSerializer(many=True)
    count = serializers.IntegerField()


class CountsSerializer(serializers.Serializer):
    """What `acts.count_by_state` gives."""

    queued = serializers.IntegerField()
    running = serializers.IntegerField()
    completed = serializers.IntegerField()
    failed = serializers.IntegerField()
    terminated = serializers.IntegerField()
    all = serializers.IntegerField()
    capped = serializers.ListField(
        child=serializers.CharField(),
        help_text="Of these there are more: nothing is counted further than 10,000.",
    )


# -- Saved views -----------------------------------------------------------------------------


class SavedViewSerializer(serializers.Serializer):
    """A view; wants `request` and `default`, the id of the person's default view."""

    id = serializers.CharField(source="public_id")
    name = serializers.CharField()
    query = serializers.CharField(help_text="What the list's address says, `?state=failed`.")
    is_shared = serializers.BooleanField()
    is_default = serializers.SerializerMethodField(help_text="Whether Runs opens it for you.")
    is_mine = serializers.SerializerMethodField()
    owner = serializers.CharField(source="owner.username")
    url = serializers.SerializerMethodField(help_text="The list as this view shows it.")

    def get_is_default(self, view: SavedView) -> bool:
        # The browsable pages make a form of it without.
        return view.pk == self.context.get("default")

    def get_is_mine(self, view: SavedView) -> bool:
        return view.owner_id == self.context["request"].user.pk

    @extend_schema_field(serializers.URLField())
    def get_url(self, view: SavedView) -> str:
        runs = reverse("admin:runs_run_changelist")
        return self.context["request"].build_absolute_uri(f"{runs}?view={view.public_id}")


class ChangeViewSerializer(StrictSerializer):
    name = serializers.CharField(max_length=80, required=False)
    query = serializers.CharField(
        max_length=2_000, required=False, allow_blank=True, trim_whitespace=False,
        help_text="As in the list's address: filter, order and columns.",
    )  # fmt: skip
    is_shared = serializers.BooleanField(required=False, help_text="Seen by all staff.")
    is_default = serializers.BooleanField(required=False, help_text="Runs opens it for you.")


class MakeViewSerializer(ChangeViewSerializer):
    name = serializers.CharField(max_length=80)
    query = serializers.CharField(
        max_length=2_000, allow_blank=True, trim_whitespace=False,
        help_text="As in the list's address: filter, order and columns.",
    )  # fmt: skip


# -- Workflows -------------------------------------------------------------------------------


class WorkflowSerializer(serializers.Serializer):
    """A workflow with `newest`, the number of its newest version."""

    id = serializers.CharField(source="slug")
    description = serializers.CharField()
    created_at = StampField()
    version = serializers.IntegerField(
        source="newest", allow_null=True, help_text="Number of the newest version."
    )
    max_active = serializers.IntegerField(
        allow_null=True, help_text="Runs that may be active at once; others wait, queued."
    )
    paused_at = StampField(
        allow_null=True, help_text="Since when its queued runs wait; null: it is not paused."
    )
    paused_by = serializers.CharField()
    pause_reason = serializers.CharField()
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


class VersionDetailSerializer(VersionSerializer):
    definition = serializers.JSONField()


class MakeVersionSerializer(StrictSerializer):
    definition = serializers.DictField(help_text="Nodes, and what they need; see the README.")
    base = serializers.IntegerField(
        min_value=1, max_value=2**31 - 1, required=False, allow_null=True, default=None,
        help_text="Number of the version that yours is made from: refused if a newer one is there.",
    )  # fmt: skip


class MakeWorkflowSerializer(StrictSerializer):
    id = serializers.RegexField(
        r"^[a-z][a-z0-9_]*\Z", max_length=64,
        error_messages={
            "invalid": "Begin with a letter; use small letters, digits and underscores only."
        },
        help_text="Such as invoice_processing; it cannot be changed later.",
    )  # fmt: skip
    definition = serializers.DictField(help_text="Nodes, and what they need; see the README.")

    def validate_id(self, slug: str) -> str:
        if slug == RESERVED:
            raise serializers.ValidationError(f"“{RESERVED}” is taken by a page's address.")
        return slug


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
