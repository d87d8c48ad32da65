"""The rows of the list of runs, written in one go: they are most of what the page costs."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, tzinfo
from html import escape

from django import template
from django.template import Context
from django.urls import reverse
from django.utils import timezone
from django.utils.safestring import SafeString, mark_safe

from runs.models import Run
from runs.models.stuck import StuckKind
from runs.states import RunState
from runs.templatetags.runs_ui import (
    NONE,
    brief_words,
    elapsed_words,
    full_local_words,
    money,
    now_of,
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

_HELD = (
    '<span class="material-symbols-outlined" aria-hidden="true" title="Under legal hold">'
    'gavel</span><span class="op-sr">Under legal hold</span>'
)

_ARCHIVED = (
    '<span class="material-symbols-outlined" aria-hidden="true" title="Logs archived">'
    'inventory_2</span><span class="op-sr">Logs archived</span>'
)

_STUCK = (
    '<span class="material-symbols-outlined op-stuck-mark" aria-hidden="true" title="Stuck: {0}">'
    'running_with_errors</span><span class="op-sr">Stuck: {0}</span>'
)


@dataclass(frozen=True, slots=True)
class _Page:
    """What all rows share. The zone is asked for once: it takes longer than a time's words."""

    now: datetime
    zone: tzinfo
    here: datetime
    run_link: tuple[str, str]
    workflow_link: tuple[str, str] | None


@register.simple_tag(takes_context=True)
def run_rows(context: Context, runs: Iterable[Run]) -> SafeString:
    may_open = context["perms"]["runs"]["view_workflow"]
    now, zone = now_of(context), timezone.get_current_timezone()
    page = _Page(
        now=now,
        zone=zone,
        here=now.astimezone(zone),
        run_link=_link_of("admin:runs_run_page"),
        workflow_link=_link_of("admin:runs_workflow_page") if may_open else None,
    )
    return mark_safe("".join([_row(page, run) for run in runs]))


def _link_of(name: str) -> tuple[str, str]:
    """What stands before and after the argument in addresses of this name."""
    before, _, after = reverse(name, args=[_PLACE]).rpartition(_PLACE)
    return before, after


def _row(page: _Page, run: Run) -> str:
    public_id, slug = run.public_id, escape(run.workflow.slug)
    prefix, _, suffix = public_id.rpartition("_")
    person, reference = escape(run.triggered_by), escape(run.ref_id)
    lasted = elapsed_words(run.started_at, run.completed_at, page.now)
    version, why = run.version.number, _why(page, run)
    name = f'<span class="op-wf">{slug}</span>'
    if page.workflow_link:
        name = f'<a class="op-wf" href="{slug.join(page.workflow_link)}">{slug}</a>'
    return f"""<tr role="row" id="{public_id}">
<td role="cell" data-c="c" class="op-js"><input type="checkbox" class="op-check" \
aria-label="Select {short(public_id)}" autocomplete="off"></td>
<td role="cell" data-c="state">{state_pill(run.state)}</td>
<td role="cell" data-c="run"><a class="op-id" href="{public_id.join(page.run_link)}" \
title="{public_id}"><i>{prefix}_…</i>{suffix[-8:]}</a></td>
<td role="cell" data-c="wf">{name}<span class="op-ver">v{version}</span>{why}</td>
<td role="cell" data-c="start">{_started(page, run)}</td>
<td role="cell" data-c="dur" class="op-right">{lasted}</td>
<td role="cell" class="col-mid" title="{person}">{person}</td>
<td role="cell" class="col-low">{trigger_mark(run.trigger)}</td>
<td role="cell" data-c="cost" class="op-right">{money(run.cost)}</td>
<td role="cell" class="op-right col-low">{tokens(run.total_tokens)}</td>
<td role="cell">{_clock(page, run.created_at)}</td>
<td role="cell">{_clock(page, run.completed_at)}</td>
<td role="cell" title="{escape(run.ref_type)} {reference}">{reference or NONE}</td>
<td role="cell" data-c="marks"><span class="op-marks" data-marks="{_marked(run)}">\
{_marks(run)}</span></td>
</tr>
"""


def _marked(run: Run) -> str:
    """For selection.js: what an act on it goes by, beside its state."""
    return " ".join(filter(None, ("held" * run.is_held, "archived" * (not run.has_log))))


def _marks(run: Run) -> str:
    retry, held = _RETRY if run.retry_of_id else "", _HELD if run.held_at else ""
    return f"{_stuck(run)}{retry}{held}{'' if run.has_log else _ARCHIVED}"


def _stuck(run: Run) -> str:
    """Of an open run that does not get on; `stuck_kind` comes with the list's rows."""
    kind = None if run.is_final else getattr(run, "stuck_kind", None)
    return _STUCK.format(StuckKind(kind).label) if kind else ""


def _why(page: _Page, run: Run) -> str:
    brief, full = why_words(run)
    if run.state == RunState.CREATED:
        # Nothing else in its row says a time.
        created = run.created_at.astimezone(page.zone)
        brief = f"since {brief_words(created, page.here)}"
        full = f"Queued since {full_local_words(created)}"
    if not brief:
        return ""
    state = look_of(run.state).state
    return (
        f'<span class="op-why" data-state="{state}" title="{escape(full)}">{escape(brief)}</span>'
    )


def _started(page: _Page, run: Run) -> str:
    """When it started; the title says when it was created too."""
    created = f"Created {full_local_words(run.created_at.astimezone(page.zone))}"
    if run.started_at is None:
        return f'<span title="{created}">{NONE}</span>'
    local = run.started_at.astimezone(page.zone)
    return (
        f'<time datetime="{local.isoformat(timespec="milliseconds")}"'
        f' title="{created}\nStarted {full_local_words(local)}">'
        f"{brief_words(local, page.here)}</time>"
    )


def _clock(page: _Page, moment: datetime | None) -> str:
    if moment is None:
        return NONE
    local = moment.astimezone(page.zone)
    return f'<time title="{full_local_words(local)}">{brief_words(local, page.here)}</time>'
