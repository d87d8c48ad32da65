"""How the API shows triggers and what they did, and what it takes to change them."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers
from rest_framework.reverse import reverse

from runs import ids
from runs.api.serializers import ReasonSerializer, StampField, StrictSerializer
from runs.models import Firing, Trigger
from runs.models.trigger import NAME_LENGTH, FiringStatus, TriggerKind
from runs.triggers.trial import Preview

KINDS = [str(kind) for kind in TriggerKind.values]
STATUSES = [str(status) for status in FiringStatus.values]
_RULE = "When, if and then; see the README."


def runs_of(firing: Firing) -> list[str]:
    return [outcome["run"] for outcome in firing.outcomes if outcome["run"]]


class TriggerSerializer(serializers.Serializer):
    """A trigger without its rule; wants `request`."""

    id = serializers.IntegerField(source="pk")
    name = serializers.CharField()
    description = serializers.CharField()
    kind = serializers.ChoiceField(choices=KINDS)
    enabled = serializers.BooleanField(help_text="Whether it is on.")
    next_due_at = StampField(allow_null=True, help_text="Of a schedule that is on.")
    hook_url = serializers.SerializerMethodField(help_text="Of a webhook: where its calls go.")
    revision = serializers.IntegerField(help_text="Counts its changes.")
    created_at = StampField()
    created_by = serializers.SerializerMethodField()
    changed_at = StampField()

    @extend_schema_field(serializers.URLField(allow_null=True))
    def get_hook_url(self, trigger: Trigger) -> str | None:
        if not trigger.hook:
            return None
        return reverse("api:hook", args=[trigger.hook], request=self.context["request"])

    def get_created_by(self, trigger: Trigger) -> str | None:
        return trigger.created_by.get_username() if trigger.created_by else None


class TriggerDetailSerializer(TriggerSerializer):
    rule = serializers.DictField(help_text=_RULE)


class NewTriggerSerializer(TriggerDetailSerializer):
    secret = serializers.CharField(
        allow_null=True, help_text="Of a webhook: what its calls are signed with, `whsec_…`."
    )


class SecretSerializer(serializers.Serializer):
    hook_url = serializers.URLField()
    secret = serializers.CharField()


class ChangeTriggerSerializer(StrictSerializer):
    revision = serializers.IntegerField(
        min_value=1, max_value=2**31 - 1,
        help_text="The trigger's when you read it: refused if somebody changed it since.",
    )  # fmt: skip
    name = serializers.CharField(max_length=NAME_LENGTH, required=False)
    description = serializers.CharField(max_length=300, required=False, allow_blank=True)
    rule = serializers.DictField(required=False, help_text=_RULE)


class MakeTriggerSerializer(StrictSerializer):
    name = serializers.CharField(max_length=NAME_LENGTH)
    description = serializers.CharField(
        max_length=300, required=False, allow_blank=True, default=""
    )
    kind = serializers.ChoiceField(choices=KINDS)
    rule = serializers.DictField(help_text=_RULE)
    enabled = serializers.BooleanField(required=False, default=True)


class SwitchSerializer(ReasonSerializer):
    on = serializers.BooleanField()


class TryTriggerSerializer(StrictSerializer):
    payload = serializers.DictField(
        required=False,
        help_text="What it is to meet, by the names that its rule's paths begin with; without it,"
        " what it met last or might meet.",
    )
    start = serializers.BooleanField(
        required=False, default=False, help_text="true: do it in earnest, also where it is off."
    )


# -- What it did -------------------------------------------------------------------------------


class OutcomeSerializer(serializers.Serializer):
    target = serializers.CharField()
    run = serializers.CharField(help_text="The run that was started; empty where none was.")
    why = serializers.CharField(help_text="Why none was.")


class FiringSerializer(serializers.Serializer):
    """Something for which the trigger waited, and what it did."""

    id = serializers.IntegerField(source="pk")
    fired_at = StampField()
    status = serializers.ChoiceField(choices=STATUSES)
    reason = serializers.CharField()
    outcomes = OutcomeSerializer(many=True)
    count = serializers.IntegerField(help_text="How many alike stand in this entry.")
    is_test = serializers.BooleanField()
    cause = serializers.SerializerMethodField(help_text="The run whose event it was.")

    def get_cause(self, firing: Firing) -> str | None:
        return ids.encode("run", firing.cause) if firing.cause else None


class FiringDetailSerializer(FiringSerializer):
    payload = serializers.DictField(
        allow_null=True, help_text="What happened; parts that are too large are left out."
    )


# -- Trying it ---------------------------------------------------------------------------------


class TrialSerializer(serializers.Serializer):
    target = serializers.CharField()
    input = serializers.JSONField(
        allow_null=True, help_text="What a run would be started with, or was."
    )
    why = serializers.CharField(help_text="Why it could not be started.")
    violations = serializers.ListField(
        child=serializers.CharField(), help_text="How the input breaks the workflow's schema."
    )


class TriedSerializer(serializers.Serializer):
    payload = serializers.DictField()
    holds = serializers.BooleanField(help_text="Whether the rule's condition holds.")
    targets = TrialSerializer(many=True)
    firing = FiringSerializer(allow_null=True, help_text="What was done, with `start`.")


def tried(payload: Any, preview: Preview, firing: Firing | None) -> dict[str, Any]:
    return {
        "payload": payload,
        "holds": preview.holds,
        "targets": [
            {
                "target": trial.target.label,
                "input": trial.input,
                "why": trial.why,
                "violations": trial.violations,
            }
            for trial in preview.trials
        ],
        "firing": FiringSerializer(firing).data if firing else None,
    }
