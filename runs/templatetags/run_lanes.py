"""The rows of a run's timeline, written in one go: a run has up to a thousand of them.

A template that loops over them takes ten times as long, and so does escaping each word by itself.
"""

from __future__ import annotations

from datetime import datetime
from functools import lru_cache
from html import escape
from typing import TYPE_CHECKING
from urllib.parse import quote

from django import template
from django.template import Context
from django.utils.safestring import SafeString, mark_safe

from runs.states import NodeStatus
from runs.templatetags.runs_ui import look, now_of, ticking_since

if TYPE_CHECKING:
    from runs.timeline import Bar, Gap
    from runs.views.run_overview import NodeLine, Overview

register = template.Library()


@register.simple_tag(takes_context=True)
def lanes(context: Context, shown: Overview, node_url: str, selected: str) -> SafeString:
    """All rows; `node_url` is what a node's key is put to the end of."""
    link = escape(node_url + ("" if node_url.endswith("?") else "&") + "node=")
    now = now_of(context)
    rows = [_lane(line, now, link, line.node.key == selected) for line in shown.lines]
    return mark_safe("".join(rows))


def _lane(line: NodeLine, now: datetime, link: str, chosen: bool) -> str:
    node, row = line.node, line.row
    key = escape(node.key)
    critical, said, current, ticking = "", "", "", ""
    if row.critical:
        critical, said = " is-critical", '<span class="op-sr">, on the critical path</span>'
    if chosen:
        critical, current = f"{critical} is-selected", ' aria-current="true"'
    if line.elapsed is not None:
        ticking = f' class="op-tick"{ticking_since(now, line.elapsed)}'
    failed = " data-failed" if node.status == NodeStatus.FAILED else ""
    gaps = "".join(
        [
            f'<i class="op-gap" data-cause="{told.gap.cause}"{_place(told.gap)}'
            f' title="{escape(told.title)}"></i>'
            for told in line.gaps
        ]
    )
    # Bars are for the pointer, which they tell and lead the same as the name does.
    bars = "".join(
        [
            f'<i class="op-bar" data-state="{told.bar.state}"{_place(told.bar)}'
            f' data-bar="{told.bar.attempt or ""}" title="{escape(told.title)}">{told.label}</i>'
            for told in line.bars
        ]
    )
    return (
        f'<li class="op-tl-row{critical}" data-key="{key}"{failed}><a class="op-tl-name"'
        f' href="{link}{quote(node.key)}" data-node="{key}"{current} title="{key}">'
        f"{_icon(node.status)}<b>{key}</b>{said}<small{ticking}>{escape(line.note)}</small></a>"
        f'<div class="op-tl-lane" aria-hidden="true">{gaps}{bars}</div></li>'
    )


@lru_cache(maxsize=32)
def _icon(status: str) -> str:
    found = look(status)
    spin = " op-spin" if found.icon == "progress_activity" else ""
    return (
        f'<span class="material-symbols-outlined op-state-icon{spin}" data-state="{found.state}"'
        f' aria-hidden="true">{found.icon}</span><span class="op-sr">{found.word} </span>'
    )


def _place(piece: Bar | Gap) -> str:
    growing = " data-growing" if piece.growing else ""
    return f' style="--x:{piece.x:g}%;--w:{piece.w:g}%"{growing}'
