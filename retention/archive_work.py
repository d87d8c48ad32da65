"""A night's work, in its order: finish what was begun, take restored logs out again whose time is
over, archive what is due, delete for good what is past its second term.

The cursor holds the phase, where that is (`behind`), and the runs in hand (`queue`, of batches).
Which of them were done when a worker was killed shows by `at`: it stands in their rows.
"""

from __future__ import annotations

import logging
import uuid
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Max, Q
from django.utils import timezone

from retention import executions, terms
from retention.models import Finding
from retention.taken import Taken
from runs import archiving, canary, doomed, ids, recorder, restoring
from runs.archiving import Result
from runs.engine.patience import is_passing
from runs.models import Archive, Run
from runs.objects import StorageAway
from runs.states import FINAL_STATES, LogState

logger = logging.getLogger(__name__)

PHASES = ("unfinished", "expired", "terms", "gone", "doomed")
BATCH = archiving.BATCH
# Runs that go for good in one transaction; archives that are looked at for them at a time.
DELETED_TOGETHER = 100
OLD_ONES = 2_000
# A restoring that has not moved for so long has no worker any more.
ABANDONED = timedelta(minutes=15)
# How often a batch is begun before its runs are tried one by one, and one of these is left.
MOST_TRIES = 3
# So many events of one run are surely archived in a second.
EVENTS_A_SECOND = 1_000
# Terms that are looked at in one step.
MOST_TERMS = 500

Cursor = dict[str, Any]


def step(taken: Taken) -> bool:
    """A little of it; False when it has come to its end, or is not to be gone on with."""
    cursor = taken.cursor
    if not cursor:
        canary.same_storage()
        cursor = {"phase": PHASES[0]}
    if cursor.get("queue"):
        return _batch(taken, cursor)
    return _STEPS[cursor["phase"]](taken, cursor)


def _next_phase(taken: Taken, cursor: Cursor) -> bool:
    place = PHASES.index(cursor["phase"]) + 1
    if place == len(PHASES):
        return False
    return taken.commit({"phase": PHASES[place]})


def _queue(taken: Taken, cursor: Cursor, behind: Any, run_ids: Sequence[uuid.UUID]) -> bool:
    queue = [[str(run_id) for run_id in run_ids]]
    return taken.commit({"phase": cursor["phase"], "behind": behind, "queue": queue})


# -- The phases ------------------------------------------------------------------------------


def _unfinished(taken: Taken, cursor: Cursor) -> bool:
    """Runs whose events were leaving when somebody was killed, or were coming back."""
    restoring.undo_abandoned(timezone.now() - ABANDONED, BATCH)
    moving = Run.objects.filter(logs=LogState.ARCHIVING)
    if "behind" in cursor:
        moving = moving.filter(id__gt=uuid.UUID(cursor["behind"]))
    run_ids = list(moving.order_by("id").values_list("id", flat=True)[:BATCH])
    if not run_ids:
        return _next_phase(taken, cursor)
    return _queue(taken, cursor, str(run_ids[-1]), run_ids)


def _expired(taken: Taken, cursor: Cursor) -> bool:
    found = Archive.objects.expired(taken.execution.created_at).filter(run__held_at__isnull=True)
    if "behind" in cursor:
        at, run_id = _place(cursor["behind"])
        found = found.filter(Q(expires_at__gte=at) & (Q(expires_at__gt=at) | Q(run_id__gt=run_id)))
    rows: list[Any] = list(found.values_list("expires_at", "run_id")[:BATCH])
    if not rows:
        return _next_phase(taken, cursor)
    return _queue(taken, cursor, _placed(*rows[-1]), [run_id for _, run_id in rows])


def _terms(taken: Taken, cursor: Cursor) -> bool:
    """By the policy as it is now: who gives runs longer wants that at once."""
    behind = cursor.get("behind") or {"workflow": 0, "state": 0}
    since = (behind["workflow"], behind["state"])
    ahead = [
        term
        for term in terms.terms(terms.rules(), taken.execution.created_at)
        if _order(term) >= since
    ]
    for term in ahead[:MOST_TERMS]:
        due = terms.due(term)
        if _order(term) == since and "at" in behind:
            due = terms.after(due, *_place((behind["at"], behind["id"])))
        rows: list[Any] = list(due.values_list("completed_at", "id")[:BATCH])
        if rows:
            at, run_id = _placed(*rows[-1])
            place = _named(_order(term)) | {"at": at, "id": run_id}
            return _queue(taken, cursor, place, [found for _, found in rows])
    if len(ahead) > MOST_TERMS:
        place = _named(_order(ahead[MOST_TERMS]))
        return taken.commit({"phase": cursor["phase"], "behind": place})
    return _next_phase(taken, cursor)


def _order(term: terms.Term) -> tuple[int, int]:
    return term.workflow_id, [str(state) for state in FINAL_STATES].index(str(term.state))


def _named(order: tuple[int, int]) -> dict[str, Any]:
    return {"workflow": order[0], "state": order[1]}


def _gone(taken: Taken, cursor: Cursor) -> bool:
    """Archived runs past their second term. Judged again under their locks, with which the
    figures and the cursor are written: nothing is deleted that is not counted."""
    now = taken.execution.created_at
    rules = terms.rules()
    found = terms.old(rules, now)
    if "behind" in cursor:
        at, last = _place(cursor["behind"])
        found = found.filter(
            Q(completed_at__gte=at) & (Q(completed_at__gt=at) | Q(run_id__gt=last))
        )
    rows: list[Any] = list(found.values_list("completed_at", "run_id", "run__workflow")[:OLD_ONES])
    if not rows:
        return _next_phase(taken, cursor)
    past = [row for row in rows if terms.is_gone(rules, row[2], row[0], now)]
    chosen = past[:DELETED_TOGETHER]
    last_row = chosen[-1] if len(chosen) < len(past) else rows[-1]
    with taken.locked() as row:
        if row is None:
            return False
        # With nothing to delete it was no more than a look.
        rules = terms.locked_rules() if chosen else rules
        gone = recorder.delete(
            [run_id for _, run_id, _ in chosen],
            lambda run: _may_go(run, rules, now),
            by=row.started_by,
            reason=executions.deletion_reason(row),
            now=timezone.now(),
        )
        taken.write(
            row,
            {"phase": cursor["phase"], "behind": _placed(*last_row[:2])},
            figures={
                "seen": len(chosen),
                "deleted_runs": len(gone),
                "skipped": len(chosen) - len(gone),
            },
        )
    return True


def _may_go(run: Run, rules: terms.Rules, now: datetime) -> bool:
    if not run.can_delete or run.is_held or run.logs != LogState.ARCHIVED:
        return False
    assert run.completed_at is not None  # it was archived
    return terms.is_gone(rules, run.workflow_id, run.completed_at, now)


def _doomed(taken: Taken, cursor: Cursor) -> bool:
    """What lost its row just now; it is swept all day long, so storage may be away for this."""
    try:
        if doomed.sweep(timezone.now(), 2 * doomed.BATCH) >= 2 * doomed.BATCH:
            return taken.commit(cursor)
    except StorageAway as error:
        told = Finding(problem=str(error)[:500], act="what is to be deleted there goes later")
        taken.commit(cursor, findings=[told], figures={"errors": 1})
    return _next_phase(taken, cursor)


_STEPS: dict[str, Callable[[Taken, Cursor], bool]] = {
    "unfinished": _unfinished,
    "expired": _expired,
    "terms": _terms,
    "gone": _gone,
    "doomed": _doomed,
}


def _placed(at: datetime, run_id: uuid.UUID) -> tuple[str, str]:
    return at.isoformat(), str(run_id)


def _place(behind: Sequence[str]) -> tuple[datetime, uuid.UUID]:
    return datetime.fromisoformat(behind[0]), uuid.UUID(behind[1])


# -- A batch ---------------------------------------------------------------------------------


def _batch(taken: Taken, cursor: Cursor) -> bool:
    run_ids = [uuid.UUID(each) for each in cursor["queue"][0]]
    if "at" in cursor:
        return _again(taken, cursor, run_ids)
    now = timezone.now()
    # A folder may be lost in the night too.
    canary.same_storage()
    cursor = cursor | {
        "at": now.isoformat(), "waits": taken.execution.tries, "before": _archived_before(run_ids)
    }  # fmt: skip
    if not taken.commit(cursor, moved=False):
        return False
    asked, more = 0, _longer(run_ids)

    def go_on() -> bool:
        nonlocal asked
        asked += 1
        # The first group at least, or it would never move.
        return taken.keep(more) and (asked == 1 or not taken.is_over)

    try:
        result = archiving.archive(
            run_ids, now=now, go_on=go_on, expired=taken.execution.created_at
        )
    except Exception as error:
        if isinstance(error, StorageAway) or is_passing(error):
            raise
        return _failed(taken, cursor, run_ids, error)
    done = result.archived | result.skipped.keys() | result.failed.keys()
    left = [str(run_id) for run_id in run_ids if run_id not in done]
    return taken.commit(
        _without(cursor, [left] if left else []),
        findings=[
            Finding(run_id=run_id, problem=why[:500]) for run_id, why in result.failed.items()
        ],
        figures=_figures(cursor, result),
    )


def _archived_before(run_ids: Sequence[uuid.UUID]) -> dict[str, int]:
    """The last events in the objects of those runs whose earlier events have left long since."""
    partly = Archive.objects.filter(pk__in=run_ids, run__logs=LogState.PARTLY)
    return {str(run_id): last for run_id, last in partly.values_list("pk", "last_seq")}


def _longer(run_ids: Sequence[uuid.UUID]) -> timedelta:
    """For how much longer it must be had because of one run with a long log."""
    longest = Run.objects.filter(pk__in=run_ids).aggregate(most=Max("last_seq"))["most"] or 0
    return timedelta(seconds=longest / EVENTS_A_SECOND)


def _figures(cursor: Cursor, result: Result) -> dict[str, int]:
    # Counted when they are through: what is in hand when it is aborted was not looked at.
    figures = {
        "seen": len(result.archived) + len(result.skipped) + len(result.failed),
        "verified": result.verified,
        "skipped": len(result.skipped),
        "errors": len(result.failed),
        "events": result.deleted_events,
    }
    if cursor["phase"] == "expired":
        return figures | {"expired": len(result.archived)}
    return figures | {
        "archived": len(result.archived),
        "unpacked_bytes": result.unpacked,
        "bytes": result.bytes,
    }


def _without(cursor: Cursor, instead: Sequence[Sequence[str]] = ()) -> Cursor:
    """The cursor with the batch in hand out of it, or cut to what is left."""
    rest = [*instead, *cursor["queue"][1:]]
    kept: Cursor = {name: cursor[name] for name in ("phase", "behind") if name in cursor}
    return kept | {"queue": rest} if rest else kept


def _again(taken: Taken, cursor: Cursor, run_ids: list[uuid.UUID]) -> bool:
    """It was begun before: count what was done then, and go on with the others."""
    at = datetime.fromisoformat(cursor["at"])
    through = (LogState.ARCHIVED, LogState.PARTLY)
    done = Archive.objects.filter(pk__in=run_ids, verified_at=at, run__logs__in=through)
    done = done.defer("senders")
    before, late = Result(), cursor.get("before", {})
    for archive in done:
        before.archived.add(archive.run_id)
        before.verified += 1
        before.deleted_events += archive.last_seq - late.get(str(archive.run_id), 0)
        before.unpacked += archive.unpacked
        before.bytes += archive.bytes
    left = [run_id for run_id in run_ids if run_id not in before.archived]
    # Storage that is away ends no batch for good; a process that is killed by one does. What is in
    # its way is told until a batch is through, so it does not show which of these it was.
    waited = taken.execution.tries > cursor.get("waits", 0)
    tries = cursor.get("tries", 0) + (not waited)
    findings: list[Finding] = []
    if tries < MOST_TRIES or not left:
        rest = _without(cursor, [[str(each) for each in left]] if left else [])
        rest |= {"tries": tries} if left else {}
    elif len(left) > 1:
        rest = _without(cursor, [[str(each)] for each in left])
    else:
        problem = f"it was begun {tries} times, and its worker came to its end each time"
        findings.append(Finding(run_id=left[0], problem=problem, act="its log stays"))
        rest = _without(cursor)
    figures = _figures(cursor, before)
    figures["errors"] += len(findings)
    figures["seen"] += len(findings)
    return taken.commit(rest, findings=findings, moved=not left, figures=figures)


def _failed(taken: Taken, cursor: Cursor, run_ids: list[uuid.UUID], error: Exception) -> bool:
    """One run must not keep all others from being archived: they are tried one by one."""
    names = ", ".join(ids.encode("run", run_id) for run_id in run_ids[:3])
    logger.exception("archive: a batch of %s did not succeed: %s", len(run_ids), names)
    if len(run_ids) > 1:
        return taken.commit(_without(cursor, [[str(each)] for each in run_ids]))
    told = Finding(run_id=run_ids[0], problem=f"{type(error).__name__}: {error}"[:500])
    return taken.commit(_without(cursor), findings=[told], figures={"seen": 1, "errors": 1})
