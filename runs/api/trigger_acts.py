"""Triggers as all APIs find, make, change and try them, and why one cannot be."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from django.db.models import QuerySet
from rest_framework.exceptions import NotFound, PermissionDenied, ValidationError

from runs.api.permissions import lacking
from runs.api.problems import Conflict, Outdated, RuleRefused
from runs.api.trigger_shapes import tried
from runs.models import ApiToken, Firing, Trigger, User
from runs.payload import bounded
from runs.scopes import Scope
from runs.triggers import changes, trial
from runs.triggers.rule import Retry, Rule, RuleError, parse

PAYLOAD_BYTES = 1_000_000
# Beyond, a number fits no column.
_MOST = 2**63


def shown_triggers() -> QuerySet[Trigger]:
    return Trigger.objects.select_related("created_by")


def listed(wanted: dict[str, Any]) -> QuerySet[Trigger]:
    """Without their rules; `wanted` may have a kind, enabled, a workflow's id, a name's letters."""
    rows = shown_triggers().defer("rule")
    texts = {each: wanted.get(each) or "" for each in ("workflow", "name")}
    if unfit := [each for each, text in texts.items() if "\0" in text]:
        raise ValidationError({each: ["It holds a NUL character."] for each in unfit})
    if kind := wanted.get("kind"):
        rows = rows.filter(kind=kind)
    if wanted.get("enabled") is not None:
        rows = rows.filter(enabled=wanted["enabled"])
    if texts["workflow"]:
        rows = rows & Trigger.objects.about(texts["workflow"])
    if texts["name"]:
        rows = rows.filter(name__icontains=texts["name"])
    return rows


def find_trigger(number: int) -> Trigger:
    trigger = shown_triggers().filter(pk=number).first() if number < _MOST else None
    if trigger is None:
        raise NotFound(f"There is no trigger {str(number)[:20]}.")
    return trigger


def firings_of(number: int, status: str | None) -> QuerySet[Firing]:
    """Without what happened."""
    rows = Firing.objects.filter(trigger=find_trigger(number)).defer("payload")
    return rows.filter(status=status) if status else rows


def find_firing(trigger: int, number: int) -> Firing:
    rows = Firing.objects.filter(trigger=find_trigger(trigger))
    found = rows.filter(pk=number).first() if number < _MOST else None
    if found is None:
        raise NotFound("There is no such firing of it, or no more.")
    return found


def make(given: dict[str, Any], *, by: User, token: Any, now: datetime) -> Trigger:
    """`given` is what MakeTriggerSerializer takes; `token` what the request came with, if any."""
    _check_scopes(token, given["kind"], given["rule"])
    with _refusals():
        return changes.make(
            by, given["kind"], given["name"], given["rule"],
            description=given["description"], enabled=given["enabled"], now=now,
        )  # fmt: skip


def change(number: int, given: dict[str, Any], *, by: User, token: Any, now: datetime) -> Trigger:
    """`given` is what ChangeTriggerSerializer takes."""
    trigger = find_trigger(number)
    rule = given.get("rule", trigger.rule)
    _check_scopes(token, trigger.kind, rule)
    with _refusals():
        try:
            return changes.change(
                by, trigger, given["revision"], given.get("name", trigger.name), rule,
                description=given.get("description", trigger.description), now=now,
            )  # fmt: skip
        except changes.Outdated:
            newest = find_trigger(number).revision
            raise Outdated(
                newest, f"Somebody changed it meanwhile, to revision {newest}; look at it first."
            ) from None


def switch(number: int, given: dict[str, Any], *, by: User, now: datetime) -> Trigger:
    """`given` is what SwitchSerializer takes."""
    with _refusals():
        changes.switch(by, find_trigger(number), given["on"], now=now, reason=given["reason"])
    return find_trigger(number)


def renew_secret(number: int, *, by: User) -> Trigger:
    trigger = find_trigger(number)
    if not trigger.hook:
        raise Conflict("Only a webhook has a secret.")
    with _refusals():
        return changes.renew_secret(by, trigger)


def try_out(
    number: int, given: dict[str, Any], *, by: User, token: Any, now: datetime
) -> dict[str, Any]:
    """What TriedSerializer shows; `given` is what TryTriggerSerializer takes."""
    trigger, firing = find_trigger(number), None
    with _refusals():
        rule = parse(trigger.kind, trigger.rule)
        payload = given.get("payload")
        if payload is None:
            payload = trial.sample(trigger, now)
        bounded(payload, PAYLOAD_BYTES, "the payload")
        preview = trial.preview(rule, payload)
        if given["start"]:
            _check_token(token, rule)
            firing = changes.test(by, trigger, payload, now=now)
    return tried(payload, preview, firing)


@contextmanager
def _refusals() -> Iterator[None]:
    try:
        yield
    except RuleError as error:
        raise RuleRefused(error) from None
    except changes.NotAllowed as error:
        raise PermissionDenied(str(error)) from None
    except Trigger.DoesNotExist:  # deleted since it was found
        raise NotFound("That trigger is not there any more.") from None


def _check_scopes(token: Any, kind: str, raw: Any) -> None:
    try:
        rule = parse(kind, raw)
    except RuleError:  # which is said better, with the rest of what is wrong
        return
    _check_token(token, rule)


def _check_token(token: Any, rule: Rule) -> None:
    """A trigger acts as long as it is there: a token that may start no runs makes none."""
    if not isinstance(token, ApiToken):
        return
    for target in rule.targets:
        scope = Scope.RETRY if isinstance(target, Retry) else Scope.EXECUTE
        if not token.allows(scope):
            raise PermissionDenied(lacking(token, scope))
