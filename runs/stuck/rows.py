"""What PostgreSQL tells of runs that may be stuck: the rows, and the statements for them.

Each begins with what is small, whatever has ended: leases, ready nodes, open questions and runs,
locks that somebody waits for. `runs` narrows it to some runs, None means all.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any, NamedTuple, TypeVar

from runs.driver import plain_cursor
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
    state: str
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
    source_id: int
    source: str
    source_at: datetime | None
    terminate_url: str
    started_at: datetime | None
    last_seq: int
    last_kind: str
    last_at: datetime


class Idle(NamedTuple):
    """An open run of the portal's own of which nothing is under way."""

    run_id: uuid.UUID
    workflow_id: int
    state: str
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


_ATTEMPTED = """
SELECT jobs.id, jobs.workflow_id, jobs.version_id, nodes.id, nodes.key, nodes.kind, nodes.executor,
    leases.attempt, nodes.failures, attempts.started_at, leases.worker, leases.renewed_at,
    leases.expires_at, leases.deadline, own.seq, own.kind, coalesce(own.recorded_at, (
        SELECT recorded_at FROM event_tracking AS oldest WHERE oldest.run_id = jobs.id
            AND seq = greatest(attempts.input_seq, jobs.last_seq - %(tail)s + 1)
    ), attempts.started_at), nodes.progress_done, nodes.progress_total
FROM leases
JOIN attempts ON attempts.node_id = leases.node_id AND attempts.number = leases.attempt
JOIN nodes ON nodes.id = leases.node_id JOIN jobs ON jobs.id = leases.run_id
LEFT JOIN LATERAL (
    SELECT seq, kind, recorded_at FROM (
        SELECT seq, kind, node, recorded_at FROM event_tracking AS told
        WHERE told.run_id = jobs.id AND seq >= attempts.input_seq ORDER BY seq DESC LIMIT %(tail)s
    ) AS told WHERE node = nodes.key ORDER BY seq DESC LIMIT 1
) AS own ON true
WHERE {which} AND (
    attempts.started_at < %(begun)s OR leases.expires_at < %(over)s
    OR leases.attempt - 1 - nodes.failures >= %(lost)s
) ORDER BY attempts.started_at, nodes.id LIMIT %(most)s
"""
_WAITING = """
SELECT jobs.id, jobs.workflow_id, jobs.version_id, nodes.id, nodes.key, nodes.kind, nodes.executor,
    nodes.attempts, nodes.failures, nodes.error_kind, nodes.error_message, nodes.queued_at,
    ready.ready_at, ready.hint_due, ready.hints, ready.queue, ready.gate, ready.held,
    ready.declined_at, jobs.state, workflows.slug, workflows.max_active, workflows.paused_at,
    workflows.paused_by, workflows.pause_reason, jobs.last_seq
FROM (
    SELECT * FROM ready_nodes AS ready WHERE {which} ORDER BY ready_at, node_id LIMIT %(most)s
) AS ready
JOIN nodes ON nodes.id = ready.node_id JOIN jobs ON jobs.id = ready.run_id
JOIN workflows ON workflows.id = jobs.workflow_id
ORDER BY ready.ready_at, ready.node_id
"""
# Each by an index of its own.
_OFFERED = (
    "hint_due IS NULL AND NOT held AND queue = ANY(%(queues)s) AND ready_at < %(cut)s",
    "hint_due IS NOT NULL AND queue = ANY(%(queues)s) AND ready_at < %(cut)s",
)
_IN_PAUSE = "hint_due IS NULL AND NOT held AND queue = ANY(%(queues)s) AND ready_at > %(now)s"
_DECLINED = "declined_at IS NOT NULL AND declined_at < %(cut)s"
_HELD = "gate <> '' AND held AND gate = ANY(%(gates)s) AND ready_at < %(cut)s"
_QUEUES = """
WITH RECURSIVE open AS (
    (SELECT queue FROM ready_nodes WHERE hint_due IS NULL AND NOT held ORDER BY queue LIMIT 1)
    UNION ALL
    SELECT (
        SELECT queue FROM ready_nodes
        WHERE hint_due IS NULL AND NOT held AND queue > open.queue ORDER BY queue LIMIT 1
    ) FROM open WHERE open.queue IS NOT NULL
), hinted AS (
    (SELECT queue FROM ready_nodes WHERE hint_due IS NOT NULL ORDER BY queue LIMIT 1)
    UNION ALL
    SELECT (
        SELECT queue FROM ready_nodes
        WHERE hint_due IS NOT NULL AND queue > hinted.queue ORDER BY queue LIMIT 1
    ) FROM hinted WHERE hinted.queue IS NOT NULL
)
SELECT queue FROM open WHERE queue IS NOT NULL UNION SELECT queue FROM hinted
WHERE queue IS NOT NULL LIMIT 500
"""
_ASKED = """
SELECT jobs.id, jobs.workflow_id, nodes.key, decisions.title, people, groups, asked_at, due_at
FROM decisions
JOIN nodes ON nodes.id = decisions.node_id JOIN jobs ON jobs.id = decisions.run_id
WHERE {which} AND decided_at IS NULL AND asked_at < %(cut)s
ORDER BY asked_at, decisions.node_id LIMIT %(most)s
"""
_REPORTED = """
SELECT jobs.id, jobs.workflow_id, jobs.current_node, jobs.external_id, sources.id, sources.name,
    sources.last_event_at, sources.terminate_url, jobs.started_at, jobs.last_seq, last.kind,
    last.recorded_at
FROM (
    SELECT * FROM jobs
    WHERE source_id IS NOT NULL AND state IN ('created', 'active') AND {which}
    ORDER BY created_at, id LIMIT %(most)s
) AS jobs
JOIN sources ON sources.id = jobs.source_id
JOIN event_tracking AS last ON last.run_id = jobs.id AND last.seq = jobs.last_seq
WHERE last.recorded_at < %(cut)s
"""
# Whatever is under way has a row in one of three tables, since the same transaction.
_IDLE = """
SELECT runs.id, runs.workflow_id, runs.state, runs.last_seq, last.kind, last.recorded_at, (
    SELECT jsonb_object_agg(status, count)::text FROM (
        SELECT status, count(*) FROM nodes WHERE nodes.run_id = runs.id GROUP BY status
    ) AS of_status
)
FROM (
    SELECT id, workflow_id, state, last_seq FROM jobs
    WHERE state = ANY(%(states)s) AND source_id IS NULL AND {which}
    ORDER BY created_at, id LIMIT %(open)s
) AS runs
JOIN event_tracking AS last ON last.run_id = runs.id AND last.seq = runs.last_seq
WHERE NOT EXISTS (SELECT FROM leases WHERE leases.run_id = runs.id)
AND NOT EXISTS (SELECT FROM ready_nodes WHERE ready_nodes.run_id = runs.id)
AND NOT EXISTS (
    SELECT FROM decisions WHERE decisions.run_id = runs.id AND decided_at IS NULL
)
AND last.recorded_at < %(cut)s LIMIT %(most)s
"""
_ANYBODY_WAITS = """
SELECT EXISTS (SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock'
    AND datname = current_database())
"""
# Who waits for a row has, or waits for, a lock on its place. Those who wait behind others wait for
# the first one, which is not who is in the way.
_BLOCKED = """
WITH waiting AS MATERIALIZED (
    SELECT DISTINCT ON (place.relation, place.page, place.tuple) place.relation,
        format('(%%s,%%s)', place.page, place.tuple)::tid AS row, own.pid, own.waitstart,
        pg_blocking_pids(own.pid) AS blockers
    FROM pg_locks AS place JOIN pg_locks AS own ON own.pid = place.pid AND NOT own.granted
    WHERE place.locktype = 'tuple' AND place.granted
        AND place.database = (SELECT oid FROM pg_database WHERE datname = current_database())
        AND place.relation IN ('jobs'::regclass, 'nodes'::regclass, 'leases'::regclass)
        AND own.waitstart IS NOT NULL
    ORDER BY place.relation, place.page, place.tuple, own.waitstart LIMIT 500
), of_run AS (
    SELECT jobs.id AS run_id, '' AS node, waiting.* FROM waiting
    JOIN jobs ON jobs.ctid = waiting.row WHERE relation = 'jobs'::regclass
    UNION ALL
    SELECT nodes.run_id, nodes.key, waiting.* FROM waiting
    JOIN nodes ON nodes.ctid = waiting.row WHERE relation = 'nodes'::regclass
    UNION ALL
    SELECT leases.run_id, nodes.key, waiting.* FROM waiting
    JOIN leases ON leases.ctid = waiting.row JOIN nodes ON nodes.id = leases.node_id
    WHERE relation = 'leases'::regclass
)
SELECT of_run.run_id, jobs.workflow_id, of_run.node, of_run.pid, waiter.application_name,
    of_run.waitstart, blocker.pid, blocker.application_name, coalesce(blocker.state, ''),
    coalesce(blocker.query, ''), blocker.xact_start
FROM of_run JOIN jobs ON jobs.id = of_run.run_id
JOIN pg_stat_activity AS waiter ON waiter.pid = of_run.pid
JOIN LATERAL (
    SELECT * FROM pg_stat_activity AS other WHERE other.pid = ANY(of_run.blockers)
    ORDER BY other.xact_start NULLS LAST LIMIT 1
) AS blocker ON true
"""
_EARLIER = """
SELECT node_id, number, status, worker, error_kind, error_message FROM attempts
WHERE node_id = ANY(%s) AND status IN ('failed', 'lost') ORDER BY node_id, number
"""


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
    return _read(Attempted, _ATTEMPTED, "leases.run_id", runs, given)


def waiting_of(runs: Collection[uuid.UUID]) -> list[Waiting]:
    return _read(Waiting, _WAITING, "run_id", runs, {})


def offered(queues: Sequence[str], cut: datetime) -> list[Waiting]:
    """Of these queues, what no limit holds and what has waited since before `cut`."""
    given = {"queues": list(queues), "cut": cut}
    return [row for which in _OFFERED for row in _waiting(which, given)] if queues else []


def in_pause(queues: Sequence[str], now: datetime) -> list[Waiting]:
    """What is to be tried again, and waits for its time."""
    return _waiting(_IN_PAUSE, {"queues": list(queues), "now": now}) if queues else []


def declined(cut: datetime) -> list[Waiting]:
    """What workers gave back that do not know its executor."""
    return _waiting(_DECLINED, {"cut": cut})


def held(gates: Sequence[str], cut: datetime) -> list[Waiting]:
    return _waiting(_HELD, {"gates": list(gates), "cut": cut}) if gates else []


def queues() -> list[str]:
    """Those in which something waits."""
    with plain_cursor() as cursor:
        return [queue for (queue,) in cursor.execute(_QUEUES).fetchall()]


def asked(cut: datetime, runs: Runs) -> list[Asked]:
    return _read(Asked, _ASKED, "decisions.run_id", runs, {"cut": cut})


def reported(cut: datetime, runs: Runs) -> list[Reported]:
    """Open ones that others execute, of which nothing was heard since `cut`."""
    return _read(Reported, _REPORTED, "id", runs, {"cut": cut})


def idle(states: Sequence[str], most: int, cut: datetime, runs: Runs) -> list[Idle]:
    """Of the `most` oldest in these states, those of which nothing is under way."""
    given = {"states": [str(state) for state in states], "cut": cut, "open": most}
    rows = _read(Idle, _IDLE, "id", runs, given)
    return [row._replace(nodes=json.loads(row.nodes or "{}")) for row in rows]  # type: ignore[arg-type]


def blocked(runs: Runs) -> list[Blocked]:
    with plain_cursor() as cursor:
        anybody = cursor.execute(_ANYBODY_WAITS).fetchone()
        if not anybody or not anybody[0]:
            return []
        rows = [Blocked(*row) for row in cursor.execute(_BLOCKED, {}).fetchall()]
    return rows if runs is None else [row for row in rows if row.run_id in runs]


def earlier(node_ids: Collection[int]) -> dict[int, list[Earlier]]:
    """Of each node the attempts that came to nothing, the first of them first."""
    found: dict[int, list[Earlier]] = {}
    if node_ids:
        with plain_cursor() as cursor:
            for row in cursor.execute(_EARLIER, [list(node_ids)]).fetchall():
                found.setdefault(row[0], []).append(Earlier(*row))
    return found


def _waiting(which: str, given: dict[str, Any]) -> list[Waiting]:
    with plain_cursor() as cursor:
        rows = cursor.execute(_WAITING.format(which=which), {**given, "most": MOST}).fetchall()
    return [Waiting(*row) for row in rows]


def _read(
    made: type[Row], statement: str, column: str, runs: Runs, given: dict[str, Any]
) -> list[Row]:
    which = "true" if runs is None else f"{column} = ANY(%(runs)s)"
    told = {**given, "most": MOST, "runs": list(runs or ())}
    with plain_cursor() as cursor:
        rows = cursor.execute(statement.format(which=which), told).fetchall()
    return [made(*row) for row in rows]
