"""The rows of the list of runs, written in one go: they are most of what the page costs."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from html import escape

from django import template
from django.template import Context
from django.urls import reverse
from django.utils import timezone
from django.utils.safestring import SafeString, mark_safe

from runs.models import Run
from runs.templatetags.runs_ui import (
    NONE,
    brief_words,
    full_words,
    money,
    now_of,
    run_duration,
    short,
    state_pill,
    tokens,
    trigger_mark,
    why_words,
)
from runs.templatetags.runs_ui import look as look_of

register = template.Library()

# Fits as an argument wherever a name is put in its place.
_PLACE = "placeholder"

_RETRY = (
    '<span class="material-symbols-outlined" aria-hidden="true" title="Retry of an earlier run">'
    'replay</span><span class="op-sr">Retry of an earlier run</span>'
)


@register.simple_tag(takes_context=True)
def run_rows(context: Context, runs: Iterable[Run]) -> SafeString:
    may_open = context["perms"]["runs"]["view_workflow"]
    links = (
        _link_of("admin:runs_run_page"),
        _link_of("admin:runs_workflow_page") if may_open else None,
    )
    now = now_of(context)
    return mark_safe("".join([_row(context, run, now, *links) for run in runs]))


def _link_of(name: str) -> tuple[str, str]:
    """What stands before and after the argument in addresses of this name."""
    before, _, after = reverse(name, args=[_PLACE]).rpartition(_PLACE)
    return before, after


def _row(
    context: Context,
    run: Run,
    now: datetime,
    run_link: tuple[str, str],
    workflow_link: tuple[str, str] | None,
) -> str:
    public_id, slug = run.public_id, escape(run.workflow.slug)
    prefix, _, suffix = public_id.rpartition("_")
    person, reference = escape(run.triggered_by), escape(run.ref_id)
    name = f'<span class="op-wf">{slug}</span>'
    if workflow_link:
        name = f'<a class="op-wf" href="{slug.join(workflow_link)}">{slug}</a>'
    return f"""<tr role="row" id="{public_id}">
<td role="cell" data-c="c" class="op-js"><input type="checkbox" class="op-check" \
aria-label="Select {short(public_id)}" autocomplete="off"></td>
<td role="cell" data-c="state">{state_pill(run.state)}</td>
<td role="cell" data-c="run"><a class="op-id" href="{public_id.join(run_link)}" \
title="{public_id}"><i>{prefix}_…</i>{suffix[-8:]}</a></td>
<td role="cell" data-c="wf">{name}<span class="op-ver">v{run.version.number}</span>{_why(run)}</td>
<td role="cell" data-c="start">{_started(run, now)}</td>
<td role="cell" data-c="dur" class="op-right">{run_duration(context, run)}</td>
<td role="cell" class="col-mid" title="{person}">{person}</td>
<td role="cell" class="col-low">{trigger_mark(run.trigger)}</td>
<td role="cell" data-c="cost" class="op-right">{money(run.cost)}</td>
<td role="cell" class="op-right col-low">{tokens(run.total_tokens)}</td>
<td role="cell">{_clock(run.created_at, now)}</td>
<td role="cell">{_clock(run.completed_at, now)}</td>
<td role="cell" title="{escape(run.ref_type)} {reference}">{reference or NONE}</td>
<td role="cell"><span class="op-marks">{_RETRY if run.retry_of_id else ""}</span></td>
</tr>
"""


def _why(run: Run) -> str:
    brief, full = why_words(run)
    if not brief:
        return ""
    state = look_of(run.state).state
    return (
        f'<span class="op-why" data-state="{state}" title="{escape(full)}">{escape(brief)}</span>'
    )


def _started(run: Run, now: datetime) -> str:
    """When it started; the title says when it was created too."""
    created = f"Created {full_words(run.created_at)}"
    if run.started_at is None:
        return f'<span title="{created}">{NONE}</span>'
    at = timezone.localtime(run.started_at).isoformat(timespec="milliseconds")
    title = f"{created}\nStarted {full_words(run.started_at)}"
    return f'<time datetime="{at}" title="{title}">{brief_words(run.started_at, now)}</time>'


def _clock(moment: datetime | None, now: datetime) -> str:
    if moment is None:
        return NONE
    return f'<time title="{full_words(moment)}">{brief_words(moment, now)}</time>'
