"""Judges what no worker has: questions, runs of others, runs without anything under way, rows that
somebody has locked."""

from __future__ import annotations

from datetime import timedelta

from runs.secret_values import masked
from runs.services.finding import age_words, span_words
from runs.stuck import limits
from runs.stuck.finding import Fact, Finding, Rescue, StuckKind
from runs.stuck.rows import Asked, Blocked, Idle, Reported
from runs.stuck.usual import Usual
from runs.stuck.world import World

SHOWN = 160


def person(row: Asked, usual: Usual | None, world: World) -> Finding | None:
    patience = limits.person()
    if usual is not None:
        expected = limits.factor() * timedelta(seconds=usual.p95)
        patience = min(patience, max(limits.PERSON_FLOOR, expected))
    waited = world.now - row.asked_at
    if waited < patience:
        return None
    asked = [*row.people, *row.groups]
    whom = ", ".join(asked[:5]) if asked else "anybody who may decide"
    known = f"usually it is answered within {span_words(usual.p95)}" if usual else ""
    decides = row.due_at is not None
    return Finding(
        row.run_id, row.workflow_id, row.node, StuckKind.PERSON, row.asked_at,
        f"{row.node} has waited for a person for {age_words(waited)}"
        + (f"; {known}." if known else "."),
        f"Remind {whom}, or decide it."
        + (" It decides itself when its time is up." if decides else ""),
        Rescue.DECIDE,
        [
            Fact("Question", row.title),
            Fact("Asked", at=row.asked_at),
            Fact("For", whom),
            Fact("Decides itself", "" if decides else "never", row.due_at),
            Fact("Usually", span_words(usual.p50) if usual else "nothing is known yet"),
        ],
    )  # fmt: skip


def source(row: Reported, usual: Usual | None, world: World) -> Finding | None:
    silent_for = world.now - (row.source_at or row.last_at)
    is_silent = silent_for > limits.source()
    told_nothing = world.now - row.last_at
    if not is_silent:
        expected = limits.UNKNOWN_RUN
        if usual is not None:
            expected = max(limits.source(), limits.factor() * timedelta(seconds=usual.p95))
        if told_nothing < expected:
            return None
    where = f" at {row.node}" if row.node else ""
    words = (
        f"{row.source} has told nothing for {age_words(silent_for)}, also not of this run{where}."
        if is_silent
        else f"{row.source} goes on, but has told nothing of this run{where} for"
        f" {age_words(told_nothing)}."
    )
    ask = (
        f"See whether {row.source} runs and reports, and whether its token still works."
        if is_silent
        else f"Look at run {row.external_id} in {row.source}: it may have ended there unheard."
    )
    return Finding(
        row.run_id, row.workflow_id, "", StuckKind.SOURCE, row.last_at, words,
        f"{ask} Where nothing more will come, close the run here.", Rescue.CLOSE,
        [
            Fact("Source", row.source, row.source_at),
            Fact("Its id there", row.external_id),
            Fact("Last event of the run", _event(row.last_seq, row.last_kind), row.last_at),
            Fact("Usually", span_words(usual.p50) if usual else "nothing is known yet"),
        ],
        confirm=f"The run ends here as terminated. Nothing is stopped in {row.source}; what it"
        " still reports is kept as history. This cannot be undone.",
    )  # fmt: skip


def broken(row: Idle, world: World) -> Finding:
    nodes = ", ".join(f"{count} {status}" for status, count in sorted(row.nodes.items()))
    return Finding(
        row.run_id, row.workflow_id, "", StuckKind.BROKEN, row.last_at,
        f"Nothing of the run has been under way for {age_words(world.now - row.last_at)}: no worker"
        " has any of its nodes, and none is ready.",
        "It can be so after a restored backup or a change by hand. Going on queues what is next,"
        " runs again what is lost, or ends the run.",
        Rescue.SETTLE,
        [
            Fact("Last event", _event(row.last_seq, row.last_kind), row.last_at),
            Fact("Nodes", nodes or "none"),
        ],
    )  # fmt: skip


def lock(row: Blocked, world: World) -> Finding | None:
    waits = world.now - row.waits_since
    open_for = world.now - row.open_since if row.open_since else timedelta(0)
    if waits < limits.lock() and open_for < 6 * limits.lock():
        return None
    blocker = _process(row.blocker, row.blocker_name)
    held = f", open for {age_words(open_for)}" if row.open_since else ""
    is_idle = row.blocker_state.startswith("idle")
    return Finding(
        row.run_id, row.workflow_id, row.node, StuckKind.LOCK, row.waits_since,
        f"The run’s row is locked by {blocker}{held}"
        + (", which does nothing with it." if is_idle else "."),
        f"See what {blocker} is at. Where nobody needs it, end it in PostgreSQL; what it has not"
        " committed is undone. Meanwhile it also holds back triggers and figures.",
        Rescue.NONE,
        [
            Fact("Waiting", _process(row.waiter, row.waiter_name), row.waits_since),
            Fact("Held by", f"{blocker}, {row.blocker_state}", row.open_since),
            Fact("Its statement", _statement(row.blocker_query)),
        ],
        command=f"SELECT pg_terminate_backend({row.blocker});",
    )  # fmt: skip


def _process(pid: int, name: str) -> str:
    return f"process {pid}" + (f" ({name})" if name else "")


def _event(seq: int, kind: str) -> str:
    return f"number {seq}, {kind.replace('_', ' ')}"


def _statement(text: str) -> str:
    said = " ".join(str(masked(text)).split())
    return (said if len(said) <= SHOWN else f"{said[:SHOWN]}…") or "none"
