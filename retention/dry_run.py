"""What an execution would do: it only counts, page by page, and writes nothing but its own row."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from django.db.models import F, Q, QuerySet
from django.db.models.functions import Coalesce

from retention import segments, terms
from retention.archive_work import MOST_TERMS, Cursor, _named, _order
from retention.taken import Taken
from runs.context import stamp
from runs.models import Archive, Run
from runs.states import LogState

# Rows that are counted in one step.
PAGE = 5_000
# The parts of the report's lines: of what is due, and of what is archived and would go for good.
TERM = ("workflow", "state", "runs", "events", "gone", "bytes", "oldest", "newest")
GONE = ("workflow", "runs", "bytes", "oldest", "newest")


def step(taken: Taken) -> bool:
    cursor = taken.cursor or {"phase": "terms"}
    if cursor["phase"] == "terms":
        return _terms(taken, cursor)
    return _rest(taken, cursor)


def _terms(taken: Taken, cursor: Cursor) -> bool:
    """`report` has a line for each term of which something is due, as `TERM` names its parts:
    compact, as it is written anew after each page. `gone` are those of the runs that would go for
    good at once. Bytes are about what the database gives back."""
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
        _, usual = segments.sizes([run_id for _, run_id, _ in rows], all_of_them=False)
        sums = [len(rows), events, gone, round(events * (usual or 0))]
        oldest, newest = stamp(rows[0][0]), stamp(rows[-1][0])
        _add(report["terms"], [term.workflow_id, str(term.state), *sums, oldest, newest])
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
    if not lines or lines[-1][:2] != line[:2]:
        lines.append(line)
        return
    before = lines[-1]
    sums = (a + b for a, b in zip(before[2:6], line[2:6], strict=True))
    lines[-1] = [*line[:2], *sums, before[6], line[7]]


def _add_gone(lines: list[list[Any]], rows: Sequence[tuple[Any, ...]]) -> None:
    """By workflow, as `GONE` names the parts; the rows come oldest first, page after page."""
    known = {line[0]: line for line in lines}
    for at, _, workflow_id, _, _, size in rows:
        line = known.get(workflow_id)
        if line is None:
            line = known[workflow_id] = [workflow_id, 0, 0, stamp(at), ""]
            lines.append(line)
        line[1] += 1
        line[2] += size
        line[4] = stamp(at)


def _rest(taken: Taken, cursor: Cursor) -> bool:
    """Archived runs past their second term; restored logs, and what somebody left half done."""
    now = taken.execution.created_at
    report = dict(taken.execution.report)
    phase, looked_at = cursor["phase"], 0
    rows: Sequence[tuple[Any, ...]]
    if phase == "gone":
        rules = terms.rules()
        judged = ("run__workflow", "run__logs", "run__held_at", "bytes")
        rows = _page(terms.old(rules, now), "completed_at", cursor, *judged)
        past = [
            row
            for row in rows
            if row[3] == LogState.ARCHIVED
            and row[4] is None
            and terms.is_gone(rules, row[2], row[0], now)
        ]
        _add_gone(report.setdefault("deleted", []), past)
        count = looked_at = len(past)
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
        on: Cursor = {"phase": phase, "behind": behind}
    else:
        on = {"phase": "expired" if phase == "gone" else "unfinished"}
    return taken.commit(on, report=report, figures={"seen": looked_at})


def _page(found: QuerySet, name: str, cursor: Cursor, *more: str) -> list[tuple[Any, ...]]:
    if "behind" in cursor:
        at, last = cursor["behind"]
        later = Q(**{f"{name}__gt": at}) | Q(run_id__gt=last)
        found = found.filter(Q(**{f"{name}__gte": at}) & later)
    return list(found.values_list(name, "run_id", *more)[:PAGE])
