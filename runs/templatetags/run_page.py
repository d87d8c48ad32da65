"""What only the page of a run writes: times to the millisecond, and the lanes of its timeline."""

from __future__ import annotations

import re
import uuid
from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

from django import template
from django.template import Context
from django.utils import timezone
from django.utils.html import escape, format_html
from django.utils.http import urlencode
from django.utils.safestring import SafeString, mark_safe

from runs import ids
from runs.states import AttemptStatus, NodeStatus
from runs.templatetags.runs_ui import (
    NONE,
    day_words,
    duration_words,
    full_words,
    look,
    now_of,
    short,
    state_pill,
    ticking_since,
    zone_tag,
)

if TYPE_CHECKING:
    from runs.views.run_overview import NodeLine

register = template.Library()

_ATTEMPTS = {
    AttemptStatus.LOST: ("failed", "cloud_off"),
    AttemptStatus.LATE: ("terminated", "history"),
}
_TAG = re.compile(r"\A<[^>]*>")
# Longer references are cut; they stand in full in the title.
_BRIEF = 24


@register.simple_tag(takes_context=True)
def precise(context: Context, moment: datetime | None, day: bool = False) -> SafeString:
    """``14:54:07.112``, with the day when not that of the run's creation, or when asked for. With
    a year beside, whoever needs the milliseconds has them in the title."""
    if moment is None:
        return NONE
    local, here = timezone.localtime(moment), timezone.localtime(now_of(context))
    clock = f"{local:%H:%M:%S}.{local.microsecond // 1000:03}"
    created = timezone.localtime(context["run"].created_at)
    if day or local.date() != created.date():
        clock = clock if local.year == here.year else f"{local:%H:%M:%S}"
        clock = f"{day_words(local, here)} {clock}"
    return _time(moment, clock)


@register.simple_tag(takes_context=True)
def day_clock(context: Context, moment: datetime) -> SafeString:
    """``21 Nov 14:54:07``, for a sentence: always with the day."""
    local = timezone.localtime(moment)
    day = day_words(local, timezone.localtime(now_of(context)))
    return _time(moment, f"{day} {local:%H:%M:%S}")


def _time(moment: datetime, words: str) -> SafeString:
    return format_html(
        '<time datetime="{}" title="{}">{}</time>',
        timezone.localtime(moment).isoformat(timespec="milliseconds"), full_words(moment), words,
    )  # fmt: skip


@register.simple_tag(takes_context=True)
def offset(context: Context) -> str:
    """The zone's offset at the run's creation."""
    return zone_tag(timezone.localtime(context["run"].created_at))


@register.filter
def brief(reference: str) -> str:
    """``user_…k3m9`` of a long reference."""
    if len(reference) <= _BRIEF:
        return reference
    head, mark, _ = reference.partition("_")
    head = f"{head}_" if mark and len(head) <= 12 else reference[:8]
    return f"{head}…{reference[-4:]}"


@register.filter
def run_short(run_id: uuid.UUID) -> str:
    return short(ids.encode("run", run_id))


@register.filter
def run_public(run_id: uuid.UUID) -> str:
    return ids.encode("run", run_id)


@register.filter
def css(number: float) -> str:
    """A number as stylesheets write it, whatever the language."""
    return f"{number:.4g}" if abs(number) < 1 else f"{number:.3f}".rstrip("0").rstrip(".")


@register.simple_tag
def share(part: int, whole: int) -> str:
    """In per cent, from 0 to 100."""
    return css(min(max(part / whole * 100, 0), 100)) if whole > 0 else "0"


@register.filter
def with_node(url: str, key: str) -> str:
    """`url`, which ends with its query, asking for this node's panel too."""
    return f"{url}{'' if url.endswith('?') else '&'}{urlencode({'node': key})}"


@register.simple_tag
def attempt_icon(status: str) -> SafeString:
    found = look(status)
    state, icon = _ATTEMPTS.get(AttemptStatus(status), (found.state, found.icon))
    return format_html(
        '<span class="material-symbols-outlined op-state-icon" data-state="{}" '
        'aria-hidden="true">{}</span><span class="op-sr">{} </span>',
        state, icon, status,
    )  # fmt: skip


@register.simple_tag
def trace(error: Mapping[str, Any]) -> SafeString:
    """A stack trace: the error's kind, then each frame's place and function above its code."""
    lines = [format_html('<span class="e">{}</span>', error.get("kind") or "error")]
    for line in str(error.get("trace") or "").split("\n"):
        place, gap, function = line.partition("  ")
        if line.startswith("  > "):
            lines.append(format_html('<span class="at">{}</span>', line))
        elif line.startswith(" "):
            lines.append(escape(line))
        elif line.startswith("caused by "):
            lines.append(format_html('<span class="e">{}</span>', line))
        elif gap:
            lines.append(format_html('<span class="m">{}</span>  {}', place, function))
        else:
            lines.append(format_html('<span class="m">{}</span>', line))
    return mark_safe("\n".join([_hanging(line) for line in lines]))


def _hanging(line: str) -> str:
    """A line of which what does not fit goes on further to the right than it began."""
    begin = len(_TAG.sub("", line)) - len(_TAG.sub("", line).lstrip())
    return f'<span class="op-line" style="--i:{begin + 2}ch">{line}</span>'


@register.simple_tag(takes_context=True)
def node_row(context: Context, line: NodeLine, node_url: str, selected: str) -> SafeString:
    """A node's row in the table. Written here and not in a template: there may be a thousand."""
    node, row = line.node, line.row
    key, url = escape(node.key), escape(with_node(node_url, node.key))
    chosen = node.key == selected
    executor = escape(node.executor or node.kind)
    length = NONE if line.length is None else duration_words(line.length)
    if line.elapsed is not None:
        ticking = ticking_since(now_of(context), line.elapsed)
        length = f'<span class="op-tick"{ticking}>{length}</span>'
    error = ""
    if node.error_kind and node.status != NodeStatus.COMPLETED:
        error = f"{escape(node.error_kind)}: {escape(node.error_message)}"
    shown_error = f'<span class="op-why" data-state="failed">{error}</span>' if error else ""
    critical = '<span class="op-sr"> on the critical path</span>' if row.critical else ""
    if node.reused_from:
        source = ids.encode("run", node.reused_from)
        critical = f' <span class="op-tag" title="The result of {source}">reused</span>'
    failed = " data-failed" if node.status == NodeStatus.FAILED else ""
    return mark_safe(
        f'<tr data-key="{key}"{failed}{" class=is-selected" if chosen else ""}>'
        f"<td>{state_pill(node.status)}</td>"
        f'<th scope="row"><a class="op-node-link" href="{url}" data-node="{key}" title="{key}"'
        f"{' aria-current=true' if chosen else ''}>{key}</a>{critical}</th>"
        f'<td class="col-low" title="{executor}">{executor}</td>'
        f'<td class="op-right">{node.attempts or NONE}</td>'
        f'<td class="col-low">{precise(context, row.queued_at)}</td>'
        f"<td>{precise(context, node.started_at)}</td>"
        f"<td>{precise(context, node.completed_at)}</td>"
        f'<td class="op-right" data-duration>{length}</td>'
        f'<td title="{error}">{shown_error}</td></tr>'
    )


@register.filter
def problem_words(problem: str) -> str:
    """What is wrong with an object, within a sentence: of its colons, one for each cause that led
    to another, the first one stays."""
    what, colon, causes = problem.rstrip(".").partition(": ")
    return what + colon + causes.replace(": ", ", ")
