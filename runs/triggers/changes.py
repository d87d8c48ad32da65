"""What people do to triggers: make, change, switch, test, give a new secret, delete. Each is
audited."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.db import IntegrityError, transaction

from runs import paths
from runs.models import AuditEntry, Firing, Trigger, User, Workflow
from runs.models.trigger import NAME_LENGTH, Source, TriggerKind, new_hook, new_salt
from runs.payload import PayloadError, bounded
from runs.triggers import firing, schedule, trial
from runs.triggers.rule import Problem, Retry, Rule, RuleError, Start, parse

MAX_RULE_BYTES = 100_000


class Outdated(Exception):  # noqa: N818
    """Somebody else changed it meanwhile."""


class NotAllowed(Exception):  # noqa: N818
    """What the rule does is not this person's to do; the message says what."""


def checked(
    kind: str, name: Any, description: Any, rule: Any, *, of: Trigger | None = None
) -> Rule:
    """The rule. Raises RuleError with all that is wrong, also with the names in it."""
    problems: list[Problem] = []
    if not isinstance(name, str) or not name.strip() or len(name) > NAME_LENGTH or "\0" in name:
        problems.append(Problem("name", f"is a text of at most {NAME_LENGTH} characters"))
    elif Trigger.objects.filter(name=name.strip()).exclude(pk=of.pk if of else 0).exists():
        problems.append(Problem("name", "is another trigger's already"))
    if not isinstance(description, str) or len(description) > 300 or "\0" in description:
        problems.append(Problem("description", "is a text of at most 300 characters"))
    if kind not in TriggerKind.values:
        raise RuleError([*problems, Problem("kind", f"is one of {', '.join(TriggerKind.values)}")])
    try:
        bounded(rule, MAX_RULE_BYTES, "the rule")
        parsed = parse(kind, rule)
    except PayloadError as error:
        raise RuleError([*problems, Problem("", str(error))]) from error
    except RuleError as error:
        raise RuleError([*problems, *error.problems]) from error
    problems += _unknown_workflows(parsed) or _breaches(parsed)
    if problems:
        raise RuleError(problems)
    return parsed


def make(
    by: User, kind: str, name: str, rule: Any, *, description: str = "", enabled: bool = True,
    now: datetime,
) -> Trigger:  # fmt: skip
    """Raises RuleError or NotAllowed."""
    parsed = checked(kind, name, description, rule)
    check_allowed(by, parsed)
    trigger = Trigger(
        name=name.strip(),
        description=description.strip(),
        kind=kind,
        source=parsed.source,
        rule=rule,
        enabled=enabled,
        enabled_at=now,
        hook=new_hook() if parsed.source == Source.CALL else None,
        created_by=by,
        changed_at=now,
    )
    trigger.next_due_at = schedule.next_due(trigger, now)
    with transaction.atomic():
        _save(trigger)
        _note(by, "create", trigger)
    return trigger


def change(
    by: User, trigger: Trigger, revision: int, name: str, rule: Any, *, description: str = "",
    now: datetime,
) -> Trigger:  # fmt: skip
    """Raises RuleError, NotAllowed, or Outdated where `revision` is no longer the present one."""
    parsed = checked(trigger.kind, name, description, rule, of=trigger)
    check_allowed(by, parsed)
    with transaction.atomic():
        trigger = Trigger.objects.select_for_update(no_key=True).get(pk=trigger.pk)
        if trigger.revision != revision:
            raise Outdated
        what = _difference(trigger, name.strip(), description.strip(), rule)
        times_changed = trigger.rule.get("when") != rule.get("when")
        trigger.name, trigger.description = name.strip(), description.strip()
        trigger.rule, trigger.source = rule, parsed.source
        trigger.revision += 1
        trigger.changed_at = now
        if times_changed:
            trigger.next_due_at = schedule.next_due(trigger, now)
        _save(trigger)
        _note(by, "change", trigger, what)
    return trigger


def switch(by: User, trigger: Trigger, on: bool, *, now: datetime, reason: str = "") -> bool:
    """On or off; False where it was so already. What passed while it was off is not caught up."""
    with transaction.atomic():
        trigger = Trigger.objects.select_for_update(no_key=True).get(pk=trigger.pk)
        if trigger.enabled == on:
            return False
        trigger.enabled = on
        if on:
            trigger.enabled_at = now
        trigger.next_due_at = schedule.next_due(trigger, now)
        trigger.save(update_fields=["enabled", "enabled_at", "next_due_at"])
        _note(by, "switch_on" if on else "switch_off", trigger, reason)
    return True


def renew_secret(by: User, trigger: Trigger) -> Trigger:
    """A new secret: calls that are signed with the former one are refused from now on."""
    with transaction.atomic():
        trigger = Trigger.objects.select_for_update(no_key=True).get(pk=trigger.pk)
        trigger.salt = new_salt()
        trigger.save(update_fields=["salt"])
        _note(by, "new_secret", trigger)
    return trigger


def delete(by: User, trigger: Trigger, reason: str = "") -> None:
    """With its firings. The runs that it started stay."""
    with transaction.atomic():
        _note(by, "delete", trigger, reason)
        # Nothing that it no longer remembers may count as new meanwhile.
        Trigger.objects.filter(pk=trigger.pk).update(enabled=False, next_due_at=None, hook=None)
    firing.forget_all(trigger)
    trigger.delete()


def test(by: User, trigger: Trigger, payload: Mapping[str, Any], *, now: datetime) -> Firing:
    """Do what it does, in earnest. Raises RuleError or NotAllowed."""
    check_allowed(by, parse(trigger.kind, trigger.rule))
    with transaction.atomic():
        fired = trial.fire(trigger, payload, now=now)
        _note(by, "test", trigger, f"firing {fired.pk}: {fired.status}")
    return fired


def check_allowed(by: User, rule: Rule) -> None:
    """A trigger acts by itself, so who makes it must be allowed what it does."""
    for target in rule.targets:
        if isinstance(target, Retry) and not by.has_perm("runs.retry_run"):
            raise NotAllowed("This rule retries runs, which you may not.")
        if isinstance(target, Start) and not by.has_perm("runs.execute_workflow"):
            raise NotAllowed("This rule starts runs, which you may not.")


def _unknown_workflows(rule: Rule) -> list[Problem]:
    named: dict[str, str] = {}
    for number, target in enumerate(rule.targets):
        if isinstance(target, Start):
            named[f"then.{number}.start"] = target.workflow
    if slug := getattr(rule.when, "workflow", ""):
        named["when"] = slug
    there = set(Workflow.objects.filter(slug__in=named.values()).values_list("slug", flat=True))
    return [
        Problem(place, f"there is no workflow {slug}")
        for place, slug in named.items()
        if slug not in there
    ]


def _breaches(rule: Rule) -> list[Problem]:
    """Inputs that the workflow would refuse, as far as that can be told before it fires."""
    problems = []
    for number, target in enumerate(rule.targets):
        if isinstance(target, Start) and not paths.mentioned(target.input):
            found = trial.preview_start(target, target.input)
            if why := found.why or "; ".join(found.violations):
                problems.append(Problem(f"then.{number}.input", why))
    return problems


def _save(trigger: Trigger) -> None:
    try:
        with transaction.atomic():
            trigger.save()
    except IntegrityError as error:
        if "name" in str(error):
            raise RuleError([Problem("name", "is another trigger's already")]) from error
        raise


def _difference(trigger: Trigger, name: str, description: str, rule: Any) -> str:
    parts = []
    if trigger.name != name:
        parts.append(f"name: {trigger.name} → {name}")
    if trigger.description != description:
        parts.append("description")
    for part in ("when", "if", "then"):
        before, after = trigger.rule.get(part), rule.get(part)
        if before != after:
            parts.append(f"{part}: {before} → {after}")
    return "; ".join(parts)


def _note(by: User, action: str, trigger: Trigger, reason: str = "") -> None:
    AuditEntry.objects.note(by.as_actor(), action, ("trigger", trigger.name), reason)
