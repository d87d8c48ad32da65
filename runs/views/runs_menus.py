"""What the Runs view's tabs and menus offer: each choice is a filter, written as a link."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from django.http import HttpRequest
from django.utils import timezone

from runs.filters import (
    HELD,
    LOGS,
    RANGES,
    STATES,
    MomentField,
    RunFilter,
    range_words,
    typed_from,
    typed_to,
)
from runs.models import Run, SavedView, User, Workflow
from runs.states import LABELS, Trigger
from runs.templatetags.runs_ui import TRIGGER_ICONS, clock_words, day_words
from runs.views.list_address import COLUMNS, SORTS, USUAL, ListAddress

# The states in the order of the tabs, after all of them.
TABS = ("running", "completed", "failed", "terminated", "queued")
# Workflows that the menu lists; with more, the others are typed.
MOST_WORKFLOWS = 300
# The newest runs whose people the menu names.
NEWEST = 1000
MOST_PEOPLE = 50
MOST_VIEWS = 50
# What the list shows when a filter is taken away.
_ALL_OF = {"node": "All nodes", "model": "All models", "spent": "All spending"}


@dataclass(frozen=True, slots=True)
class Choice:
    label: str
    url: str
    chosen: bool = False
    name: str = ""
    icon: str = ""
    note: str = ""


def menus(request: HttpRequest, chosen: ListAddress, now: datetime) -> dict[str, Any]:
    """The tabs and menus; reads the names of the workflows."""
    slugs = list(Workflow.objects.values_list("slug", flat=True)[: MOST_WORKFLOWS + 1])
    return {
        "tabs": _tabs(chosen),
        # The counts stay true as long as this does: all but the state.
        "counts_key": chosen.filter.with_(state="").query(),
        "wants": STATES.get(chosen.filter.state, ""),
        "ranges": _ranges(chosen, now),
        "days": _days(chosen, now),
        "range_words": _range_words(chosen.filter, now),
        "orders": _orders(chosen),
        **_views(request, chosen),
        "workflows": [
            Choice(slug, chosen.with_(workflow=slug).query(), slug == chosen.filter.workflow)
            for slug in slugs[:MOST_WORKFLOWS]
        ],
        "more_workflows": len(slugs) > MOST_WORKFLOWS,
        "triggers": [
            Choice(
                t,
                chosen.with_(trigger=t).query(),
                t == chosen.filter.trigger,
                icon=TRIGGER_ICONS[t],
            )
            for t in map(str, Trigger)
        ],
        "places": [
            Choice(label, chosen.with_(logs=name).query(), name == chosen.filter.logs)
            for name, label in LOGS.items()
        ],
        "stuck": Choice(
            "Stuck",
            chosen.with_(stuck="" if chosen.filter.stuck else "yes").query(),
            bool(chosen.filter.stuck),
        ),
        "logs_words": LOGS.get(chosen.filter.logs, ""),
        "holds": [
            Choice(label, chosen.with_(held=name).query(), name == chosen.filter.held)
            for name, label in HELD.items()
        ],
        "held_words": HELD.get(chosen.filter.held, ""),
        "me": Choice(
            request.user.get_username(),
            chosen.with_(triggered_by=request.user.get_username()).query(),
            request.user.get_username() == chosen.filter.triggered_by,
        ),
        "without": {
            name: chosen.with_(**{name: RunFilter.__dataclass_fields__[name].default}).query()
            for name in (
                "workflow",
                "triggered_by",
                "trigger",
                "ref",
                "error",
                "group",
                "version",
                "logs",
                "held",
                "q",
            )
        }
        | {
            # Some of it is never looked for without a beginning.
            "created": ("" if chosen.filter.must_be_dated else _any_time(chosen).query()),
            "sort": chosen.with_(sort="").query(),
        },
        "holding": [
            Choice(
                words,
                replace(chosen, filter=chosen.filter.without(name)).query(),
                note=_ALL_OF.get(name, "All runs"),
            )
            for name, words in chosen.filter.holding_words().items()
        ],
        "bounds": {
            "from": typed_from(chosen.filter.created_from),
            "to": typed_to(chosen.filter.created_to),
        },
    }


def people(request: HttpRequest, chosen: ListAddress) -> list[Choice]:
    """Who triggered the newest runs, without oneself, who stands above."""
    newest = Run.objects.newest_first().values("triggered_by")[:NEWEST]
    # The latest of them: the first of the alphabet would hide all others for good.
    latest = list(dict.fromkeys(row["triggered_by"] for row in newest))[:MOST_PEOPLE]
    return [
        Choice(name, chosen.with_(triggered_by=name).query(), name == chosen.filter.triggered_by)
        for name in sorted(latest)
        if name != request.user.get_username()
    ]


def _tabs(chosen: ListAddress) -> list[Choice]:
    return [
        Choice("All", chosen.with_(state="").query(), not chosen.filter.state, name="all"),
        *(
            Choice(
                LABELS[state][0],
                chosen.with_(state=name).query(),
                name == chosen.filter.state,
                name=name,
                icon=LABELS[state][2],
            )
            for name in TABS
            for state in (STATES[name],)
        ),
    ]


def columns(chosen: ListAddress, account: User) -> dict[str, Any]:
    """Which columns the table shows: the address's, else the person's, else the usual ones."""
    shown = chosen.columns or tuple(account.list_columns) or USUAL
    return {
        "choices": [(name, label, name in shown) for name, label in COLUMNS.items()],
        "without": " ".join(name for name in COLUMNS if name not in shown),
    }


def _views(request: HttpRequest, chosen: ListAddress) -> dict[str, Any]:
    """Saved views, the person's own and the shared ones; which of them this is."""
    account: User = request.user  # type: ignore[assignment]
    found = SavedView.objects.seen_by(account).select_related("owner")[:MOST_VIEWS]
    present = chosen.query()
    mine: list[Choice] = []
    shared: list[Choice] = []
    current = "All runs" if not chosen.pairs() else "Views"
    for saved in found:
        is_current = saved.query == present
        if is_current:
            current = saved.name
        is_mine = saved.owner_id == account.pk
        note = "my default" if saved.pk == account.default_view_id else ""
        choice = Choice(
            saved.name,
            f"?view={saved.public_id}",
            is_current,
            icon="group" if saved.is_shared else "bookmark",
            note=note or ("" if is_mine else saved.owner.get_username()),
        )
        (shared if saved.is_shared else mine).append(choice)
    return {
        "views": {
            "mine": mine,
            "shared": shared,
            "current": current,
            "is_all": not chosen.pairs(),
            "all": chosen.everything,
            "all_note": "" if account.default_view_id else "default",
            "query": present if chosen.pairs() else "?",
        }
    }


def _orders(chosen: ListAddress) -> dict[str, dict[str, Any]]:
    """What the heads of sortable columns lead to."""
    return {
        name: {"url": chosen.with_(sort=name).query(), "chosen": chosen.sort == name}
        for name in SORTS
    }


def _any_time(chosen: ListAddress) -> ListAddress:
    return chosen.with_(created="", created_from=None, created_to=None)


def _ranges(chosen: ListAddress, now: datetime) -> list[Choice]:
    return [
        Choice(
            label,
            _any_time(chosen).with_(created=name).query(),
            name == chosen.filter.created,
            note=f"since {_since(now, length)}",
        )
        for name, (label, length) in RANGES.items()
    ]


def _days(chosen: ListAddress, now: datetime) -> list[Choice]:
    """Today and yesterday as the dates that they are: unlike a range, they do not go on."""
    today = timezone.localtime(now).date()
    days = {"Today": today, "Yesterday": today - timedelta(days=1)}
    found = []
    for label, day in days.items():
        begin, end = MomentField().clean(f"{day}"), MomentField(end=True).clean(f"{day}")
        found.append(
            Choice(
                label,
                _any_time(chosen).with_(created_from=begin, created_to=end).query(),
                (begin, end) == (chosen.filter.created_from, chosen.filter.created_to),
                note=day_words(timezone.localtime(begin), timezone.localtime(now)),
            )
        )
    return found


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


def typed(moment: datetime | None) -> str:
    return f"{timezone.localtime(moment):%Y-%m-%d %H:%M}" if moment else ""
