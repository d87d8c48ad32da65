"""The policy as one value: what is saved, what somebody wants instead, what is wrong with that,
and what is another in it."""

from __future__ import annotations

import hashlib
import json
import zoneinfo
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from typing import Any

from retention import hours, terms
from retention.models import Policy, WorkflowPolicy
from retention.models.policy import MOST_DAYS
from retention.terms import Days, Rules
from runs.models import Workflow

# Each of them is a line of the page and of every answer.
MOST_OVERRIDES = 500
STATES = ("completed", "failed", "terminated")
OWN_NAMES = (
    "completed_days", "failed_days", "terminated_days", "delete_days", "restore_days", "hour",
    "zone", "is_on",
)  # fmt: skip
OVERRIDE_NAMES = (
    "completed_days", "failed_days", "terminated_days", "delete_days", "never_deleted",
)  # fmt: skip
WORDS = {
    "completed_days": "completed",
    "failed_days": "failed",
    "terminated_days": "terminated",
    "delete_days": "deleted for good after",
    "never_deleted": "never deleted",
    "restore_days": "restored logs stay",
    "hour": "hour",
    "zone": "zone",
    "is_on": "nightly run",
}


@dataclass(frozen=True, slots=True)
class Override:
    """What is otherwise for one workflow; None is as the portal's own."""

    completed_days: int | None = None
    failed_days: int | None = None
    terminated_days: int | None = None
    delete_days: int | None = None
    never_deleted: bool = False

    @property
    def is_empty(self) -> bool:
        return self == Override()


@dataclass(frozen=True, slots=True)
class Values:
    """All of it; `workflows` by their ids as people know them (slugs)."""

    completed_days: int = 90
    failed_days: int = 180
    terminated_days: int = 30
    delete_days: int | None = None
    restore_days: int = 7
    hour: int = 2
    zone: str = "UTC"
    is_on: bool = True
    workflows: Mapping[str, Override] = field(default_factory=dict)

    @property
    def revision(self) -> str:
        """The same as long as nothing is changed: of two people who save at once the second one
        brings one that is over."""
        said = json.dumps(asdict(self), sort_keys=True, ensure_ascii=False)
        return hashlib.sha256(said.encode()).hexdigest()[:16]

    @property
    def usual(self) -> Days:
        return Days(self.completed_days, self.failed_days, self.terminated_days, self.delete_days)

    def days_of(self, slug: str) -> Days:
        """What holds for a workflow, whether or not anything is otherwise for it."""
        own = self.workflows.get(slug)
        if own is None:
            return self.usual
        given = {
            name: days
            for name in (*STATES, "delete")
            if (days := getattr(own, f"{name}_days")) is not None
        }
        days = replace(self.usual, **given)
        return replace(days, delete=None) if own.never_deleted else days

    def rules(self) -> Rules:
        known = Workflow.objects.filter(slug__in=self.workflows).values_list("slug", "pk")
        return Rules(self.usual, {pk: self.days_of(slug) for slug, pk in known})

    def next_night(self, now: datetime) -> datetime:
        """When the night's work begins next, whether or not it is on."""
        return hours.following(self.hour, self.zone, now)


def saved(policy: Policy | None = None) -> Values:
    """As it is now; `policy` where its row is locked already."""
    policy = policy or terms.current()
    rows = WorkflowPolicy.objects.select_related("workflow").order_by("workflow__slug")
    return Values(
        **{name: getattr(policy, name) for name in OWN_NAMES},
        workflows={
            row.workflow.slug: Override(**{name: getattr(row, name) for name in OVERRIDE_NAMES})
            for row in rows
        },
    )


# -- What is wrong with it -------------------------------------------------------------------


def problems(values: Values) -> dict[str, str]:
    """By field: one of `OWN_NAMES`, or `workflows.<slug>.<name>`; none where all is well."""
    found = _own_problems(values)
    if len(values.workflows) > MOST_OVERRIDES:
        found["workflows"] = f"At most {MOST_OVERRIDES} workflows can have days of their own."
        return found
    named = Workflow.objects.filter(slug__in=list(values.workflows))
    there = set(named.values_list("slug", flat=True))
    for slug, own in values.workflows.items():
        if slug not in there:
            found[f"workflows.{slug}"] = f"There is no workflow {slug[:100]}."
        else:
            found |= _override_problems(own, f"workflows.{slug}")
    return found or _too_short(values)


def _own_problems(values: Values) -> dict[str, str]:
    found: dict[str, str] = {}
    for name in ("completed_days", "failed_days", "terminated_days", "restore_days"):
        if not _is_days(getattr(values, name)):
            found[name] = f"From 1 to {MOST_DAYS:,} days."
    if values.delete_days is not None and not _is_days(values.delete_days):
        found["delete_days"] = f"From 1 to {MOST_DAYS:,} days, or nothing for never."
    if not 0 <= values.hour <= 23:
        found["hour"] = "From 0 to 23."
    if values.zone not in zoneinfo.available_timezones():
        found["zone"] = "This is not a time zone; one is “Europe/Berlin”."
    return found


def _override_problems(own: Override, place: str) -> dict[str, str]:
    if own.is_empty:
        said = "Nothing is otherwise for it: give it days of its own, or leave it out."
        return {place: said}
    found = {
        f"{place}.{name}": f"From 1 to {MOST_DAYS:,} days, or nothing."
        for name in OVERRIDE_NAMES[:4]
        if (days := getattr(own, name)) is not None and not _is_days(days)
    }
    if own.never_deleted and own.delete_days is not None:
        found[f"{place}.delete_days"] = "Never deleted, or deleted after these days: not both."
    return found


def _too_short(values: Values) -> dict[str, str]:
    """A run must be archived before it goes for good."""
    found: dict[str, str] = {}
    if said := _why_too_short(values.usual):
        found["delete_days"] = said
    for slug in values.workflows:
        if said := _why_too_short(values.days_of(slug)):
            found[f"workflows.{slug}.delete_days"] = said
    return found


def _why_too_short(days: Days) -> str:
    if days.delete is None:
        return ""
    longest = max(STATES, key=lambda state: getattr(days, state))
    most = getattr(days, longest)
    if days.delete > most:
        return ""
    return (
        f"Runs go for good only after they were archived: give more than {most:,} days, which is"
        f" when {longest} runs are archived."
    )


def _is_days(days: int) -> bool:
    return 1 <= days <= MOST_DAYS


# -- What is another in it -------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Difference:
    """`slug` is "" for the portal's own; `act` is "add", "change" or "remove"."""

    slug: str
    act: str
    words: tuple[str, ...]

    def __str__(self) -> str:
        return "; ".join(self.words)


def differences(before: Values, after: Values) -> list[Difference]:
    """In words, old → new: one for the portal's own, one for each workflow."""
    found = []
    if own := _words(before, after, OWN_NAMES):
        found.append(Difference("", "change", own))
    for slug in sorted({*before.workflows, *after.workflows}):
        old, new = before.workflows.get(slug), after.workflows.get(slug)
        words = _words(old or Override(), new or Override(), OVERRIDE_NAMES)
        if old != new:
            act = "add" if old is None else "remove" if new is None else "change"
            found.append(Difference(slug, act, words))
    return found


def _words(before: Any, after: Any, names: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(
        f"{WORDS[name]}: {_word(before, name)} → {_word(after, name)}"
        for name in names
        if getattr(before, name) != getattr(after, name)
    )


def _word(values: Any, name: str) -> str:
    value = getattr(values, name)
    if name == "is_on":
        return "on" if value else "off"
    if name == "never_deleted":
        return "yes" if value else "no"
    if name == "hour":
        return f"{value:02d}:00"
    if name == "zone":
        return str(value)
    if value is not None:
        return f"{value} d"
    return "as usual" if isinstance(values, Override) else "never"


def deletes_sooner(before: Values, after: Values) -> list[str]:
    """Where the second term is switched on or shortened."""
    found = []
    if _is_sooner(before.usual.delete, after.usual.delete):
        found.append(_sooner("runs", before.usual.delete, after.usual.delete))
    for slug in sorted({*before.workflows, *after.workflows}):
        old, new = before.days_of(slug).delete, after.days_of(slug).delete
        as_usual = (old, new) == (before.usual.delete, after.usual.delete)
        if not as_usual and _is_sooner(old, new):
            found.append(_sooner(f"runs of {slug}", old, new))
    return found


def _is_sooner(before: int | None, after: int | None) -> bool:
    return after is not None and (before is None or after < before)


def _sooner(whose: str, before: int | None, after: int | None) -> str:
    now = "for ever" if before is None else f"for {before:,} days"
    said = f"{after:,} days after their end, {whose} are deleted for good"
    return f"{said}; as saved now, they are kept {now}."
