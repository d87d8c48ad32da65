"""Counting runs: the statements that make rollup rows, of a bucket or of whatever a filter finds.

Each gives rows of one rollup's columns, one set for each hour. A question therefore asks the
rollups and the runs themselves in the same words.
"""

from __future__ import annotations

from analytics.histogram import STEP

# `{condition}` is on jobs. What is chosen is read once by each statement.
_CHOSEN = """
chosen AS MATERIALIZED (
    SELECT id, workflow_id, version_id, state, retry_of_id IS NOT NULL AS is_retry,
        date_trunc('hour', created_at, 'UTC') AS at, created_at, started_at, completed_at, cost,
        input_tokens, output_tokens, cached_tokens, error_group, triggered_by,
        CASE WHEN started_at IS NOT NULL THEN
            round(extract(epoch FROM completed_at - started_at) * 1000)::bigint END AS ms
    FROM jobs WHERE {condition}
)"""
# The runs that were retried, and whether a retry of theirs completed.
_RETRIED = """
retried AS (
    SELECT chosen.id, bool_or(retry.state = 'completed') AS recovered
    FROM chosen JOIN jobs AS retry ON retry.retry_of_id = chosen.id
    WHERE chosen.state = 'failed' GROUP BY chosen.id
)"""
_KEY = "workflow_id, version_id, at"


def _steps(name: str, rows: str, keys: str, ms: str) -> str:
    """A CTE with histograms: arrays of steps and of their counts, by `keys`."""
    return f"""
{name} AS (
    SELECT {keys}, array_agg(step ORDER BY step) AS steps, array_agg(count ORDER BY step) AS counts
    FROM (
        SELECT {keys}, ({STEP.format(ms)})::smallint AS step, count(*)::int AS count
        FROM {rows} WHERE {ms} IS NOT NULL GROUP BY {keys}, step
    ) AS stepped GROUP BY {keys}
)"""


RUN_COLUMNS = (
    "workflow_id", "version_id", "span", "at", "state", "is_retry", "runs", "timed", "waited_ms",
    "cost", "input_tokens", "output_tokens", "cached_tokens", "retried", "recovered",
    "duration_ms", "longest_ms", "dearest", "steps", "counts",
)  # fmt: skip
_RUN_KEY = f"{_KEY}, state, is_retry"
RUNS = f"""
WITH {_CHOSEN}, {_RETRIED}, {_steps("stepped", "chosen", _RUN_KEY, "ms")}, summed AS (
    SELECT {_RUN_KEY}, count(*)::int AS runs, count(ms)::int AS timed,
        coalesce(sum(round(extract(epoch FROM started_at - created_at) * 1000)), 0)::bigint
            AS waited_ms,
        sum(cost) AS cost, max(cost) AS dearest, sum(input_tokens)::bigint AS input_tokens,
        sum(output_tokens)::bigint AS output_tokens, sum(cached_tokens)::bigint AS cached_tokens,
        count(retried.id)::int AS retried,
        (count(*) FILTER (WHERE retried.recovered))::int AS recovered,
        coalesce(sum(ms), 0)::bigint AS duration_ms, coalesce(max(ms), 0) AS longest_ms
    FROM chosen LEFT JOIN retried USING (id) GROUP BY {_RUN_KEY}
)
SELECT workflow_id, version_id, 0::smallint AS span, at, state, is_retry, runs, timed, waited_ms,
    cost, input_tokens, output_tokens, cached_tokens, retried, recovered, duration_ms, longest_ms,
    dearest, coalesce(steps, '{{}}') AS steps, coalesce(counts, '{{}}') AS counts
FROM summed LEFT JOIN stepped USING ({_RUN_KEY})
"""

NODE_COLUMNS = (
    "workflow_id", "version_id", "span", "at", "node", "kind", "executed", "completed", "failed",
    "timed", "attempts", "queued_ms", "backoff_ms", "duration_ms", "longest_ms", "steps", "counts",
)  # fmt: skip
_NODE_KEY = f"{_KEY}, node, kind"
# A node's times are those of its newest attempt; what the others took is looked up where there
# were others.
NODES = f"""
WITH {_CHOSEN}, executed AS MATERIALIZED (
    SELECT chosen.workflow_id, chosen.version_id, chosen.at, nodes.key AS node, nodes.kind,
        nodes.status, nodes.attempts,
        round(extract(epoch FROM nodes.completed_at - nodes.started_at) * 1000)::bigint
            + coalesce(before.worked_ms, 0) AS ms,
        greatest(0, round(extract(epoch FROM nodes.started_at - nodes.queued_at) * 1000))::bigint
            AS queued_ms,
        coalesce(before.backoff_ms, 0) AS backoff_ms
    FROM chosen JOIN nodes ON nodes.run_id = chosen.id
    LEFT JOIN LATERAL (
        SELECT sum(round(extract(epoch FROM completed_at - started_at) * 1000))::bigint
                AS worked_ms,
            sum(round(extract(epoch FROM greatest(retry_at - completed_at, '0')) * 1000))::bigint
                AS backoff_ms
        FROM attempts WHERE node_id = nodes.id AND number < nodes.attempts
    ) AS before ON nodes.attempts > 1
    WHERE nodes.started_at IS NOT NULL AND nodes.reused_from IS NULL
), {_steps("stepped", "executed", _NODE_KEY, "ms")}, summed AS (
    SELECT {_NODE_KEY}, count(*)::int AS executed,
        (count(*) FILTER (WHERE status = 'completed'))::int AS completed,
        (count(*) FILTER (WHERE status = 'failed'))::int AS failed,
        count(ms)::int AS timed, sum(attempts)::bigint AS attempts,
        coalesce(sum(queued_ms), 0)::bigint AS queued_ms, sum(backoff_ms)::bigint AS backoff_ms,
        coalesce(sum(ms), 0)::bigint AS duration_ms, coalesce(max(ms), 0) AS longest_ms
    FROM executed GROUP BY {_NODE_KEY}
)
SELECT workflow_id, version_id, 0::smallint AS span, at, node, kind, executed, completed, failed,
    timed, attempts, queued_ms, backoff_ms, duration_ms, longest_ms,
    coalesce(steps, '{{}}') AS steps, coalesce(counts, '{{}}') AS counts
FROM summed LEFT JOIN stepped USING ({_NODE_KEY})
"""

CALL_COLUMNS = (
    "workflow_id", "version_id", "span", "at", "node", "model", "calls", "input_tokens",
    "output_tokens", "cached_tokens", "cost", "failed_cost", "retry_cost",
)  # fmt: skip
CALLS = f"""
WITH {_CHOSEN}
SELECT chosen.workflow_id, chosen.version_id, 0::smallint AS span, chosen.at, call.node, call.model,
    count(*)::int AS calls, sum(call.input_tokens)::bigint AS input_tokens,
    sum(call.output_tokens)::bigint AS output_tokens,
    sum(call.cached_tokens)::bigint AS cached_tokens, sum(call.cost) AS cost,
    coalesce(sum(call.cost) FILTER (WHERE attempts.status IN ('failed', 'lost', 'late')), 0)
        AS failed_cost,
    coalesce(sum(call.cost) FILTER (WHERE is_retry), 0) AS retry_cost
FROM chosen JOIN llm_calls AS call ON call.run_id = chosen.id
LEFT JOIN nodes ON nodes.run_id = chosen.id AND nodes.key = call.node
LEFT JOIN attempts ON attempts.node_id = nodes.id AND attempts.number = call.attempt
GROUP BY chosen.workflow_id, chosen.version_id, chosen.at, call.node, call.model
"""

FAILURE_COLUMNS = (
    "workflow_id", "version_id", "span", "at", "group", "runs", "retried", "recovered",
    "to_failure_ms", "last_seen", "steps", "counts",
)  # fmt: skip
_FAILURE_KEY = f"{_KEY}, error_group"
FAILURES = f"""
WITH {_CHOSEN}, {_RETRIED}, failed AS MATERIALIZED (
    SELECT chosen.*, round(extract(epoch FROM completed_at - coalesce(started_at, created_at))
        * 1000)::bigint AS took
    FROM chosen WHERE state = 'failed' AND error_group IS NOT NULL
), {_steps("stepped", "failed", _FAILURE_KEY, "took")}, summed AS (
    SELECT {_FAILURE_KEY}, count(*)::int AS runs, count(retried.id)::int AS retried,
        (count(*) FILTER (WHERE retried.recovered))::int AS recovered,
        sum(took)::bigint AS to_failure_ms, max(completed_at) AS last_seen
    FROM failed LEFT JOIN retried USING (id) GROUP BY {_FAILURE_KEY}
)
SELECT workflow_id, version_id, 0::smallint AS span, at, error_group AS "group", runs, retried,
    recovered, to_failure_ms, last_seen, steps, counts
FROM summed JOIN stepped USING ({_FAILURE_KEY})
"""

USER_COLUMNS = ("workflow_id", "at", "triggered_by", "runs", "failed", "cost", "tokens")
USERS = f"""
WITH {_CHOSEN}
SELECT workflow_id, date_trunc('day', at, 'UTC') AS at, triggered_by, count(*)::int AS runs,
    (count(*) FILTER (WHERE state = 'failed'))::int AS failed, sum(cost) AS cost,
    sum(input_tokens + output_tokens)::bigint AS tokens
FROM chosen GROUP BY 1, 2, 3
"""

# Of a bucket. `created_at` is what its index is by.
OF_BUCKET = "workflow_id = %(workflow)s AND created_at >= %(at)s AND created_at < %(until)s"


def statement(template: str, condition: str) -> str:
    """The template with a condition on jobs, whose parameters are the caller's."""
    return template.replace("{condition}", condition)
