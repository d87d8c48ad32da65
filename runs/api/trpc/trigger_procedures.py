"""What starts runs by itself: found, made, changed, switched, tried, and what it did."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers
from rest_framework.exceptions import ValidationError
from rest_framework.reverse import reverse

from runs.api import trigger_acts
from runs.api.acts import LIST_SECONDS
from runs.api.pagination import FiringPages, TriggerPages
from runs.api.serializers import OneOf, ReasonSerializer
from runs.api.trigger_shapes import (
    KINDS,
    STATUSES,
    ChangeTriggerSerializer,
    FiringDetailSerializer,
    FiringSerializer,
    MakeTriggerSerializer,
    NewTriggerSerializer,
    SecretSerializer,
    SwitchSerializer,
    TriedSerializer,
    TriggerDetailSerializer,
    TriggerSerializer,
    TryTriggerSerializer,
)
from runs.api.trpc.procedure import Asking, Procedure
from runs.api.trpc.shapes import Input, limit, word
from runs.models import Trigger
from runs.timeouts import statement_timeout
from runs.triggers import changes, signatures

_MOST = 2**63 - 1


def _number(**more: Any) -> serializers.IntegerField:
    return serializers.IntegerField(min_value=1, max_value=_MOST, **more)


class TriggersInput(Input):
    limit = limit(TriggerPages)
    after = word(help_text="The last given trigger's name: the list goes on behind it.")
    kind = OneOf(choices=KINDS, required=False)
    enabled = serializers.BooleanField(
        required=False, allow_null=True, default=None, help_text="Only those that are on, or off."
    )
    workflow = word(
        help_text="Only those that start runs of this workflow, or wait for something in its runs."
    )
    name = word(help_text="Only those whose name holds these letters.")


class TriggerInput(Input):
    id = _number(help_text="The trigger's number.")


class MakeTriggerInput(MakeTriggerSerializer, Input):
    pass


class ChangeTriggerInput(ChangeTriggerSerializer, TriggerInput):
    pass


class SwitchTriggerInput(SwitchSerializer, TriggerInput):
    pass


class DeleteTriggerInput(ReasonSerializer, TriggerInput):
    pass


class FiringsInput(TriggerInput):
    limit = limit(FiringPages)
    before = _number(
        required=False, help_text="The last given firing's number: the list goes on behind it."
    )
    status = OneOf(choices=STATUSES, required=False, help_text="Only these.")


class FiringInput(TriggerInput):
    number = _number(help_text="The firing's.")


class TryTriggerInput(TryTriggerSerializer, TriggerInput):
    pass


class DeletedTriggerSerializer(serializers.Serializer):
    id = serializers.IntegerField(help_text="The number of the trigger that is no more.")


def list_triggers(asking: Asking, given: dict[str, Any]) -> Any:
    rows = trigger_acts.listed(given)
    try:
        page = TriggerPages().page_at(rows, "after", given.get("after", ""))
    except ValueError:
        raise ValidationError({"after": ["This is no trigger's name."]}) from None
    return TriggerSerializer(page[: given["limit"]], many=True, context=asking.context).data


def get_trigger(asking: Asking, given: dict[str, Any]) -> Any:
    return _shown(asking, trigger_acts.find_trigger(given["id"]))


def create_trigger(asking: Asking, given: dict[str, Any]) -> dict[str, Any]:
    trigger = trigger_acts.make(given, by=asking.person, token=asking.request.auth, now=asking.now)
    secret = signatures.secret_of(trigger) if trigger.hook else None
    return {**_shown(asking, trigger), "secret": secret}


def change_trigger(asking: Asking, given: dict[str, Any]) -> Any:
    changed = trigger_acts.change(
        given["id"], given, by=asking.person, token=asking.request.auth, now=asking.now
    )
    return _shown(asking, changed)


def switch_trigger(asking: Asking, given: dict[str, Any]) -> Any:
    switched = trigger_acts.switch(given["id"], given, by=asking.person, now=asking.now)
    return _shown(asking, switched)


def renew_secret(asking: Asking, given: dict[str, Any]) -> dict[str, str]:
    trigger = trigger_acts.renew_secret(given["id"], by=asking.person)
    return {
        "hook_url": reverse("api:hook", args=[trigger.hook], request=asking.request),
        "secret": signatures.secret_of(trigger),
    }


def delete_trigger(asking: Asking, given: dict[str, Any]) -> dict[str, int]:
    trigger = trigger_acts.find_trigger(given["id"])
    changes.delete(asking.person, trigger, given["reason"])
    return {"id": given["id"]}


def list_firings(_: Asking, given: dict[str, Any]) -> Any:
    rows = trigger_acts.firings_of(given["id"], given.get("status"))
    page = FiringPages().page_at(rows, "after", str(given.get("before", "")))
    with statement_timeout(LIST_SECONDS):
        return FiringSerializer(page[: given["limit"]], many=True).data


def get_firing(_: Asking, given: dict[str, Any]) -> Any:
    return FiringDetailSerializer(trigger_acts.find_firing(given["id"], given["number"])).data


def test_trigger(asking: Asking, given: dict[str, Any]) -> dict[str, Any]:
    return trigger_acts.try_out(
        given["id"], given, by=asking.person, token=asking.request.auth, now=asking.now
    )


def _shown(asking: Asking, trigger: Trigger) -> Any:
    return TriggerDetailSerializer(trigger, context=asking.context).data


PROCEDURES = (
    Procedure(
        "triggers.list", "query", "runs.view_trigger", TriggersInput, TriggerSerializer,
        list_triggers, gives_many=True, says="Triggers by name, without their rules.",
    ),
    Procedure(
        "triggers.get", "query", "runs.view_trigger", TriggerInput, TriggerDetailSerializer,
        get_trigger, says="One trigger with its rule.",
    ),
    Procedure(
        "triggers.create", "mutation", "runs.add_trigger", MakeTriggerInput,
        NewTriggerSerializer, create_trigger,
        says="A new trigger. Of a webhook the answer holds the secret, this once.",
    ),
    Procedure(
        "triggers.change", "mutation", "runs.change_trigger", ChangeTriggerInput,
        TriggerDetailSerializer, change_trigger,
        says="Changes its name, description or rule; refused if somebody changed it since.",
    ),
    Procedure(
        "triggers.switch", "mutation", "runs.fire_trigger", SwitchTriggerInput,
        TriggerDetailSerializer, switch_trigger,
        says="Switches it on or off. What passes while it is off is not caught up.",
    ),
    Procedure(
        "triggers.secret", "mutation", "runs.change_trigger", TriggerInput, SecretSerializer,
        renew_secret, says="A new secret for a webhook: the former one is refused at once.",
    ),
    Procedure(
        "triggers.delete", "mutation", "runs.delete_trigger", DeleteTriggerInput,
        DeletedTriggerSerializer, delete_trigger,
        says="Deletes it and the record of what it did. The runs that it started stay.",
    ),
    Procedure(
        "triggers.firings", "query", "runs.view_trigger", FiringsInput, FiringSerializer,
        list_firings, gives_many=True, says="What it did in the last 30 days, the newest first.",
    ),
    Procedure(
        "triggers.firing", "query", "runs.view_trigger", FiringInput, FiringDetailSerializer,
        get_firing, says="One of them, with what happened.",
    ),
    Procedure(
        "triggers.test", "mutation", "runs.fire_trigger", TryTriggerInput, TriedSerializer,
        test_trigger,
        says="What it would do with a payload; with `start` it does so, also where it is off.",
    ),
)  # fmt: skip
