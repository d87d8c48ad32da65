"""What the engine left behind against what must hold, and against what others saw of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from django.db import connection

from tests.chaos.engine.model_server import Call
from tests.runs import invariants

# Of one kind, said at most.
MOST = 5
# Those of a store's invariants that hold wherever an attempt's events have the worker's own time.
HOLDING = (
    "a log is numbered from 1 to its run's last number without a gap",
    "a log begins with the run's creation",
    "each state follows from the one before",
    "a run is in the state that its log says, since the number that it says",
    "a run is created, then started, then ended",
    "errors and who ended it stand where they belong",
    "a run's version is one of its workflow",
    "a run counts its nodes",
    "a run of a version has that version's nodes",
    "nothing goes on in a run that has ended",
    "a run costs what its model calls cost",
    "a node costs what its model calls cost",
    "a model call is what its event says",
    "a node's status is what its last event left it in",
    "an event names a node of its run",
    "nodes, attempts and model calls belong to a run",
)
_RESULTS = """
    SELECT run_id, node, attempt,
        count(*) FILTER (WHERE kind = 'node_completed') AS completed,
        count(*) FILTER (WHERE kind = 'node_failed' AND NOT data ? 'lost') AS failed,
        count(*) FILTER (WHERE kind = 'node_failed' AND data ? 'lost'
            OR kind = 'late_result' AND data->>'outcome' = 'lost') AS lost,
        count(*) FILTER (WHERE kind = 'late_result' AND data->>'outcome' <> 'lost') AS late
    FROM event_tracking WHERE attempt IS NOT NULL
        AND kind IN ('node_completed', 'node_failed', 'late_result')
    GROUP BY run_id, node, attempt
"""
# Each is a query for what breaks it: a run, and a node or more of it.
RULES = {
    "every run has ended": "SELECT id, state FROM jobs WHERE completed_at IS NULL",
    "every node has ended": """
        SELECT run_id, key || ' ' || status FROM nodes
        WHERE status NOT IN ('completed', 'failed', 'skipped', 'terminated')
    """,
    "every attempt has ended": """
        SELECT run_id, node_id || ' #' || number FROM attempts WHERE status = 'running'
    """,
    "nobody holds a lease": "SELECT run_id, node_id::text FROM leases",
    "no node waits for a worker": "SELECT run_id, node_id::text FROM ready_nodes",
    "nothing waits for a person": """
        SELECT run_id, title::text FROM decisions WHERE decided_at IS NULL
    """,
    "an attempt is an event that it began, and the other way round": """
        SELECT coalesce(e.run_id, a.run_id), coalesce(e.node, n.key) || ' #'
            || coalesce(e.attempt, a.number)
        FROM attempts a JOIN nodes n ON n.id = a.node_id
        FULL JOIN (SELECT run_id, node, attempt, count(*) AS times FROM event_tracking
            WHERE kind = 'node_started' GROUP BY run_id, node, attempt) e
        ON e.run_id = a.run_id AND e.node = n.key AND e.attempt = a.number
        WHERE times IS DISTINCT FROM 1 OR a.id IS NULL
    """,
    "a node has the attempts that it counts, and their failures": """
        SELECT n.run_id, n.key FROM nodes n LEFT JOIN attempts a ON a.node_id = n.id
        GROUP BY n.id HAVING count(a.id) <> n.attempts OR coalesce(max(number), 0) <> n.attempts
            OR count(*) FILTER (WHERE a.status = 'failed') <> n.failures
    """,
    "an attempt ended once, as its events say": f"""
        SELECT a.run_id, n.key || ' #' || a.number || ' ' || a.status
        FROM attempts a JOIN nodes n ON n.id = a.node_id LEFT JOIN ({_RESULTS}) r
            ON r.run_id = a.run_id AND r.node = n.key AND r.attempt = a.number
        WHERE CASE a.status
            WHEN 'completed' THEN (completed, failed, lost, late) IS DISTINCT FROM (1, 0, 0, 0)
            WHEN 'failed' THEN (completed, failed, lost, late) IS DISTINCT FROM (0, 1, 0, 0)
            WHEN 'lost' THEN (completed, failed, lost, late) IS DISTINCT FROM (0, 0, 1, 0)
            WHEN 'late' THEN completed + failed <> 0 OR lost > 1 OR late IS DISTINCT FROM 1
            ELSE true END
    """,
    "a completed node was completed once, and no other was": """
        SELECT n.run_id, n.key FROM nodes n LEFT JOIN event_tracking e
            ON e.run_id = n.run_id AND e.node = n.key AND e.kind = 'node_completed'
        GROUP BY n.id HAVING count(e.id) <> (n.status = 'completed')::int
            AND NOT (n.status = 'terminated' AND count(e.id) = 0)
    """,
    "a node was queued once at most, and skipped once if it was": """
        SELECT n.run_id, n.key FROM nodes n LEFT JOIN event_tracking e
            ON e.run_id = n.run_id AND e.node = n.key AND e.kind IN ('node_queued', 'node_skipped')
        GROUP BY n.id HAVING count(*) FILTER (WHERE e.kind = 'node_queued') > 1
            OR count(*) FILTER (WHERE e.kind = 'node_skipped') <> (n.status = 'skipped')::int
    """,
    "a node's output is what its last attempt gave": """
        SELECT n.run_id, n.key FROM nodes n LEFT JOIN event_tracking e
            ON e.run_id = n.run_id AND e.seq = n.output_seq
        WHERE n.status = 'completed' AND ((e.kind, e.node) IS DISTINCT FROM
            ('node_completed', n.key) OR e.attempt IS DISTINCT FROM nullif(n.attempts, 0))
    """,
    "nothing was begun again that is not to be begun twice": """
        SELECT n.run_id, n.key FROM nodes n JOIN jobs j ON j.id = n.run_id
        JOIN workflow_versions v ON v.id = j.version_id,
        LATERAL jsonb_array_elements(v.definition->'nodes') spec
        WHERE spec->>'id' = n.key AND n.attempts > 1 AND (spec->>'idempotent' = 'false'
            OR spec->>'kind' = 'http' AND spec->>'method' = 'POST')
    """,
    "nothing began before what it needs had ended": """
        SELECT n.run_id, n.key FROM nodes n JOIN jobs j ON j.id = n.run_id
        JOIN workflow_versions v ON v.id = j.version_id,
        LATERAL jsonb_array_elements(v.definition->'nodes') spec,
        LATERAL jsonb_array_elements_text(coalesce(spec->'needs', '[]')) need
        JOIN event_tracking begun ON true
        WHERE spec->>'id' = n.key AND begun.run_id = n.run_id AND begun.node = n.key
            AND begun.kind = 'node_started' AND NOT EXISTS (
                SELECT FROM event_tracking e WHERE e.run_id = n.run_id AND e.node = need
                    AND e.seq < begun.seq AND e.kind IN ('node_completed', 'node_skipped'))
    """,
    "lines that are told once stand once": """
        SELECT run_id, node || ' #' || attempt || ': ' || (data->>'message')
        FROM event_tracking WHERE kind = 'log' AND data->>'message' LIKE 'line %'
        GROUP BY run_id, node, attempt, data->>'message' HAVING count(*) > 1
    """,
    "an attempt that told it all has all of it in the log and the ledger": """
        SELECT a.run_id, n.key || ' #' || a.number FROM attempts a JOIN nodes n ON n.id = a.node_id
        JOIN event_tracking e ON e.run_id = a.run_id AND e.seq = a.result_seq
        WHERE n.executor = 'probe.tell' AND e.data->'output' ? 'lines'
            AND ((e.data->'output'->>'lines')::int, (e.data->'output'->>'lines')::int) <> (
                (SELECT count(*) FROM event_tracking t WHERE t.run_id = a.run_id
                    AND t.node = n.key AND t.attempt = a.number AND t.kind = 'log'),
                (SELECT count(DISTINCT model) FROM llm_calls c WHERE c.run_id = a.run_id
                    AND c.node = n.key AND c.attempt = a.number))
    """,
    "a call that an executor tells stands once": """
        SELECT c.run_id, c.node || ' #' || attempt || ' ' || model FROM llm_calls c
        JOIN nodes n ON n.run_id = c.run_id AND n.key = c.node WHERE n.kind = 'executor'
        GROUP BY c.run_id, c.node, attempt, model HAVING count(*) > 1
    """,
    "what waits for a person was asked once and decided once": """
        SELECT n.run_id, n.key FROM nodes n LEFT JOIN decisions d ON d.node_id = n.id
        LEFT JOIN LATERAL (SELECT count(*) FILTER (WHERE data->>'action' = 'asked') AS asked,
                count(*) FILTER (WHERE data->>'action' <> 'asked') AS said
            FROM event_tracking e WHERE e.run_id = n.run_id AND e.node = n.key
                AND e.kind = 'human_action') e ON true
        WHERE n.kind = 'human' AND (asked <> (d.node_id IS NOT NULL)::int
            OR said <> (d.act IN ('approved', 'rejected', 'corrected'))::int
            OR (n.status = 'completed') <> (coalesce(said, 0) = 1))
    """,
    "each number of a log stands in the outbox once": """
        SELECT j.id, '' FROM jobs j LEFT JOIN outbox o ON o.run_id = j.id
        GROUP BY j.id HAVING min(first_seq) IS DISTINCT FROM 1
            OR max(o.last_seq) IS DISTINCT FROM j.last_seq
            OR sum(o.last_seq - first_seq + 1) IS DISTINCT FROM j.last_seq
    """,
}  # fmt: skip


def of_tables() -> list[str]:
    """What does not hold in the tables by themselves."""
    found = [f"not so: {name}: {runs}" for name, runs in invariants.broken(*HOLDING).items()]
    with connection.cursor() as cursor:
        for name, query in RULES.items():
            cursor.execute(f"SELECT * FROM ({query}) found LIMIT {MOST}")
            found += [f"not so: {name}: {run} {what}" for run, what in cursor.fetchall()]
    return found


def of_ledger(calls: Mapping[int, Call], numbers: Mapping[str, int]) -> list[str]:
    """Rows of the ledger against the calls that the server saw. `numbers`: run → its `n`."""
    from runs import ids

    found: list[str] = []
    seen: Counter[int] = Counter()
    unknown: Counter[tuple[int, str]] = Counter()
    rows = _rows(
        "SELECT c.run_id, c.node, c.attempt, input_tokens FROM llm_calls c"
        " JOIN nodes n ON n.run_id = c.run_id AND n.key = c.node WHERE n.kind = 'llm'"
    )
    of_attempt: Counter[tuple[Any, str, int]] = Counter()
    for run, node, attempt, serial in rows:
        n = numbers.get(ids.encode("run", run), 0)
        of_attempt[run, node, attempt] += 1
        if not serial:  # it broke off before it said what it used
            unknown[n, node] += 1
            continue
        seen[serial] += 1
        call = calls.get(serial)
        if call is None or not call.answered or (call.n, call.node) != (n, node):
            found.append(f"the ledger has call {serial} for {run} {node}; the server: {call}")
    found += [f"call {serial} is {n} times in the ledger" for serial, n in seen.items() if n > 1]
    asked = Counter((call.n, call.node) for s, call in calls.items() if s not in seen)
    found += [
        f"run {n} {node}: {count} calls without an end in the ledger, {asked[n, node]} asked"
        for (n, node), count in unknown.items()
        if count > asked[n, node]
    ]
    attempts = _rows(
        "SELECT a.run_id, n.key, a.number, a.status, a.error_kind, e.data FROM attempts a"
        " JOIN nodes n ON n.id = a.node_id LEFT JOIN event_tracking e"
        " ON e.run_id = a.run_id AND e.seq = a.result_seq WHERE n.kind = 'llm'"
    )
    for run, node, number, status, kind, _ in attempts:
        count = of_attempt.pop((run, node, number), 0)
        # An attempt that had its answer has its row, also where that answer was of no use.
        least = status == "completed" or kind == "LlmAnswerInvalid"
        if not least <= count <= 1:
            found.append(f"{run} {node} #{number} {status} {kind}: {count} rows in the ledger")
    found += [f"{key}: in the ledger, but no attempt" for key in of_attempt]
    return _shortened(found)


def of_marks(marks: Iterable[str]) -> list[str]:
    """What executors did against what the log says of it: an attempt is begun once."""
    times = Counter(tuple(mark.split()) for mark in marks)
    found = [f"{key} was done {n} times" for key, n in times.items() if n > 1]
    from runs import ids

    begun = {
        (ids.encode("run", run), node, str(attempt)): status
        for run, node, attempt, status in _rows(
            "SELECT a.run_id, n.key, a.number, a.status FROM attempts a"
            " JOIN nodes n ON n.id = a.node_id WHERE n.executor = 'probe.wait_for'"
        )
    }
    found += [f"{key} was done, and never begun" for key in times if key not in begun]
    found += [
        f"{key} is completed, and was not done"
        for key, status in begun.items()
        if status == "completed" and key not in times
    ]
    return _shortened(found)


def of_callers(told: Mapping[str, Any], runs: int) -> list[str]:
    """What those who used the API were answered against what is stored."""
    from runs import ids

    stored = {
        ids.encode("run", run): (n, state)
        for run, n, state in _rows(
            "SELECT j.id, (e.data->'input'->>'n')::int, j.state::text FROM jobs j"
            " JOIN event_tracking e ON e.run_id = j.id AND e.seq = 1"
        )
    }
    found = list(told["trouble"])
    if len(stored) != runs:
        found.append(f"there are {len(stored)} runs, not {runs}")
    found += [
        f"{run} is run {stored.get(run)}, was answered as {n}"
        for run, n in told["runs"].items()
        if stored.get(run, (0,))[0] != n
    ]
    found += [
        f"{run} was told to be terminated, and is {stored.get(run)}"
        for run in told["terminated"]
        if stored.get(run, (0, ""))[1] != "terminated"
    ]
    ended = [run for run, (_, state) in stored.items() if state == "terminated"]
    acts = {
        f"{ids.encode('run', run)}/{key}": act
        for run, key, act in _rows(
            "SELECT d.run_id, n.key, d.act FROM decisions d JOIN nodes n ON n.id = d.node_id"
        )
    }
    found += [
        f"{key} was answered as {act}, and is {acts.get(key)}"
        for key, act in told["answers"].items()
        if act and acts.get(key) != act
    ]
    if len(ended) < len(told["terminated"]):
        found.append("fewer runs are terminated than was said")
    return _shortened(found)


def of_sent(keys: Sequence[str]) -> list[str]:
    """What is not to be sent twice."""
    return _shortened([f"{k} was sent {n} times" for k, n in Counter(keys).items() if n > 1])


def figures() -> dict[str, int]:
    (row,) = _rows("""
        SELECT (SELECT count(*) FROM jobs), (SELECT count(*) FROM nodes), count(*),
            count(*) FILTER (WHERE status = 'lost'), count(*) FILTER (WHERE status = 'late'),
            count(*) FILTER (WHERE status = 'failed'),
            (SELECT count(*) FROM event_tracking), (SELECT count(*) FROM llm_calls)
        FROM attempts
    """)
    names = ("runs", "nodes", "attempts", "lost", "late", "failed", "events", "model calls")
    return dict(zip(names, row, strict=True))


def states() -> dict[str, int]:
    return dict(_rows("SELECT state::text, count(*) FROM jobs GROUP BY state ORDER BY state"))


def _rows(query: str) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(query)
        return cursor.fetchall()


def _shortened(found: list[str]) -> list[str]:
    more = [f"and {len(found) - MOST} more"] if len(found) > MOST else []
    return found[:MOST] + more
