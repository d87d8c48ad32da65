"""The rows of a run's history, written in one go: a page of them has some hundreds."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape
from typing import TYPE_CHECKING

from django import template
from django.template.loader import render_to_string
from django.utils.safestring import SafeString, mark_safe

if TYPE_CHECKING:
    from runs.views.event_words import Line

register = template.Library()


@register.simple_tag
def event_rows(lines: Iterable[Line]) -> SafeString:
    return mark_safe("".join([_row(line) for line in lines]))


def _row(line: Line) -> str:
    node = escape(line.node)
    folds = render_to_string("runs/run/folds.html", {"line": line}) if line.folds else ""
    return (
        f'\n<li data-seq="{line.seq}" data-state="{line.state}"><span class="seq">{line.seq}</span>'
        f'<time datetime="{line.at.isoformat()}" title="{escape(line.full)}">{line.clock}</time>'
        f'<span class="off">{line.offset}</span><span class="kind">'
        f'<span class="material-symbols-outlined" aria-hidden="true">{line.icon}</span>'
        f'{escape(line.kind)}</span><span class="node" title="{node}">{node}</span>'
        # `what` is markup already, its texts escaped.
        f'<div class="what">{line.what}{folds}</div></li>'
    )
