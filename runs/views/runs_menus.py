"""What the Runs view's tabs and menus offer: each choice is a filter, written as a link."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.http import HttpRequest
from django.utils import timezone

from runs.filters import RANGES, STATES, RunFilter, range_words
from runs.models import Run, Workflow
from runs.states import LABELS, Trigger
from runs.templatetags.runs_ui import TRIGGER_ICONS, clock_words, day_words

# The states in the order of the tabs, after all of them.
TABS = ("running", "completed", "failed", "terminated", "queued")
# Workflows that the menu lists; with more, the others are typed.
MOST_WORKFLOWS = 300
# The newest runs whose people the menu names.
NEWEST = 1000
MOST_PEOPLE = 20


@dataclass(frozen=True, slots=True)
class Choice:
    label: str
    url: str
    chosen: bool = False
    name: str = ""
    icon: str = ""
    note: str = ""


def menus(request: HttpRequest, chosen: RunFilter, now: datetime) -> dict[str, Any]:
    """The tabs and menus; reads the names of the workflows."""
    slugs = list(Workflow.objects.values_list("slug", flat=True)[: MOST_WORKFLOWS + 1])
    return {
        "tabs": _tabs(chosen),
        # The counts stay true as long as this does: all but the state.
        "counts_key": chosen.with_(state="").query(),
        "wants": STATES.get(chosen.state, ""),
        "ranges": _ranges(chosen, now),
        "range_words": _range_words(chosen, now),
        "workflows": [
            Choice(slug, chosen.with_(workflow=slug).query(), slug == chosen.workflow)
            for slug in slugs[:MOST_WORKFLOWS]
        ],
        "more_workflows": len(slugs) > MOST_WORKFLOWS,
        "triggers": [
            Choice(t, chosen.with_(trigger=t).query(), t == chosen.trigger, icon=TRIGGER_ICONS[t])
            for t in map(str, Trigger)
        ],
        "me": Choice(
            request.user.get_username(),
            chosen.with_(triggered_by=request.user.get_username()).query(),
            request.user.get_username() == chosen.triggered_by,
        ),
        "without": {
            name: chosen.with_(**{name: RunFilter.__dataclass_fields__[name].default}).query()
            for name in ("workflow", "triggered_by", "trigger")
        }
        | {"created": _any_time(chosen).query()},
        "bounds": {
            "from": _typed(chosen.created_from),
            "to": _typed(chosen.created_to),
        },
    }


def people(request: HttpRequest, chosen: RunFilter) -> list[Choice]:
    """Who triggered the newest runs, without oneself, who stands above."""
    newest = Run.objects.newest_first().values("triggered_by")[:NEWEST]
    names = sorted({row["triggered_by"] for row in newest} - {request.user.get_username()})
    return [
        Choice(name, chosen.with_(triggered_by=name).query(), name == chosen.triggered_by)
        for name in names[:MOST_PEOPLE]
    ]


def _tabs(chosen: RunFilter) -> list[Choice]:
    return [
        Choice("All", chosen.with_(state="").query(), not chosen.state, name="all"),
        *(
            Choice(
                LABELS[state][0],
                chosen.with_(state=name).query(),
                name == chosen.state,
                name=name,
                icon=LABELS[state][2],
            )
            for name in TABS
            for state in (STATES[name],)
        ),
    ]


def _any_time(chosen: RunFilter) -> RunFilter:
    return chosen.with_(created="", created_from=None, created_to=None)


def _ranges(chosen: RunFilter, now: datetime) -> list[Choice]:
    return [
        Choice(
            label,
            _any_time(chosen).with_(created=name).query(),
            name == chosen.created,
            note=f"since {_since(now, length)}",
        )
        for name, (label, length) in RANGES.items()
    ]


def _since(now: datetime, length: timedelta) -> str:
    begin = now - length
    if length > timedelta(days=1):
        return day_words(timezone.localtime(begin), timezone.localtime(now))
    return clock_words(begin, now, seconds=False)


def _range_words(chosen: RunFilter, now: datetime) -> str:
    """What the button says: the range, its bounds, or nothing."""
    if chosen.created:
        return RANGES[chosen.created][0]
    if chosen.created_from or chosen.created_to:
        return range_words(chosen.created_from, chosen.created_to, now)
    return ""


def _typed(moment: datetime | None) -> str:
    return f"{timezone.localtime(moment):%Y-%m-%d %H:%M}" if moment else ""
