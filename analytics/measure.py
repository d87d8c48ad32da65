"""Counting runs: the statements that make rollup rows, of a bucket or of whatever a filter finds.

Each gives rows of one rollup's columns, one set for each hour. A question therefore asks the
rollups and the runs themselves in the same words.
"""

from __future__ import annotations

import uuid

from analytics.histogram import STEP

# When a run counts: its hour; or, of runs that no rollup keeps, its bar of so many seconds.
HOUR_OF = "date_trunc('hour', created_at, 'UTC')"
BAR_OF = "date_bin('{} seconds', created_at, '2000-01-01 00:00+00')"
# `{condition}` is on jobs.
_CHOSEN = """
chosen AS (
    SELECT id, workflow_id, version_id, state, retry_of_id IS NOT NULL AS is_retry,
        {hour} AS at, created_at, started_at, completed_at, cost,
        input_tokens, output_tokens, cached_tokens, error_group, triggered_by,
        CASE WHEN started_at IS NOT NULL THEN
            round(date_part('epoch', completed_at - started_at) * 1000)::bigint END AS ms
    FROM jobs WHERE {condition}
)""".replace("{hour}", HOUR_OF)
# Of a failed run whether a retry of it completed; null: it was not retried. Few failed: only for
# these is it looked up, and once, which OFFSET sees to where it is used.
_RECOVERED = """CASE WHEN state = 'failed' THEN (
    SELECT bool_or(retry.state = 'completed') FROM jobs AS retry WHERE retry.retry_of_id = chosen.id
) END AS is_recovered"""
_KEY = "workflow_id, version_id, at"
# What is in a histogram's step is summed first and these sums then, so that rows are read once.
_STEPS = """
    coalesce(array_agg(step ORDER BY step) FILTER (WHERE step IS NOT NULL), '{}') AS steps,
    coalesce(array_agg(number ORDER BY step) FILTER (WHERE step IS NOT NULL), '{}') AS counts"""


def _stepped(ms: str) -> str:
    return f"CASE WHEN {ms} IS NOT NULL THEN ({STEP.format(ms)})::smallint END AS step"


RUN_COLUMNS = (
    "workflow_id", "version_id", "span", "at", "state", "is_retry", "runs", "timed", "waited_ms",
    "cost", "input_tokens", "output_tokens", "cached_tokens", "retried", "recovered",
    "duration_ms", "longest_ms", "dearest", "steps", "counts",
)  # fmt: skip
_RUN_KEY = f"{_KEY}, state, is_retry"
RUNS = f"""
WITH {_CHOSEN}, looked AS (
    SELECT chosen.*, {_RECOVERED} FROM chosen OFFSET 0
), stepped AS (
    SELECT {_RUN_KEY}, {_stepped("ms")}, count(*)::int AS number, count(ms) AS timed,
        sum(round(date_part('epoch', started_at - created_at) * 1000)) AS waited_ms,
        sum(cost) AS cost, max(cost) AS dearest, sum(input_tokens) AS input_tokens,
        sum(output_tokens) AS output_tokens, sum(cached_tokens) AS cached_tokens,
        count(is_recovered) AS retried, count(*) FILTER (WHERE is_recovered) AS recovered,
        sum(ms) AS duration_ms, max(ms) AS longest_ms
    FROM looked GROUP BY {_RUN_KEY}, step
)
SELECT workflow_id, version_id, 0::smallint AS span, at, state, is_retry, sum(number)::int AS runs,
    sum(timed)::int AS timed, coalesce(sum(waited_ms), 0)::bigint AS waited_ms, sum(cost) AS cost,
    sum(input_tokens)::bigint AS input_tokens, sum(output_tokens)::bigint AS output_tokens,
    sum(cached_tokens)::bigint AS cached_tokens, sum(retried)::int AS retried,
    sum(recovered)::int AS recovered, coalesce(sum(duration_ms), 0)::bigint AS duration_ms,
    coalesce(max(longest_ms), 0) AS longest_ms, max(dearest) AS dearest, {_STEPS}
FROM stepped GROUP BY {_RUN_KEY}
"""

NODE_COLUMNS = (
    "workflow_id", "version_id", "span", "at", "node", "kind", "executed", "completed", "failed",
    "timed", "attempts", "queued_ms", "backoff_ms", "duration_ms", "longest_ms", "steps", "counts",
)  # fmt: skip
_NODE_KEY = f"{_KEY}, node, kind"
# A node's times are those of its newest attempt; what the others took is looked up where there
# were others: work, and pauses between attempts. Without OFFSET the planner would work each
# expression out again wherever it stands further up.
_BEFORE = """
CASE WHEN nodes.attempts > 1 THEN (
    SELECT ARRAY[
        sum(round(date_part('epoch', completed_at - started_at) * 1000))::bigint,
        sum(round(date_part('epoch', greatest(retry_at - completed_at, '0')) * 1000))::bigint
    ] FROM attempts WHERE node_id = nodes.id AND number < nodes.attempts
) END AS before"""
NODES = f"""
WITH {_CHOSEN}, looked AS (
    SELECT chosen.workflow_id, chosen.version_id, chosen.at, nodes.key AS node, nodes.kind,
        nodes.status, nodes.attempts,
        round(date_part('epoch', nodes.completed_at - nodes.started_at) * 1000)::bigint AS ms,
        greatest(0, round(date_part('epoch', nodes.started_at - nodes.queued_at) * 1000))
            AS queued_ms,
        {_BEFORE}
    FROM chosen JOIN nodes ON nodes.run_id = chosen.id {{within nodes}}
    WHERE nodes.started_at IS NOT NULL AND nodes.reused_from IS NULL
    OFFSET 0
), executed AS (
    SELECT workflow_id, version_id, at, node, kind, status, attempts, queued_ms,
        ms + coalesce(before[1], 0) AS ms, coalesce(before[2], 0) AS backoff_ms
    FROM looked OFFSET 0
), stepped AS (
    SELECT {_NODE_KEY}, {_stepped("ms")}, count(*)::int AS number,
        count(*) FILTER (WHERE status = 'completed') AS completed,
        count(*) FILTER (WHERE status = 'failed') AS failed, count(ms) AS timed,
        sum(attempts) AS attempts, sum(queued_ms) AS queued_ms, sum(backoff_ms) AS backoff_ms,
        sum(ms) AS duration_ms, max(ms) AS longest_ms
    FROM executed GROUP BY {_NODE_KEY}, step
)
SELECT workflow_id, version_id, 0::smallint AS span, at, node, kind, sum(number)::int AS executed,
    sum(completed)::int AS completed, sum(failed)::int AS failed, sum(timed)::int AS timed,
    sum(attempts)::bigint AS attempts, coalesce(sum(queued_ms), 0)::bigint AS queued_ms,
    sum(backoff_ms)::bigint AS backoff_ms, coalesce(sum(duration_ms), 0)::bigint AS duration_ms,
    coalesce(max(longest_ms), 0) AS longest_ms, {_STEPS}
FROM stepped GROUP BY {_NODE_KEY}
"""

CALL_COLUMNS = (
    "workflow_id", "version_id", "span", "at", "node", "model", "calls", "input_tokens",
    "output_tokens", "cached_tokens", "cost", "failed_cost", "retry_cost",
)  # fmt: skip
# Few attempts fail: they are found first, and calls are looked for among them.
CALLS = f"""
WITH {_CHOSEN}, failed AS (
    SELECT attempts.run_id, nodes.key AS node, attempts.number AS attempt
    FROM chosen JOIN attempts ON attempts.run_id = chosen.id {{within attempts}}
        AND attempts.status IN ('failed', 'lost', 'late')
    JOIN nodes ON nodes.id = attempts.node_id
)
SELECT chosen.workflow_id, chosen.version_id, 0::smallint AS span, chosen.at, call.node, call.model,
    count(*)::int AS calls, sum(call.input_tokens)::bigint AS input_tokens,
    sum(call.output_tokens)::bigint AS output_tokens,
    sum(call.cached_tokens)::bigint AS cached_tokens, sum(call.cost) AS cost,
    coalesce(sum(call.cost) FILTER (WHERE failed.run_id IS NOT NULL), 0) AS failed_cost,
    coalesce(sum(call.cost) FILTER (WHERE is_retry), 0) AS retry_cost
FROM chosen JOIN llm_calls AS call ON call.run_id = chosen.id {{within call}}
LEFT JOIN failed ON failed.run_id = call.run_id AND failed.node = call.node
    AND failed.attempt = call.attempt
GROUP BY chosen.workflow_id, chosen.version_id, chosen.at, call.node, call.model
"""

FAILURE_COLUMNS = (
    "workflow_id", "version_id", "span", "at", "group", "runs", "retried", "recovered",
    "to_failure_ms", "last_seen", "steps", "counts",
)  # fmt: skip
_FAILURE_KEY = f"{_KEY}, error_group"
FAILURES = f"""
WITH {_CHOSEN}, failed AS (
    SELECT chosen.*, {_RECOVERED},
        round(date_part('epoch', completed_at - coalesce(started_at, created_at)) * 1000)::bigint
            AS took
    FROM chosen WHERE state = 'failed' AND error_group IS NOT NULL OFFSET 0
), stepped AS (
    SELECT {_FAILURE_KEY}, {_stepped("took")}, count(*)::int AS number,
        count(is_recovered) AS retried, count(*) FILTER (WHERE is_recovered) AS recovered,
        sum(took) AS to_failure_ms, max(completed_at) AS last_seen
    FROM failed GROUP BY {_FAILURE_KEY}, step
)
SELECT workflow_id, version_id, 0::smallint AS span, at, error_group AS "group",
    sum(number)::int AS runs, sum(retried)::int AS retried, sum(recovered)::int AS recovered,
    sum(to_failure_ms)::bigint AS to_failure_ms, max(last_seen) AS last_seen, {_STEPS}
FROM stepped GROUP BY {_FAILURE_KEY}
"""

USER_COLUMNS = (
    "workflow_id",
    "version_id",
    "at",
    "triggered_by",
    "runs",
    "failed",
    "cost",
    "tokens",
)
USERS = f"""
WITH {_CHOSEN}
SELECT workflow_id, version_id, date_trunc('day', at, 'UTC') AS at, triggered_by,
    count(*)::int AS runs, (count(*) FILTER (WHERE state = 'failed'))::int AS failed,
    sum(cost) AS cost, sum(input_tokens + output_tokens)::bigint AS tokens
FROM chosen GROUP BY 1, 2, 3, 4
"""

# Of a bucket. `created_at` is what its index is by.
OF_BUCKET = "workflow_id = %(workflow)s AND created_at >= %(at)s AND created_at < %(until)s"


def is_of_parts(template: str) -> bool:
    """Whether it reads what belongs to runs."""
    return "{within " in template


def statement(
    template: str, condition: str, within: tuple[uuid.UUID, uuid.UUID] | None = None
) -> str:
    """The template with a condition on jobs, whose parameters are the caller's.

    `within`: the first and the last id of the runs that it finds, where these are known. What
    belongs to runs stands by their ids, and what is of others need not be read then.
    """
    between = " AND {{}}.run_id BETWEEN '{}' AND '{}'".format(*within) if within else ""
    for name in ("nodes", "attempts", "call"):
        template = template.replace(f"{{within {name}}}", between.format(name))
    return template.replace("{condition}", condition)
