"""The statements that ask for runs that may be stuck: each begins with what is small."""

ATTEMPTED = """
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
WAITING = """
SELECT jobs.id, jobs.workflow_id, jobs.version_id, nodes.id, nodes.key, nodes.kind, nodes.executor,
    nodes.attempts, nodes.failures, nodes.error_kind, nodes.error_message, nodes.queued_at,
    ready.ready_at, ready.hint_due, ready.hints, ready.queue, ready.gate, ready.held,
    ready.declined_at, workflows.slug, workflows.max_active, workflows.paused_at,
    workflows.paused_by, workflows.pause_reason, jobs.last_seq
FROM (
    SELECT * FROM ready_nodes AS ready WHERE {which} ORDER BY ready_at, node_id LIMIT %(most)s
) AS ready
JOIN nodes ON nodes.id = ready.node_id JOIN jobs ON jobs.id = ready.run_id
JOIN workflows ON workflows.id = jobs.workflow_id
ORDER BY ready.ready_at, ready.node_id
"""
# Each by an index of its own.
OFFERED = (
    "hint_due IS NULL AND NOT held AND queue = ANY(%(queues)s) AND ready_at < %(cut)s",
    "hint_due IS NOT NULL AND queue = ANY(%(queues)s) AND ready_at < %(cut)s",
)
IN_PAUSE = "hint_due IS NULL AND NOT held AND queue = ANY(%(queues)s) AND ready_at > %(now)s"
DECLINED = "declined_at IS NOT NULL AND declined_at < %(cut)s"
HELD = "gate <> '' AND held AND gate = ANY(%(gates)s) AND ready_at < %(cut)s"
QUEUES = """
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
ASKED = """
SELECT jobs.id, jobs.workflow_id, nodes.key, decisions.title, people, groups, asked_at, due_at
FROM decisions
JOIN nodes ON nodes.id = decisions.node_id JOIN jobs ON jobs.id = decisions.run_id
WHERE {which} AND decided_at IS NULL AND asked_at < %(cut)s
ORDER BY asked_at, decisions.node_id LIMIT %(most)s
"""
REPORTED = """
SELECT jobs.id, jobs.workflow_id, jobs.current_node, jobs.external_id, sources.name,
    sources.last_event_at, jobs.last_seq, last.kind, last.recorded_at
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
IDLE = """
SELECT runs.id, runs.workflow_id, runs.last_seq, last.kind, last.recorded_at, (
    SELECT jsonb_object_agg(status, count)::text FROM (
        SELECT status, count(*) FROM nodes WHERE nodes.run_id = runs.id GROUP BY status
    ) AS of_status
)
FROM (
    SELECT id, workflow_id, last_seq FROM jobs
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
ANYBODY_WAITS = """
SELECT EXISTS (SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock'
    AND datname = current_database())
"""
# Who waits for a row has, or waits for, a lock on its place. Those who wait behind others wait for
# the first one, which is not who is in the way.
BLOCKED = """
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
EARLIER = """
SELECT node_id, number, status, worker, error_kind, error_message FROM attempts
WHERE node_id = ANY(%s) AND status IN ('failed', 'lost') ORDER BY node_id, number
"""
