"""The policy is changed here, by whomever: checked, as a whole, against what others saved
meanwhile, and audited."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.db import transaction

from retention import values
from retention.models import Policy, WorkflowPolicy
from retention.values import OVERRIDE_NAMES, OWN_NAMES, Difference, Values
from runs.actors import Actor
from runs.models import AuditEntry, Workflow

# The audit's line holds what is another too, whole.
REASON_LENGTH = 150
AUDITED = "retention"
# Of all that is audited under it, what changed the policy.
ACTS = ("add", "change", "remove")


class Wrong(Exception):  # noqa: N818
    """`problems` says by field what is wrong."""

    def __init__(self, problems: dict[str, str]) -> None:
        super().__init__("; ".join(f"{name}: {said}" for name, said in problems.items()))
        self.problems = problems


class Outdated(Exception):  # noqa: N818
    """Somebody saved another policy meanwhile."""


class Unconfirmed(Exception):  # noqa: N818
    """Runs would go for good that were kept until now; `why` says which."""

    def __init__(self, why: list[str]) -> None:
        super().__init__(" ".join(why))
        self.why = why


@dataclass(frozen=True, slots=True)
class Changed:
    before: Values
    after: Values
    differences: list[Difference]


def change(
    after: Values, *, revision: str, is_confirmed: bool, by: Actor, reason: str, now: datetime
) -> Changed:
    """Raises Wrong, Outdated or Unconfirmed; nothing is saved then.

    `revision` is that of the policy that the person had before them.
    """
    with transaction.atomic():
        # Whoever changes anything of it locks this row first.
        policy = Policy.objects.select_for_update(no_key=True).filter(pk=1).first()
        policy = policy or Policy.objects.create(pk=1)
        before = values.saved(policy)
        if before.revision != revision:
            raise Outdated
        if wrong := values.problems(after):
            raise Wrong(wrong)
        if (sooner := values.deletes_sooner(before, after)) and not is_confirmed:
            raise Unconfirmed(sooner)
        found = values.differences(before, after)
        for difference in found:
            if difference.slug:
                _save_override(difference, after, by, now)
            else:
                _save_own(policy, before, after, by, now)
            _note(difference, by, reason)
    return Changed(before, after, found)


def _save_own(policy: Policy, before: Values, after: Values, by: Actor, now: datetime) -> None:
    for name in OWN_NAMES:
        setattr(policy, name, getattr(after, name))
    policy.changed_at, policy.changed_by = now, by.name[:150]
    # Else the night whose hour is past by now would begin at once. No other value moves it: a
    # night that was missed is made up for, whatever was saved since.
    is_moved = (before.hour, before.zone) != (after.hour, after.zone)
    if after.is_on and (is_moved or not before.is_on):
        policy.nights_from = now
    policy.save(update_fields=[*OWN_NAMES, "changed_at", "changed_by", "nights_from"])


def _save_override(difference: Difference, after: Values, by: Actor, now: datetime) -> None:
    workflow = Workflow.objects.filter(slug=difference.slug)
    if difference.act == "remove":
        WorkflowPolicy.objects.filter(workflow__in=workflow).delete()
        return
    own = after.workflows[difference.slug]
    given = {name: getattr(own, name) for name in OVERRIDE_NAMES}
    WorkflowPolicy.objects.update_or_create(
        workflow=workflow.get(),
        defaults={**given, "changed_at": now, "changed_by": by.name[:150]},
    )


def _note(difference: Difference, by: Actor, reason: str) -> None:
    words = f"{difference} ({reason})" if reason else str(difference)
    # The portal's own has no id.
    target = (AUDITED, difference.slug)
    AuditEntry.objects.note(by, difference.act, target, words)
