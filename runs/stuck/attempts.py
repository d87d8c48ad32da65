"""Judges nodes that a worker has: is it silent, is its worker gone, does it lose one after the
other?"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from urllib.parse import urlsplit

from runs import definitions
from runs.engine.steps import MAX_LOST
from runs.graph import DefinitionError, NodeSpec
from runs.secret_values import masked
from runs.services.finding import age_words, span_words
from runs.states import AttemptStatus
from runs.stuck import limits
from runs.stuck.finding import Fact, Finding, Rescue, StuckKind
from runs.stuck.rows import Attempted, Earlier, Waiting
from runs.stuck.usual import Usual
from runs.stuck.world import World

# Kinds of nodes that call a service, and errors that tell of a network or of who is behind it.
CALLING = ("http", "llm")
NETWORK_ERRORS = frozenset({
    "HttpError", "LlmError", "NodeTimeout", "TimeoutError", "ConnectionError", "ConnectTimeout",
    "ConnectTimeoutError", "ReadTimeout", "ReadTimeoutError", "Timeout", "ConnectionResetError",
    "ConnectionRefusedError", "ConnectionAbortedError", "BrokenPipeError", "gaierror", "URLError",
    "RequestException", "MaxRetryError", "NewConnectionError", "ProtocolError", "SSLError",
    "OperationalError", "InterfaceError",
})  # fmt: skip
SHOWN = 200


def silence(row: Attempted, usual: Usual | None) -> timedelta:
    """For how long this attempt may tell nothing. Where nothing is usual yet: half of the time
    that it has."""
    if usual is None:
        return max(limits.floor(), (row.deadline - row.started_at) / 2)
    return max(limits.floor(), limits.factor() * timedelta(seconds=usual.p95))


def judge(
    row: Attempted, earlier: Sequence[Earlier], usual: Usual | None, world: World
) -> Finding | None:
    now = world.now
    is_over = row.expires_at < now - limits.UNRESCUED
    silent = now - row.heard_at
    is_silent = silent > silence(row, usual)
    if not is_over and not is_silent and row.lost < limits.lost():
        return None
    spec = _spec(row.version_id, row.node)
    is_alive, worker = world.worker_of(row.worker, row.renewed_at, row.expires_at)
    found = Finding(
        row.run_id, row.workflow_id, row.node, StuckKind.EXECUTOR, row.heard_at, "",
        facts=_facts(row, earlier, usual, world, worker, spec), attempt=row.number,
    )  # fmt: skip
    if is_over:
        _lost(found, row, world)
    elif is_silent:
        _silent(found, row, earlier, usual, world, spec, is_alive)
    else:
        _losing(found, row.node, row.lost, earlier, row.started_at)
        return found
    found.rescue = Rescue.RERUN
    if spec is not None and not spec.idempotent:
        found.confirm = (
            f"{row.node} is not idempotent, so it is not run a second time: its attempt is given"
            " up, and the run fails. It can be retried then."
        )
    elif row.lost + 1 >= MAX_LOST:
        found.confirm = (
            f"It would be the {MAX_LOST}th attempt of {row.node} that is lost: the run fails."
        )
    return found


def judge_pause(row: Waiting, earlier: Sequence[Earlier]) -> Finding | None:
    """Of a node that waits to be tried again: has it lost its workers, or found nobody who
    answers, again and again?"""
    if not row.attempts:
        return None
    spec = _spec(row.version_id, row.node)
    facts = [
        _node(row.node, row.kind, row.executor),
        Fact("Attempts", _attempts_words(row.attempts, row.failures, spec)),
        Fact("Next attempt", at=row.ready_at),
        *_earlier_facts(earlier),
    ]
    since = row.queued_at or row.ready_at
    found = Finding(
        row.run_id, row.workflow_id, row.node, StuckKind.NETWORK, since, "", facts=facts,
        rescue=Rescue.HINT,
    )  # fmt: skip
    if row.lost >= limits.lost():
        _losing(found, row.node, row.lost, earlier, since)
        found.rescue = Rescue.HINT
        return found
    if row.failures < limits.UNANSWERED or not _is_network(row.kind, earlier):
        return None
    host = _host(spec)
    found.words = (
        f"{row.node} got no answer{f' from {host}' if host else ''} in {row.failures} attempts;"
        " it waits to be tried again."
    )
    found.act = (
        f"See whether {host or 'the service that it calls'} answers from the workers. It is tried"
        " again by itself; if you know that it is back, have it tried now."
    )
    return found


def _lost(found: Finding, row: Attempted, world: World) -> None:
    over = world.now - row.expires_at
    found.kind, found.since = StuckKind.CRASH, row.expires_at
    found.words = (
        f"The worker that had {row.node} is gone: its lease ended {age_words(over)} ago, and nobody"
        " has taken the node from it."
    )
    if world.has_beat is False:
        found.act = (
            "Beat gives no signs of life, so nothing is rescued by itself: start celery -A"
            " config.celery beat. The node can be run again now."
        )
    else:
        found.act = (
            "The rescue, once a second, has not come to it: see whether a worker takes from the"
            " queue control. The node can be run again now."
        )


def _silent(
    found: Finding, row: Attempted, earlier: Sequence[Earlier], usual: Usual | None, world: World,
    spec: NodeSpec | None, is_alive: bool | None,
) -> None:  # fmt: skip
    host = _host(spec)
    known = (
        f"usually it ends within {span_words(usual.p95)}" if usual
        else "more than half of its time limit"
    )  # fmt: skip
    found.words = f"{row.node} has told nothing for {age_words(world.now - row.heard_at)}; {known}."
    if row.kind in CALLING or _is_network(row.kind, earlier):
        found.kind = StuckKind.NETWORK
        where = host or "the service that it calls"
        found.words = (
            f"{row.node} has waited for {where} for {age_words(world.now - row.heard_at)}; {known}."
        )
        found.act = (
            f"See whether {where} answers from {row.worker}. Run the node again where the"
            " connection is dead; else it ends at its time limit."
        )
        return
    if is_alive is False:
        found.kind = StuckKind.CRASH
        found.act = "Its worker is gone: run the node again, and look at that worker’s log."
        return
    found.act = (
        f"Look what process {row.worker} is at (py-spy dump, its log). Run the node again where it"
        " hangs: what the silent attempt still tells is kept as late. Else it ends at its time"
        " limit."
    )


def _losing(
    found: Finding, node: str, lost: int, earlier: Sequence[Earlier], since: datetime
) -> None:
    ended = [each for each in earlier if each.status == AttemptStatus.LOST]
    found.kind, found.since = StuckKind.CRASH, since
    found.words = f"{node} has lost {lost} workers, one after the other."
    how = f" ({_cut(ended[-1].error_message)})" if ended else ""
    found.act = (
        f"It likely ends them itself{how}: look at their logs and at the memory that they have. The"
        f" run fails with the {MAX_LOST}th; terminate it where that is no use."
    )


# -- Facts -----------------------------------------------------------------------------------


def _facts(
    row: Attempted, earlier: Sequence[Earlier], usual: Usual | None, world: World, worker: str,
    spec: NodeSpec | None,
) -> list[Fact]:  # fmt: skip
    told = f"number {row.heard_seq}, {(row.heard_kind or '').replace('_', ' ')}"
    lease = "ends" if row.expires_at > world.now else "ended"
    facts = [
        _node(row.node, row.kind, row.executor),
        Fact("Attempt", _attempts_words(row.number, row.failures, spec), row.started_at),
        Fact("Last event", told if row.heard_seq else "before the last 1,000 of the run",
             row.heard_at),
    ]  # fmt: skip
    if row.done is not None:
        of = f" of {row.total:,}" if row.total else ""
        facts.append(Fact("Progress", f"{row.done:,}{of}"))
    facts += [
        Fact("Last heartbeat", "", row.renewed_at),
        Fact(f"Lease {lease}", "", row.expires_at),
        Fact("Worker", f"{row.worker}: {worker}"),
        Fact("Running for", age_words(world.now - row.started_at)),
        Fact("Usually", _usual_words(usual)),
        Fact("Time limit", "", row.deadline),
    ]
    if host := _host(spec):
        facts.append(Fact("Calls", host))
    return [*facts, *_earlier_facts(earlier)]


def _earlier_facts(earlier: Sequence[Earlier]) -> list[Fact]:
    facts = []
    failed = [each for each in earlier if each.status == AttemptStatus.FAILED]
    lost = [each for each in earlier if each.status == AttemptStatus.LOST]
    if failed:
        last = failed[-1]
        facts.append(Fact("Last error", f"{last.error_kind}: {_cut(last.error_message)}"))
    if lost:
        facts.append(Fact("Lost", f"{len(lost)}, last: {_cut(lost[-1].error_message)}"))
    return facts


def _node(key: str, kind: str, executor: str) -> Fact:
    return Fact("Node", f"{key} · {executor or kind}")


def _attempts_words(number: int, failures: int, spec: NodeSpec | None) -> str:
    of = f" of {spec.retries + 1}" if spec is not None and spec.retries else ""
    failed = f", {failures} failed" if failures else ""
    return f"{number}{of}{failed}"


def _usual_words(usual: Usual | None) -> str:
    if usual is None:
        return "nothing is known yet"
    half, most = span_words(usual.p50), span_words(usual.p95)
    return f"{half}, 95 in 100 within {most} (of {usual.of:,})"


def _is_network(kind: str, earlier: Sequence[Earlier]) -> bool:
    failed = [each for each in earlier if each.status == AttemptStatus.FAILED]
    return (bool(failed) and failed[-1].error_kind in NETWORK_ERRORS) or (
        kind in CALLING and bool(failed)
    )


def _host(spec: NodeSpec | None) -> str:
    if spec is None or spec.kind not in CALLING:
        return ""
    address = str(spec.settings.get("url") or spec.settings.get("base_url") or "")
    return urlsplit(address).netloc


def _spec(version_id: int, node: str) -> NodeSpec | None:
    try:
        return definitions.graph_of(version_id).nodes.get(node)
    except DefinitionError:  # it was checked by another release's rules
        return None


def _cut(text: str) -> str:
    said = " ".join(str(masked(text)).split())
    return said if len(said) <= SHOWN else f"{said[:SHOWN]}…"
