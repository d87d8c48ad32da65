"""How the portal writes states, ids, times, durations, money and sizes.

Tags that depend on the time take `now` from the template's context, where a view has put it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from functools import lru_cache
from typing import Any

from django import template
from django.contrib.messages import constants as levels
from django.template import Context
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString, mark_safe

from runs.models import Run
from runs.states import LABELS, NodeStatus, RunState, Trigger

register = template.Library()

NONE = mark_safe('<span class="op-none" aria-hidden="true">–</span><span class="op-sr">none</span>')


# -- States ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Look:
    """A word, the design's name for its colour, and an icon."""

    word: str
    state: str
    icon: str


LOOKS: dict[str, Look] = {
    NodeStatus.PENDING: Look("Pending", "queued", "radio_button_unchecked"),
    NodeStatus.QUEUED: Look("Queued", "queued", "schedule"),
    NodeStatus.RUNNING: Look("Running", "running", "progress_activity"),
    NodeStatus.WAITING: Look("Waiting", "waiting", "person"),
    NodeStatus.SKIPPED: Look("Skipped", "skipped", "skip_next"),
    # A run's states; those that a node has too look the same.
    **{state: Look(*LABELS[state]) for state in RunState},
}
UNKNOWN = Look("Unknown", "queued", "help")

TRIGGER_ICONS: dict[str, str] = {
    Trigger.MANUAL: "touch_app",
    Trigger.API: "api",
    Trigger.SCHEDULE: "calendar_clock",
    Trigger.WEBHOOK: "webhook",
    Trigger.EVENT: "sensors",
    Trigger.AUTOMATION: "bolt",
}


@register.filter
def look(state: str) -> Look:
    """The look of a run's state or a node's status."""
    return LOOKS.get(str(state), UNKNOWN)


@register.simple_tag
def state_icon(state: str, label: bool = False) -> SafeString:
    """The icon alone; with `label`, its word for who cannot see it."""
    found = look(state)
    icon = format_html(
        '<span class="material-symbols-outlined op-state-icon{}" data-state="{}" '
        'aria-hidden="true">{}</span>',
        " op-spin" if found.icon == "progress_activity" else "",
        found.state,
        found.icon,
    )
    if not label:
        return icon
    return format_html('{}<span class="op-sr">{}</span>', icon, found.word)


@register.simple_tag
@lru_cache(maxsize=64)
def state_pill(state: str, large: bool = False) -> SafeString:
    found = look(state)
    return format_html(
        '<span class="op-pill{}" data-state="{}"><span class="material-symbols-outlined{}" '
        'aria-hidden="true">{}</span>{}</span>',
        " op-pill-lg" if large else "",
        found.state,
        " op-spin" if found.icon == "progress_activity" else "",
        found.icon,
        found.word,
    )


@register.simple_tag
@lru_cache(maxsize=64)
def trigger_mark(trigger: str) -> SafeString:
    return format_html(
        '<span class="op-by"><span class="material-symbols-outlined" aria-hidden="true">{}</span>'
        "{}</span>",
        TRIGGER_ICONS.get(trigger, "help"),
        trigger,
    )


@register.simple_tag
def message_look(level: int) -> dict[str, str]:
    """How one of Django's messages is drawn."""
    if level >= levels.ERROR:
        return {"state": "failed", "icon": "error", "role": "alert"}
    if level >= levels.WARNING:
        return {"state": "terminated", "icon": "warning", "role": "status"}
    if level >= levels.SUCCESS:
        return {"state": "completed", "icon": "check_circle", "role": "status"}
    return {"state": "running", "icon": "info", "role": "status"}


def why_words(run: Run) -> tuple[str, str]:
    """Where an active run is, where and why a failed one ended, who ended a terminated one; and
    the same with nothing left out."""
    if run.state == RunState.ACTIVE:
        done = f"{run.nodes_done} of {run.nodes_total}" if run.nodes_total else ""
        words = " · ".join(filter(None, (run.current_node, done)))
        return words, words
    if run.state == RunState.FAILED:
        where = run.error_node or "input"
        if not run.error_node and run.error_kind != "InputInvalid":
            where = run.error_kind
            return f"{where} · {run.error_message}", f"{where}: {run.error_message}"
        brief = run.error_kind if run.error_node else run.error_message
        full = f"{where} · {run.error_kind}: {run.error_message}"
        return f"{where} · {brief}", full
    if run.state == RunState.TERMINATED:
        words = f"by {run.ended_by}" + (f": {run.reason}" if run.reason else "")
        return words, words
    return "", ""


# -- Ids -------------------------------------------------------------------------------------


@register.filter
def short(public_id: str) -> str:
    """``run_…5n0a1d2b``: the head of a UUIDv7 is the same for neighbours."""
    prefix, _, suffix = public_id.rpartition("_")
    return f"{prefix}_…{suffix[-8:]}"


@register.simple_tag
def short_id(public_id: str, url: str = "") -> SafeString:
    """The short id with the full one in its title; a link where a URL is given."""
    prefix, _, suffix = public_id.rpartition("_")
    if url:
        return format_html(
            '<a class="op-id" href="{}" title="{}"><i>{}_…</i>{}</a>',
            url, public_id, prefix, suffix[-8:],
        )  # fmt: skip
    return format_html(
        '<span class="op-id" title="{}"><i>{}_…</i>{}</span>', public_id, prefix, suffix[-8:]
    )


@register.simple_tag
def copyable(text: str, label: str = "") -> SafeString:
    """A text with a button that copies it (copy.js); `label` names what is copied."""
    return format_html(
        '<button type="button" class="op-copy op-js" data-copy="{}" title="Copy {}">{}'
        '<span class="material-symbols-outlined" aria-hidden="true">content_copy</span></button>'
        '<noscript><span class="op-mono">{}</span></noscript>',
        text, label or text, text, text,
    )  # fmt: skip


@register.simple_tag
def crumb(label: str, url: str = "", heading: bool = False) -> SafeString:
    """One step of the breadcrumb. `heading`: it names the page, and is its <h1>."""
    if heading:
        return format_html('<li aria-current="page"><h1>{}</h1></li>', label)
    if url:
        return format_html('<li><a href="{}">{}</a></li>', url, label)
    return format_html("<li><span>{}</span></li>", label)


# -- Times -----------------------------------------------------------------------------------


def now_of(context: Context) -> datetime:
    given = context.get("now")
    return given if isinstance(given, datetime) else timezone.now()


def offset_words(moment: datetime) -> str:
    """``UTC+1``, ``UTC−3:30``, ``UTC``."""
    minutes = round((moment.utcoffset() or timedelta()).total_seconds() / 60)
    if not minutes:
        return "UTC"
    hours, rest = divmod(abs(minutes), 60)
    return f"UTC{'+' if minutes > 0 else '−'}{hours}" + (f":{rest:02}" if rest else "")


def zone_tag(moment: datetime) -> str:
    """``CET`` where the zone has letters for it at that time, else ``UTC+5:45``."""
    letters = moment.tzname() or ""
    return letters if letters.isalpha() else offset_words(moment)


def zone_words(now: datetime) -> str:
    """``Europe/Berlin (CET)``; for UTC just that."""
    name = timezone.get_current_timezone_name()
    tag = zone_tag(timezone.localtime(now))
    return name if name == tag else f"{name} ({tag})"


def day_words(moment: datetime, now: datetime) -> str:
    """``21 Nov``, with the year where it is another than now's."""
    day = f"{moment.day} {moment:%b}"
    return day if moment.year == now.year else f"{day} {moment.year}"


def clock_words(moment: datetime, now: datetime, seconds: bool = True) -> str:
    """``14:54:07``, with the day when not today, in the person's zone."""
    local, here = timezone.localtime(moment), timezone.localtime(now)
    time = f"{local:%H:%M:%S}" if seconds else f"{local:%H:%M}"
    return time if local.date() == here.date() else f"{day_words(local, here)} {time}"


def brief_words(local: datetime, here: datetime) -> str:
    """For a narrow column: ``14:54:07``, ``21 Nov 14:54``, ``21 Nov 2025``. Both in one zone."""
    if local.date() == here.date():
        return f"{local.hour:02}:{local.minute:02}:{local.second:02}"
    day = day_words(local, here)
    return day if local.year != here.year else f"{day} {local.hour:02}:{local.minute:02}"


def full_words(moment: datetime) -> str:
    """``2026-11-22 14:54:07.123 CET``: nothing left out."""
    return full_local_words(timezone.localtime(moment))


def full_local_words(local: datetime) -> str:
    return f"{local.isoformat(' ', 'milliseconds')[:23]} {zone_tag(local)}"


@register.simple_tag(takes_context=True)
def clock(context: Context, moment: datetime | None, title: str = "") -> SafeString:
    """A time in the person's zone; its title says it in full, or what is given."""
    if moment is None:
        return NONE
    return format_html(
        '<time datetime="{}" title="{}">{}</time>',
        timezone.localtime(moment).isoformat(timespec="milliseconds"),
        title or full_words(moment),
        clock_words(moment, now_of(context)),
    )


@register.filter
def own_clock(moment: datetime) -> str:
    """``Thu 22 Oct 2026 06:00 CEST``: a time as the clocks of its own zone show it."""
    return f"{moment:%a} {moment.day} {moment:%b %Y %H:%M} {zone_tag(moment)}"


@register.filter
def full_time(moment: datetime | None) -> str:
    return full_words(moment) if moment else "–"


@register.simple_tag(takes_context=True)
def zone(context: Context) -> str:
    """The zone that every time on the page is in."""
    return zone_words(now_of(context))


@register.simple_tag
def zone_name() -> str:
    return timezone.get_current_timezone_name()


# -- Durations -------------------------------------------------------------------------------


def duration_words(length: timedelta) -> str:
    """``340 ms``, ``58.3 s``, ``2 m 12 s``, ``1 h 04 m``, ``3 d 02 h``. page.js says the same."""
    milliseconds = max(0, length // timedelta(milliseconds=1))
    if milliseconds < 1000:
        return f"{milliseconds} ms"
    tenths = (milliseconds + 50) // 100
    if tenths < 600:
        return f"{tenths // 10}.{tenths % 10} s"
    seconds = (milliseconds + 500) // 1000
    if seconds < 3600:
        return f"{seconds // 60} m {seconds % 60:02} s"
    minutes = seconds // 60
    if minutes < 1440:
        return f"{minutes // 60} h {minutes % 60:02} m"
    hours = minutes // 60
    return f"{hours // 24} d {hours % 24:02} h"


def milliseconds_of(moment: datetime) -> int:
    """Since 1970, as ticks.js counts them."""
    return (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1)


@register.filter
def duration(length: timedelta | None) -> str:
    return NONE if length is None else duration_words(length)


@register.filter
def milliseconds(value: float | None) -> str:
    return NONE if value is None else duration_words(timedelta(milliseconds=value))


@register.simple_tag(takes_context=True)
def elapsed(
    context: Context, started_at: datetime | None, completed_at: datetime | None = None
) -> SafeString | str:
    """From start to end; where there is no end yet, a duration that ticks.js lets tick."""
    return elapsed_words(started_at, completed_at, now_of(context))


def elapsed_words(
    started_at: datetime | None, completed_at: datetime | None, now: datetime
) -> SafeString | str:
    if started_at is None:
        return NONE
    if completed_at is not None:
        return duration_words(completed_at - started_at)
    length = now - started_at
    ticking = ticking_since(now, length // timedelta(milliseconds=1))
    return mark_safe(f'<span class="op-tick"{ticking}>{duration_words(length)}</span>')


def ticking_since(now: datetime, milliseconds: int) -> SafeString:
    """The attributes by which ticks.js lets a duration tick that is so long now."""
    at = milliseconds_of(now)
    return mark_safe(f' data-since="{at - milliseconds}" data-now="{at}"')


@register.simple_tag(takes_context=True)
def run_duration(context: Context, run: Run) -> SafeString | str:
    return elapsed(context, run.started_at, run.completed_at)


# -- Figures ---------------------------------------------------------------------------------

_CENT_OF_CENT = Decimal("0.0001")


def money_words(amount: Decimal) -> str:
    """``$0.0412``, from ten dollars ``$12.35``; what is less than it can show, ``<$0.0001``."""
    if 0 < amount < _CENT_OF_CENT:
        return "<$0.0001"
    places = Decimal("0.01") if abs(amount) >= 10 else _CENT_OF_CENT
    return f"${amount.quantize(places, ROUND_HALF_UP):,}"


@register.filter
def money(amount: Decimal | None) -> str:
    """Nothing spent is none."""
    return money_words(amount) if amount else NONE


_UNITS = ((10**3, "k"), (10**6, "M"), (10**9, "B"))


def amount_words(count: int) -> str:
    """``812``, ``29.6k``, ``1.2M``."""
    if count < 1000:
        return str(count)
    size, unit = next((s, u) for s, u in _UNITS if count < s * 1000 - s // 20 or u == "B")
    tenths = (count * 10 + size // 2) // size
    return f"{tenths // 10:,}.{tenths % 10}{unit}"


@register.filter
def tokens(count: int | None) -> str:
    return amount_words(count) if count else NONE


@register.filter
def thousands(count: int) -> str:
    return f"{count:,}"


@register.simple_tag
def capped(count: int | None, cap: int) -> str:
    """``214``, ``10,000+``; a count that could not be made is a dash."""
    if count is None:
        return "–"
    return f"{cap:,}+" if count > cap else f"{count:,}"


@register.filter
def size(count: int | None) -> str:
    """Bytes as ``812 B``, ``12.4 kB``, ``3.1 MB``."""
    if count is None:
        return NONE
    if count < 1000:
        return f"{count} B"
    power = min(4, int(math.log(count, 1000)))
    return f"{count / 1000**power:.1f} {('B', 'kB', 'MB', 'GB', 'TB')[power]}"


@register.filter
def or_none(value: Any) -> Any:
    """The value, or the sign for none."""
    return NONE if value in (None, "") else value
