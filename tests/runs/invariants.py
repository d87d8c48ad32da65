"""What holds in every store between a run's row, its log, and the rows that are read from it.

Each is a query for what breaks it. Runs whose log or nodes are not there are passed over where
these are needed.
"""

from django.db import connection

_LOGGED = "EXISTS (SELECT FROM event_tracking e WHERE e.run_id = j.id)"
_WITH_NODES = "EXISTS (SELECT FROM nodes n WHERE n.run_id = j.id)"

INVARIANTS = {
    "a log is numbered from 1 to its run's last number without a gap": """
        SELECT run_id FROM event_tracking e JOIN jobs j ON j.id = run_id
        GROUP BY run_id, last_seq
        HAVING count(*) <> last_seq OR min(seq) <> 1 OR max(seq) <> last_seq
    """,
    "a log begins with the run's creation": f"""
        SELECT id FROM jobs j WHERE {_LOGGED} AND NOT EXISTS (
            SELECT FROM event_tracking WHERE run_id = j.id AND seq = 1 AND kind = 'run_created'
                AND at = j.created_at AND actor = j.triggered_by
                AND data->>'trigger' = j.trigger AND data ? 'input'
                AND (data ? 'retry_of') = (j.retry_of_id IS NOT NULL))
    """,
    "nothing in a log is earlier than what stands before it": """
        SELECT run_id FROM (
            SELECT run_id, at < lag(at) OVER (PARTITION BY run_id ORDER BY seq) AS back
            FROM event_tracking) x WHERE back
    """,
    "each state follows from the one before": """
        SELECT run_id FROM (
            SELECT run_id, data->>'from' AS given, data->>'to' AS next, coalesce(
                lag(data->>'to') OVER (PARTITION BY run_id ORDER BY seq), 'created') AS before
            FROM event_tracking WHERE kind = 'state_changed') x
        WHERE given <> before OR (before, next) NOT IN (('created', 'active'),
            ('created', 'failed'), ('active', 'completed'), ('active', 'failed'),
            ('active', 'terminated'))
    """,
    "a run is in the state that its log says, since the number that it says": f"""
        SELECT id FROM jobs j WHERE {_LOGGED} AND (state::text, state_seq) <> (
            SELECT CASE kind WHEN 'run_created' THEN 'created' ELSE data->>'to' END, seq
            FROM event_tracking WHERE run_id = j.id AND kind IN ('run_created', 'state_changed')
            ORDER BY seq DESC LIMIT 1)
    """,
    "a run's end is the time of the event that ended it": f"""
        SELECT id FROM jobs j WHERE {_LOGGED} AND completed_at IS NOT NULL AND completed_at <> (
            SELECT at FROM event_tracking WHERE run_id = j.id AND seq = j.state_seq)
    """,
    "a run's start is the time of the event that started it": f"""
        SELECT id FROM jobs j WHERE {_LOGGED} AND started_at IS DISTINCT FROM (
            SELECT at FROM event_tracking WHERE run_id = j.id AND kind = 'state_changed'
                AND data->>'to' = 'active' AND data->>'started' IS NULL)
    """,
    "a run is created, then started, then ended": """
        SELECT id FROM jobs WHERE started_at < created_at OR completed_at < created_at
            OR completed_at < started_at OR (state = 'created' AND started_at IS NOT NULL)
            OR (state = 'completed' AND started_at IS NULL)
    """,
    "errors and who ended it stand where they belong": """
        SELECT id FROM jobs WHERE (error_message <> '') <> (state = 'failed')
            OR (error_kind <> '') <> (state = 'failed')
            OR (ended_by <> '') <> (state = 'terminated')
            OR (current_node <> '' AND state <> 'active')
    """,
    "ids are in the order of creation and hold its time": """
        SELECT id FROM (
            SELECT id, created_at, lag(created_at) OVER (ORDER BY id) AS before FROM jobs) x
        WHERE created_at < before OR uuid_extract_version(id) <> 7
            OR uuid_extract_timestamp(id) <> date_trunc('milliseconds', created_at)
    """,
    "a run's version is one of its workflow": """
        SELECT j.id FROM jobs j LEFT JOIN workflow_versions v
            ON v.id = j.version_id AND v.workflow_id = j.workflow_id
        WHERE v.id IS NULL OR v.created_at > j.created_at
    """,
    "a retry follows the failed run that it names": """
        SELECT j.id FROM jobs j LEFT JOIN jobs o ON o.id = j.retry_of_id
        WHERE (j.retry_of_id IS NOT NULL OR j.first_id IS NOT NULL) AND (
            o.id IS NULL OR o.state <> 'failed' OR o.completed_at > j.created_at
            OR j.first_id IS DISTINCT FROM coalesce(o.first_id, o.id)
            OR (j.trigger <> 'manual'
                AND (o.version_id, o.trigger) <> (j.version_id, j.trigger)))
    """,
    "a run counts its nodes": f"""
        SELECT id FROM jobs j WHERE {_WITH_NODES} AND (nodes_total, nodes_done) <> (
            SELECT count(*), count(*) FILTER (
                WHERE status IN ('completed', 'failed', 'skipped'))
            FROM nodes WHERE run_id = j.id)
    """,
    "a run of a version has that version's nodes": f"""
        SELECT j.id FROM jobs j JOIN workflow_versions v ON v.id = j.version_id
        WHERE {_WITH_NODES} AND (
            SELECT array_agg(key::text ORDER BY position) FROM nodes WHERE run_id = j.id
        ) <> ARRAY(SELECT n->>'id' FROM jsonb_array_elements(v.definition->'nodes') n)
    """,
    "nothing goes on in a run that has ended": """
        SELECT j.id FROM jobs j JOIN nodes n ON n.run_id = j.id
        WHERE j.completed_at IS NOT NULL
            AND n.status NOT IN ('completed', 'failed', 'skipped', 'terminated')
    """,
    "a run costs what its model calls cost": f"""
        SELECT id FROM jobs j
        WHERE {_WITH_NODES} AND (cost, input_tokens, output_tokens, cached_tokens) <> (
            SELECT coalesce(sum(cost), 0), coalesce(sum(input_tokens), 0),
                coalesce(sum(output_tokens), 0), coalesce(sum(cached_tokens), 0)
            FROM llm_calls WHERE run_id = j.id)
    """,
    "a node costs what its model calls cost": """
        SELECT run_id FROM nodes n WHERE cost <> (SELECT coalesce(sum(cost), 0) FROM llm_calls c
            WHERE c.run_id = n.run_id AND c.node = n.key)
    """,
    "a model call is what its event says": f"""
        SELECT coalesce(c.run_id, e.run_id) FROM llm_calls c FULL JOIN (
            SELECT * FROM event_tracking WHERE kind = 'llm_call') e USING (run_id, seq)
        JOIN jobs j ON j.id = run_id WHERE {_LOGGED} AND (c.node, c.attempt, c.model,
            c.input_tokens, c.output_tokens, c.cached_tokens, c.cost, c.at) IS DISTINCT FROM
            (e.node, e.attempt, data->>'model', (data->>'input_tokens')::bigint,
            (data->>'output_tokens')::bigint, (data->>'cached_tokens')::bigint,
            (data->>'cost')::numeric, e.at)
    """,
    "a node's numbers lead to its events": f"""
        SELECT n.run_id FROM nodes n JOIN jobs j ON j.id = n.run_id
        LEFT JOIN event_tracking i ON i.run_id = n.run_id AND i.seq = n.input_seq
        LEFT JOIN event_tracking o ON o.run_id = n.run_id AND o.seq = n.output_seq
        LEFT JOIN event_tracking f ON f.run_id = n.run_id AND f.seq = n.error_seq
        WHERE {_LOGGED} AND (
            (n.input_seq IS NOT NULL AND n.reused_from IS NULL AND (i.kind, i.node, i.attempt)
                IS DISTINCT FROM ('node_started', n.key, n.attempts))
            OR (n.reused_from IS NOT NULL AND (n.attempts, o.data ? 'reused_from')
                IS DISTINCT FROM (0, true))
            OR (n.output_seq IS NOT NULL AND (o.kind, o.node, o.at)
                IS DISTINCT FROM ('node_completed', n.key, n.completed_at))
            OR (n.error_seq IS NOT NULL AND (f.kind, f.node, f.data->'error'->>'message')
                IS DISTINCT FROM ('node_failed', n.key, n.error_message))
            OR (n.status = 'completed') <> (n.output_seq IS NOT NULL))
    """,
    "a node's status is what its last event left it in": f"""
        SELECT n.run_id FROM nodes n JOIN jobs j ON j.id = n.run_id LEFT JOIN LATERAL (
            SELECT kind, data FROM event_tracking e WHERE e.run_id = n.run_id AND e.node = n.key
                AND kind IN ('node_queued', 'node_started', 'node_completed', 'node_failed',
                    'node_skipped') ORDER BY seq DESC LIMIT 1) e ON true
        WHERE {_LOGGED} AND NOT (n.status = 'terminated' AND j.state = 'terminated')
            AND n.status IS DISTINCT FROM CASE e.kind WHEN 'node_queued' THEN 'queued'
            WHEN 'node_started' THEN 'running' WHEN 'node_completed' THEN 'completed'
            WHEN 'node_skipped' THEN 'skipped' WHEN 'node_failed' THEN
                CASE WHEN data ? 'retry_at' THEN 'queued' ELSE 'failed' END
            ELSE 'pending' END
    """,
    "a node has the attempts that it counts": """
        SELECT n.run_id FROM nodes n LEFT JOIN attempts a ON a.node_id = n.id
        GROUP BY n.id HAVING count(a.id) <> n.attempts OR coalesce(max(number), 0) <> n.attempts
            OR count(*) FILTER (WHERE a.status = 'failed') <> n.failures
            OR bool_or(a.run_id <> n.run_id) OR min(a.started_at) <> n.started_at
    """,
    "an attempt's numbers lead to its events": f"""
        SELECT a.run_id FROM attempts a JOIN nodes n ON n.id = a.node_id
        JOIN jobs j ON j.id = a.run_id
        LEFT JOIN event_tracking b ON b.run_id = a.run_id AND b.seq = a.input_seq
        LEFT JOIN event_tracking e ON e.run_id = a.run_id AND e.seq = a.result_seq
        WHERE {_LOGGED} AND ((b.kind, b.node, b.attempt, b.at, b.data->>'worker') IS DISTINCT FROM
                ('node_started', n.key, a.number, a.started_at, a.worker)
            OR (a.status <> 'running' AND (e.kind, e.node, e.attempt, e.at) IS DISTINCT FROM
                (CASE a.status WHEN 'completed' THEN 'node_completed'
                    WHEN 'late' THEN 'late_result' ELSE 'node_failed' END,
                n.key, a.number, a.completed_at))
            OR a.retry_at IS DISTINCT FROM (e.data->>'retry_at')::timestamptz)
    """,
    "an event names a node of its run": """
        SELECT e.run_id FROM event_tracking e
        LEFT JOIN nodes n ON n.run_id = e.run_id AND n.key = e.node
        WHERE e.node <> '' AND n.id IS NULL
    """,
    "nodes, attempts and model calls belong to a run": """
        SELECT run_id FROM (SELECT run_id FROM nodes UNION SELECT run_id FROM attempts
            UNION SELECT run_id FROM llm_calls UNION SELECT run_id FROM event_tracking) x
        WHERE NOT EXISTS (SELECT FROM jobs WHERE id = run_id)
    """,
}


def broken(*names: str) -> dict[str, list[str]]:
    """Those of the named invariants, or of all, that do not hold, with runs that break them."""
    found = {}
    with connection.cursor() as cursor:
        for name in names or INVARIANTS:
            cursor.execute(f"SELECT * FROM ({INVARIANTS[name]}) found LIMIT 5")
            if rows := cursor.fetchall():
                found[name] = [str(row[0]) for row in rows]
    return found
