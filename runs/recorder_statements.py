"""The statements of a batch that the recorder writes. Each takes any number of rows: one array a
column, in the order in which the batch gives them.
"""

INSERT_RUNS = """
INSERT INTO jobs (id, workflow_id, version_id, state, state_seq, last_seq, created_at,
    start_deadline, trigger, triggered_by, ref_type, ref_id, retry_of_id, first_id, cost,
    input_tokens, output_tokens, cached_tokens, nodes_total, nodes_done, current_node, error_node,
    error_kind, error_message, ended_by, reason, source_id, external_id)
SELECT id, workflow, version, 'created', 1, last_seq, created, deadline, trigger, by, ref_type,
    ref_id, retry_of, first, 0, 0, 0, 0, total, done, '', '', '', '', '', '', source, external_id
FROM unnest(%s::uuid[], %s::bigint[], %s::bigint[], %s::int[], %s::timestamptz[],
    %s::timestamptz[], %s::text[], %s::text[], %s::text[], %s::text[], %s::uuid[], %s::uuid[],
    %s::int[], %s::int[], %s::bigint[], %s::text[])
    AS new(id, workflow, version, last_seq, created, deadline, trigger, by, ref_type, ref_id,
        retry_of, first, total, done, source, external_id)
"""
INSERT_NODES = """
INSERT INTO nodes (run_id, key, position, kind, executor, queue, status, attempts, failures,
    error_kind, error_message, cost)
SELECT *, 0, 0, '', '', 0
FROM unnest(%s::uuid[], %s::text[], %s::int[], %s::text[], %s::text[], %s::text[], %s::text[])
"""
INSERT_EVENTS = """
INSERT INTO event_tracking
    (run_id, seq, kind, node, attempt, actor, at, data, source_id, sender_id, recorded_at)
SELECT *, %s FROM unnest(%s::uuid[], %s::int[], %s::text[], %s::text[], %s::smallint[],
    %s::text[], %s::timestamptz[], %s::text[]::jsonb[], %s::bigint[], %s::text[])
"""
# The payloads do not leave the database: there may be a thousand of a megabyte each.
COPY_EVENTS = """
INSERT INTO event_tracking
    (run_id, seq, kind, node, attempt, actor, at, data, recorded_at)
SELECT new.run_id, new.seq, new.kind, new.node, new.attempt, new.actor, new.at,
    new.data || jsonb_build_object('output', done.data->'output')
        || CASE WHEN began.data ? 'input'
            THEN jsonb_build_object('input', began.data->'input') ELSE '{}' END,
    %s
FROM unnest(%s::uuid[], %s::int[], %s::text[], %s::text[], %s::smallint[], %s::text[],
    %s::timestamptz[], %s::text[]::jsonb[], %s::uuid[], %s::int[], %s::int[])
    AS new(run_id, seq, kind, node, attempt, actor, at, data, of_run, input_seq, output_seq)
JOIN event_tracking AS done ON done.run_id = of_run AND done.seq = output_seq
LEFT JOIN event_tracking AS began ON began.run_id = of_run AND began.seq = input_seq
"""
UPDATE_RUNS = """
UPDATE jobs SET state = new.state, state_seq = new.state_seq, last_seq = new.last_seq,
    started_at = new.started_at, completed_at = new.completed_at, cost = new.cost,
    input_tokens = new.input_tokens, output_tokens = new.output_tokens,
    cached_tokens = new.cached_tokens, nodes_total = new.nodes_total, nodes_done = new.nodes_done,
    current_node = new.current_node, error_node = new.error_node, error_kind = new.error_kind,
    error_message = new.error_message, error_group = new.error_group, ended_by = new.ended_by,
    reason = new.reason
FROM unnest(%s::uuid[], %s::text[], %s::int[], %s::int[], %s::timestamptz[], %s::timestamptz[],
    %s::numeric[], %s::bigint[], %s::bigint[], %s::bigint[], %s::int[], %s::int[], %s::text[],
    %s::text[], %s::text[], %s::text[], %s::bigint[], %s::text[], %s::text[])
    AS new(id, state, state_seq, last_seq, started_at, completed_at, cost, input_tokens,
        output_tokens, cached_tokens, nodes_total, nodes_done, current_node, error_node, error_kind,
        error_message, error_group, ended_by, reason)
WHERE jobs.id = new.id
"""
TOUCH_RUNS = """
UPDATE jobs SET last_seq = new.last_seq
FROM unnest(%s::uuid[], %s::int[]) AS new(id, last_seq) WHERE jobs.id = new.id
"""
PASS_THROUGH = """
UPDATE jobs SET state = new.state, state_seq = new.seq, last_seq = greatest(last_seq, new.seq)
FROM unnest(%s::uuid[], %s::text[], %s::int[]) AS new(id, state, seq) WHERE jobs.id = new.id
"""
UPDATE_NODES = """
UPDATE nodes SET status = new.status, attempts = new.attempts, failures = new.failures,
    queued_at = new.queued_at, started_at = new.started_at, completed_at = new.completed_at,
    input_seq = new.input_seq, output_seq = new.output_seq, error_seq = new.error_seq,
    error_kind = new.error_kind, error_message = new.error_message, selected = new.selected,
    progress_done = new.progress_done, progress_total = new.progress_total, cost = new.cost
FROM unnest(%s::uuid[], %s::text[], %s::text[], %s::smallint[], %s::smallint[],
    %s::timestamptz[], %s::timestamptz[], %s::timestamptz[], %s::int[], %s::int[], %s::int[],
    %s::text[], %s::text[], %s::text[]::jsonb[], %s::bigint[], %s::bigint[], %s::numeric[])
    AS new(run_id, key, status, attempts, failures, queued_at, started_at, completed_at, input_seq,
        output_seq, error_seq, error_kind, error_message, selected, progress_done,
        progress_total, cost)
WHERE nodes.run_id = new.run_id AND nodes.key = new.key
"""
MARK_REUSED = """
UPDATE nodes SET reused_from = new.of_run
FROM unnest(%s::uuid[], %s::text[], %s::uuid[]) AS new(run_id, key, of_run)
WHERE nodes.run_id = new.run_id AND nodes.key = new.key
"""
BEGIN_ATTEMPTS = """
WITH new AS (
    SELECT nodes.id AS node_id, new.* FROM unnest(%s::uuid[], %s::text[], %s::smallint[],
        %s::text[], %s::timestamptz[], %s::int[], %s::timestamptz[], %s::timestamptz[])
        AS new(run_id, key, number, worker, started_at, input_seq, expires_at, deadline)
    JOIN nodes ON nodes.run_id = new.run_id AND nodes.key = new.key
), lease AS (
    INSERT INTO leases (node_id, run_id, attempt, worker, renewed_at, expires_at, deadline)
    SELECT node_id, run_id, number, worker, started_at, expires_at, deadline FROM new
    WHERE expires_at IS NOT NULL
    ON CONFLICT (node_id) DO UPDATE SET attempt = excluded.attempt, worker = excluded.worker,
        renewed_at = excluded.renewed_at, expires_at = excluded.expires_at,
        deadline = excluded.deadline
)
INSERT INTO attempts (node_id, run_id, number, status, worker, started_at, input_seq, error_kind,
    error_message)
SELECT node_id, run_id, number, 'running', worker, started_at, input_seq, '', '' FROM new
-- One that is reported to begin after its result.
ON CONFLICT (node_id, number) DO UPDATE SET worker = excluded.worker,
    started_at = least(attempts.started_at, excluded.started_at), input_seq = excluded.input_seq
"""
END_ATTEMPTS = """
WITH ended AS (
    SELECT nodes.id AS node_id, new.* FROM unnest(%s::uuid[], %s::text[], %s::smallint[],
        %s::text[], %s::timestamptz[], %s::int[], %s::timestamptz[], %s::text[], %s::text[])
        AS new(run_id, key, number, status, completed_at, result_seq, retry_at, error_kind,
            error_message)
    JOIN nodes ON nodes.run_id = new.run_id AND nodes.key = new.key
), lease AS (
    DELETE FROM leases USING ended
    WHERE leases.node_id = ended.node_id AND leases.attempt = ended.number
)
UPDATE attempts SET status = ended.status,
    completed_at = greatest(ended.completed_at, attempts.started_at),
    result_seq = ended.result_seq, retry_at = ended.retry_at, error_kind = ended.error_kind,
    error_message = ended.error_message
FROM ended WHERE attempts.node_id = ended.node_id AND attempts.number = ended.number
"""
SET_READY = """
INSERT INTO ready_nodes (node_id, run_id, ready_at, hints, queue, gate, held)
SELECT nodes.id, new.run_id, new.ready_at, 0, nodes.queue, new.gate, new.gate <> ''
FROM unnest(%s::uuid[], %s::text[], %s::timestamptz[], %s::text[])
    AS new(run_id, key, ready_at, gate)
JOIN nodes ON nodes.run_id = new.run_id AND nodes.key = new.key
ON CONFLICT (node_id) DO UPDATE SET ready_at = excluded.ready_at, hint_due = NULL, hints = 0,
    gate = excluded.gate, held = excluded.held, declined_at = NULL
"""
UNSET_READY = """
DELETE FROM ready_nodes USING nodes, unnest(%s::uuid[], %s::text[]) AS gone(run_id, key)
WHERE nodes.run_id = gone.run_id AND nodes.key = gone.key AND ready_nodes.node_id = nodes.id
"""
INSERT_DECISIONS = """
INSERT INTO decisions (node_id, run_id, title, people, groups, asked_at, due_at, decided_by, act)
SELECT nodes.id, new.run_id, new.title, ARRAY(SELECT jsonb_array_elements_text(new.people)),
    ARRAY(SELECT jsonb_array_elements_text(new.groups)), new.asked_at, new.due_at, '', ''
FROM unnest(%s::uuid[], %s::text[], %s::text[], %s::text[]::jsonb[], %s::text[]::jsonb[],
    %s::timestamptz[], %s::timestamptz[])
    AS new(run_id, key, title, people, groups, asked_at, due_at)
JOIN nodes ON nodes.run_id = new.run_id AND nodes.key = new.key
"""
CLOSE_DECISIONS = """
UPDATE decisions SET act = new.act, decided_by = new.by, decided_at = new.at
FROM unnest(%s::uuid[], %s::text[], %s::text[], %s::text[], %s::timestamptz[])
    AS new(run_id, key, act, by, at)
JOIN nodes ON nodes.run_id = new.run_id AND nodes.key = new.key
WHERE decisions.node_id = nodes.id
"""
INSERT_MODEL_CALLS = """
INSERT INTO llm_calls (run_id, seq, node, attempt, model, input_tokens, output_tokens,
    cached_tokens, cost, at)
SELECT * FROM unnest(%s::uuid[], %s::int[], %s::text[], %s::smallint[], %s::text[], %s::bigint[],
    %s::bigint[], %s::bigint[], %s::numeric[], %s::timestamptz[])
"""
INSERT_OUTBOX = """
INSERT INTO outbox (run_id, first_seq, last_seq, recorded_at)
SELECT *, %s FROM unnest(%s::uuid[], %s::int[], %s::int[])
"""
