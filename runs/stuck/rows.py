"""What PostgreSQL tells of runs that may be stuck.

It begins with what is small, however many runs have ended: leases, ready nodes, open questions and
runs, locks that somebody waits for. `runs` narrows it to some runs, None means all.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any, NamedTuple, TypeVar

from runs.driver import plain_cursor
from runs.stuck import rows_sql
from runs.stuck.limits import MOST

# Events of a run, the newest, in which the last one of a node is looked for.
TAIL = 1_000
# Active and queued runs of which it is looked at whether anything of them is under way.
MOST_ACTIVE, MOST_QUEUED = 20_000, 1_000

Runs = Collection[uuid.UUID] | None
Row = TypeVar("Row", bound=tuple)


class Attempted(NamedTuple):
    """A node that a worker has."""

    run_id: uuid.UUID
    workflow_id: int
    version_id: int
    node_id: int
    node: str
    kind: str
    executor: str
    number: int
    failures: int
    started_at: datetime
    worker: str
    renewed_at: datetime
    expires_at: datetime
    deadline: datetime
    # The last that was heard of the attempt; without a number: nothing since then.
    heard_seq: int | None
    heard_kind: str | None
    heard_at: datetime
    done: int | None
    total: int | None

    @property
    def lost(self) -> int:
        """Attempts before this one that ended with their worker."""
        return self.number - 1 - self.failures


class Waiting(NamedTuple):
    """A node that is ready and that no worker has taken."""

    run_id: uuid.UUID
    workflow_id: int
    version_id: int
    node_id: int
    node: str
    kind: str
    executor: str
    attempts: int
    failures: int
    error_kind: str
    error_message: str
    queued_at: datetime | None
    ready_at: datetime
    hint_due: datetime | None
    hints: int
    queue: str
    gate: str
    held: bool
    declined_at: datetime | None
    slug: str
    max_active: int | None
    paused_at: datetime | None
    paused_by: str
    pause_reason: str
    last_seq: int

    @property
    def lost(self) -> int:
        return self.attempts - self.failures

    @property
    def since(self) -> datetime:
        """Since when it waits: an offer that was given back moves `ready_at`."""
        return min(self.ready_at, self.declined_at or self.ready_at)


class Asked(NamedTuple):
    """A question that nobody has answered."""

    run_id: uuid.UUID
    workflow_id: int
    node: str
    title: str
    people: list[str]
    groups: list[str]
    asked_at: datetime
    due_at: datetime | None


class Reported(NamedTuple):
    """An open run that somebody else executes."""

    run_id: uuid.UUID
    workflow_id: int
    node: str
    external_id: str
    source: str
    source_at: datetime | None
    last_seq: int
    last_kind: str
    last_at: datetime


class Idle(NamedTuple):
    """An open run of the portal's own of which nothing is under way."""

    run_id: uuid.UUID
    workflow_id: int
    last_seq: int
    last_kind: str
    last_at: datetime
    # Its nodes by status, such as {"completed": 3, "pending": 1}.
    nodes: dict[str, int]


class Blocked(NamedTuple):
    """Who waits for a row of a run, and for whom."""

    run_id: uuid.UUID
    workflow_id: int
    node: str
    waiter: int
    waiter_name: str
    waits_since: datetime
    blocker: int
    blocker_name: str
    blocker_state: str
    blocker_query: str
    open_since: datetime | None


class Earlier(NamedTuple):
    """An attempt that ended before."""

    node_id: int
    number: int
    status: str
    worker: str
    error_kind: str
    error_message: str


def attempted(begun: datetime, over: datetime, lost: int, runs: Runs) -> list[Attempted]:
    """Those that began before `begun`, those whose lease ended before `over`, and those of which
    `lost` attempts ended with their worker."""
    given = {"tail": TAIL, "begun": begun, "over": over, "lost": lost}
    return _read(Attempted, rows_sql.ATTEMPTED, "leases.run_id", runs, given)


def waiting_of(runs: Collection[uuid.UUID]) -> list[Waiting]:
    return _read(Waiting, rows_sql.WAITING, "run_id", runs, {})


def offered(queues: Sequence[str], cut: datetime) -> list[Waiting]:
    """Of these queues, what no limit holds and what has waited since before `cut`."""
    given = {"queues": list(queues), "cut": cut}
    return [row for which in rows_sql.OFFERED for row in _waiting(which, given)] if queues else []


def in_pause(queues: Sequence[str], now: datetime) -> list[Waiting]:
    """What is to be tried again, and waits for its time."""
    return _waiting(rows_sql.IN_PAUSE, {"queues": list(queues), "now": now}) if queues else []


def declined(cut: datetime) -> list[Waiting]:
    """What workers gave back that do not know its executor."""
    return _waiting(rows_sql.DECLINED, {"cut": cut})


def held(gates: Sequence[str], cut: datetime) -> list[Waiting]:
    return _waiting(rows_sql.HELD, {"gates": list(gates), "cut": cut}) if gates else []


def queues() -> list[str]:
    """Those in which something waits."""
    with plain_cursor() as cursor:
        return [queue for (queue,) in cursor.execute(rows_sql.QUEUES).fetchall()]


def asked(cut: datetime, runs: Runs) -> list[Asked]:
    return _read(Asked, rows_sql.ASKED, "decisions.run_id", runs, {"cut": cut})


def reported(cut: datetime, runs: Runs) -> list[Reported]:
    """Open ones that others execute, of which nothing was heard since `cut`."""
    return _read(Reported, rows_sql.REPORTED, "id", runs, {"cut": cut})


def idle(states: Sequence[str], most: int, cut: datetime, runs: Runs) -> list[Idle]:
    """Of the `most` oldest in these states, those of which nothing is under way."""
    given = {"states": [str(state) for state in states], "cut": cut, "open": most}
    rows = _read(Idle, rows_sql.IDLE, "id", runs, given)
    return [row._replace(nodes=json.loads(row.nodes or "{}")) for row in rows]  # type: ignore[arg-type]


def blocked(runs: Runs) -> list[Blocked]:
    with plain_cursor() as cursor:
        anybody = cursor.execute(rows_sql.ANYBODY_WAITS).fetchone()
        if not anybody or not anybody[0]:
            return []
        rows = [Blocked(*row) for row in cursor.execute(rows_sql.BLOCKED, {}).fetchall()]
    return rows if runs is None else [row for row in rows if row.run_id in runs]


def earlier(node_ids: Collection[int]) -> dict[int, list[Earlier]]:
    """Of each node the attempts that came to nothing, the first of them first."""
    found: dict[int, list[Earlier]] = {}
    if node_ids:
        with plain_cursor() as cursor:
            for row in cursor.execute(rows_sql.EARLIER, [list(node_ids)]).fetchall():
                found.setdefault(row[0], []).append(Earlier(*row))
    return found


def _waiting(which: str, given: dict[str, Any]) -> list[Waiting]:
    with plain_cursor() as cursor:
        rows = cursor.execute(
            rows_sql.WAITING.format(which=which), {**given, "most": MOST}
        ).fetchall()
    return [Waiting(*row) for row in rows]


def _read(
    made: type[Row], statement: str, column: str, runs: Runs, given: dict[str, Any]
) -> list[Row]:
    which = "true" if runs is None else f"{column} = ANY(%(runs)s)"
    told = {**given, "most": MOST, "runs": list(runs or ())}
    with plain_cursor() as cursor:
        rows = cursor.execute(statement.format(which=which), told).fetchall()
    return [made(*row) for row in rows]
