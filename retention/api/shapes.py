"""The policy and its preview as all APIs give and take them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from rest_framework import serializers

from retention.changing import REASON_LENGTH
from retention.models.policy import MOST_DAYS
from retention.previewed import Preview
from retention.values import OVERRIDE_NAMES, OWN_NAMES, Override, Values
from runs.api.serializers import StampField
from runs.api.trpc.shapes import WORD_LENGTH, Input
from runs.states import FINAL_STATES

STATES = [str(state) for state in FINAL_STATES]


def _days(words: str, **more: Any) -> serializers.IntegerField:
    return serializers.IntegerField(min_value=1, max_value=MOST_DAYS, help_text=words, **more)


# -- The policy ------------------------------------------------------------------------------


class WorkflowRetentionSerializer(Input):
    """What is otherwise for one workflow; null is as for all."""

    workflow_id = serializers.CharField(max_length=WORD_LENGTH)
    completed_days = _days("Of completed runs.", allow_null=True, default=None, required=False)
    failed_days = _days("Of failed runs.", allow_null=True, default=None, required=False)
    terminated_days = _days("Of terminated runs.", allow_null=True, default=None, required=False)
    delete_days = _days(
        "Days after which its runs go for good.", allow_null=True, default=None, required=False
    )
    never_deleted = serializers.BooleanField(
        default=False, required=False, help_text="Its runs never go for good by their age."
    )


class _Policy(Input):
    completed_days = _days("Days after its end that a completed run's log stays.")
    failed_days = _days("Days after its end that a failed run's log stays.")
    terminated_days = _days("Days after its end that a terminated run's log stays.")
    delete_days = _days(
        "Days after its end after which a run goes for good, with its archive; null: never.",
        allow_null=True,
    )
    restore_days = _days("Days that a restored log stays.")
    hour = serializers.IntegerField(
        min_value=0, max_value=23, help_text="When the night's work begins, in `zone`."
    )
    zone = serializers.CharField(max_length=64, help_text="A time zone such as Europe/Berlin.")
    is_on = serializers.BooleanField(help_text="Whether anything is archived at night.")
    workflows = WorkflowRetentionSerializer(
        many=True, help_text="Those with days of their own: all of them."
    )


class RetentionSerializer(_Policy):
    """As it is given."""

    revision = serializers.CharField(help_text="Send it along with a change.")
    next_night = StampField(help_text="When the work would begin next, on or off.")


class _Change(_Policy):
    revision = serializers.CharField(
        max_length=64, help_text="Of the policy that you changed: another one is refused."
    )
    confirm_deletion = serializers.BooleanField(
        default=False, required=False,
        help_text="Needed where the second term is switched on or shortened: runs go for good.",
    )  # fmt: skip
    reason = serializers.CharField(
        max_length=REASON_LENGTH, required=False, allow_blank=True, default="",
        help_text="Why; it is kept in the audit.",
    )  # fmt: skip


class PutRetentionSerializer(_Change):
    """All of it."""


def _left_out(fields: dict[str, Any]) -> dict[str, Any]:
    for name in (*OWN_NAMES, "workflows"):
        if name in fields:
            fields[name].required = False
    return fields


class ChangeRetentionSerializer(_Change):
    """What is left out stays; `workflows` replaces all of them."""

    def get_fields(self) -> dict[str, Any]:
        return _left_out(super().get_fields())


class TryRetentionSerializer(_Policy):
    """Values to look at: what is left out is as saved."""

    def get_fields(self) -> dict[str, Any]:
        return _left_out(super().get_fields())


class TryOwnSerializer(serializers.Serializer):
    """The same in an address, without the workflows."""

    completed_days = _days("Instead of what is saved, as all of these.", required=False)
    failed_days = _days("Of failed runs.", required=False)
    terminated_days = _days("Of terminated runs.", required=False)
    delete_days = serializers.IntegerField(
        min_value=0, max_value=MOST_DAYS, required=False,
        help_text="Until a run goes for good; 0: never.",
    )  # fmt: skip


def given_by(values: Values) -> dict[str, Any]:
    """For RetentionSerializer, without `next_night`."""
    return {
        **{name: getattr(values, name) for name in OWN_NAMES},
        "workflows": [
            {"workflow_id": slug, **{name: getattr(own, name) for name in OVERRIDE_NAMES}}
            for slug, own in values.workflows.items()
        ],
        "revision": values.revision,
    }


def values_of(given: dict[str, Any], saved: Values) -> Values:
    """What is left out is as saved. Raises ValidationError where a workflow comes twice."""
    own = {name: given[name] for name in OWN_NAMES if name in given}
    if "workflows" in given:
        slugs = [each["workflow_id"] for each in given["workflows"]]
        if twice := {slug for slug in slugs if slugs.count(slug) > 1}:
            said = f"{', '.join(sorted(twice))[:200]}: each workflow once."
            raise serializers.ValidationError({"workflows": [said]})
        own["workflows"] = {
            each["workflow_id"]: Override(**{name: each[name] for name in OVERRIDE_NAMES})
            for each in sorted(given["workflows"], key=lambda each: each["workflow_id"])
        }
    return replace(saved, **own)


# -- The preview -----------------------------------------------------------------------------


class AmountSerializer(serializers.Serializer):
    value = serializers.IntegerField(allow_null=True, help_text="null: not known.")
    is_exact = serializers.BooleanField(help_text="false: estimated from a sample.")


class RetentionLineSerializer(serializers.Serializer):
    workflow_id = serializers.CharField(source="workflow")
    state = serializers.ChoiceField(choices=STATES)
    before = StampField(help_text="Runs that ended before this are due.")
    runs = serializers.IntegerField(help_text="Whose logs are archived.")
    then_gone = serializers.IntegerField(
        help_text="Of these: past the second term too, so that they go for good then."
    )
    gone = serializers.IntegerField(
        help_text="Archived already and past the second term: they go for good."
    )
    held = serializers.IntegerField(help_text="Due, but under legal hold: left alone.")
    oldest = StampField(allow_null=True, help_text="When the first of them ended.")
    newest = StampField(allow_null=True)
    events = AmountSerializer()
    bytes = AmountSerializer(help_text="What the events take in the database.")


class RetentionGoneSerializer(serializers.Serializer):
    runs = AmountSerializer(help_text="Archived runs past the second term.")
    bytes = AmountSerializer(help_text="What their archives take in storage.")


class RetentionSideSerializer(serializers.Serializer):
    """What a night does by one policy."""

    runs = serializers.IntegerField()
    then_gone = serializers.IntegerField()
    held = serializers.IntegerField()
    expired = AmountSerializer(
        help_text="Restored logs that leave the database again; not exact: so many or more."
    )
    oldest = StampField(allow_null=True)
    newest = StampField(allow_null=True)
    events = AmountSerializer()
    bytes = AmountSerializer()
    gone = RetentionGoneSerializer(help_text="What goes for good, by the second term.")
    lines = RetentionLineSerializer(many=True, help_text="By workflow and state.")


class RetentionPreviewSerializer(serializers.Serializer):
    at = StampField(help_text="The night that it is of.")
    is_on = serializers.BooleanField(help_text="false: nothing of it happens.")
    saved = RetentionSideSerializer(help_text="By the policy as it is saved.")
    changed_at = StampField(allow_null=True, help_text="Its night with the given values.")
    changed = RetentionSideSerializer(
        allow_null=True, help_text="With the given values; null where nothing is another."
    )
    held_is_capped = serializers.BooleanField(help_text="More runs are held than were looked at.")


def shown_preview(found: Preview, values: Values) -> Any:
    return RetentionPreviewSerializer(
        {
            "at": found.at,
            "is_on": values.is_on,
            "saved": found.saved,
            "changed_at": found.changed_at,
            "changed": found.changed,
            "held_is_capped": found.held_is_capped,
        }
    ).data
