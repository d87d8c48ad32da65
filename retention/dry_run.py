"""What an execution would do: it only counts, page by page, and writes nothing but its own row."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from django.db.models import F, Q, QuerySet
from django.db.models.functions import Coalesce

from retention import terms
from retention.archive_work import MOST_TERMS, Cursor, _named, _order
from retention.taken import Taken
from runs.models import Archive, Run
from runs.states import LogState

# Rows that are counted in one step.
PAGE = 5_000


def step(taken: Taken) -> bool:
    cursor = taken.cursor or {"phase": "terms"}
    if cursor["phase"] == "terms":
        return _terms(taken, cursor)
    return _rest(taken, cursor)


def _terms(taken: Taken, cursor: Cursor) -> bool:
    """`report` has a line for each term of which something is due: workflow, state, runs, events,
    and those of the runs that would go for good at once."""
    now = taken.execution.created_at
    rules = terms.rules()
    behind = cursor.get("behind") or {"workflow": 0, "state": 0}
    since = (behind["workflow"], behind["state"])
    ahead = [term for term in terms.terms(rules, now) if _order(term) >= since]
    report = {"terms": [], "gone": 0, **taken.execution.report}
    for term in ahead[:MOST_TERMS]:
        due = terms.due(term)
        if _order(term) == since and "at" in behind:
            at, last = datetime.fromisoformat(behind["at"]), uuid.UUID(behind["id"])
            due = terms.after(due, at, last)
        # Of a run that is archived but for some events only these leave the database.
        late = F("last_seq") - Coalesce("archive__last_seq", 0)
        rows: list[Any] = list(due.values_list("completed_at", "id", late)[:PAGE])
        if not rows:
            continue
        days = rules.of(term.workflow_id).delete
        gone = (
            sum(at < now - timedelta(days=days) for at, _, _ in rows if at)
            if days is not None
            else 0
        )
        report["gone"] += gone
        events = sum(late for _, _, late in rows)
        _add(report["terms"], [term.workflow_id, str(term.state), len(rows), events, gone])
        place = _named(_order(term)) | {"at": rows[-1][0].isoformat(), "id": str(rows[-1][1])}
        return taken.commit(
            {"phase": "terms", "behind": place},
            report=report,
            figures={"seen": len(rows), "events": events},
        )
    if len(ahead) > MOST_TERMS:
        place = _named(_order(ahead[MOST_TERMS]))
        return taken.commit({"phase": "terms", "behind": place}, report=report)
    return taken.commit({"phase": "gone"}, report=report)


def _add(lines: list[list[Any]], line: list[Any]) -> None:
    if lines and lines[-1][:2] == line[:2]:
        lines[-1] = [*line[:2], *(a + b for a, b in zip(lines[-1][2:], line[2:], strict=True))]
    else:
        lines.append(line)


def _rest(taken: Taken, cursor: Cursor) -> bool:
    """Archived runs past their second term; restored logs, and what somebody left half done."""
    now = taken.execution.created_at
    report = dict(taken.execution.report)
    phase = cursor["phase"]
    rows: Sequence[tuple[Any, ...]]
    if phase == "gone":
        rules = terms.rules()
        judged = ("run__workflow", "run__logs", "run__held_at")
        rows = _page(terms.old(rules, now), "completed_at", cursor, *judged)
        count = sum(
            terms.is_gone(rules, workflow_id, at, now)
            for at, _, workflow_id, logs, held_at in rows
            if logs == LogState.ARCHIVED and held_at is None
        )
    elif phase == "expired":
        held = Q(run__held_at__isnull=False)
        rows = _page(Archive.objects.expired(now).exclude(held), "expires_at", cursor)
        count = len(rows)
    else:
        moving = Run.objects.filter(logs=LogState.ARCHIVING)
        report["unfinished"] = moving.order_by()[:PAGE].count()
        taken.commit(cursor, report=report)
        return False
    report[phase] = report.get(phase, 0) + count
    if len(rows) == PAGE:
        behind = [rows[-1][0].isoformat(), str(rows[-1][1])]
        return taken.commit({"phase": phase, "behind": behind}, report=report)
    return taken.commit({"phase": "expired" if phase == "gone" else "unfinished"}, report=report)


def _page(found: QuerySet, name: str, cursor: Cursor, *more: str) -> list[tuple[Any, ...]]:
    if "behind" in cursor:
        at, last = cursor["behind"]
        later = Q(**{f"{name}__gt": at}) | Q(run_id__gt=last)
        found = found.filter(Q(**{f"{name}__gte": at}) & later)
    return list(found.values_list(name, "run_id", *more)[:PAGE])
