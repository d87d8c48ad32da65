"""Every filter of the list reads few rows, whatever stands in the table: by an index, unsorted."""

import re
from datetime import UTC, datetime

import pytest
from django.db import connection, transaction
from django.http import QueryDict

from runs.filters import RunFilter
from runs.models import Run
from runs.paging import Cursor, first_of
from runs.views.runs_list import PAGE_SIZE, rows
from tests.runs.stories import node, publish

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
COUNT = 30_000
# Rows that may be read and thrown away for a page of 50.
WASTE = 1_500

# A run each minute. Most are completed runs of one workflow on a schedule; rare ones are old.
FILL = """
    INSERT INTO jobs (
        id, workflow_id, version_id, state, state_seq, last_seq, created_at, started_at,
        completed_at, trigger, triggered_by, ref_type, ref_id, cost, input_tokens, output_tokens,
        cached_tokens, nodes_total, nodes_done, current_node, error_node, error_kind,
        error_message, ended_by, reason)
    SELECT gen_random_uuid(), CASE WHEN i > 29900 THEN %(rare)s ELSE %(usual)s END,
        CASE WHEN i > 29900 THEN %(rare_version)s ELSE %(usual_version)s END,
        state, 1, 1, %(now)s - i * interval '1 minute', NULL,
        CASE WHEN state IN ('completed', 'failed', 'terminated') THEN %(now)s END,
        CASE WHEN i > 29900 THEN 'webhook' ELSE 'schedule' END,
        CASE WHEN i %% 9000 = 7 THEN 'rare.person' ELSE 'cron' END,
        '', '', 0, 0, 0, 0, 0, 0, '', '', '', '', '', ''
    FROM generate_series(1, %(count)s) i, LATERAL (
        SELECT CASE WHEN i <= 40 THEN 'active' WHEN i %% 10 = 3 THEN 'failed'
            WHEN i > 29950 THEN 'terminated' ELSE 'completed' END AS state
    ) states
"""


@pytest.fixture
def full(db):
    with transaction.atomic():
        publish(node("a"), slug="gone")
        transaction.set_rollback(True)
    with connection.cursor() as cursor:
        # Small tables are seldom analysed: the planner goes on taking these for empty.
        cursor.execute("ANALYZE workflows, workflow_versions")
    usual, rare = publish(node("a"), slug="usual"), publish(node("a"), slug="rare")
    with connection.cursor() as cursor:
        # Undone with the test's transaction; thirty thousand deferred checks take long.
        cursor.execute("ALTER TABLE jobs DISABLE TRIGGER USER")
        cursor.execute(
            FILL,
            {
                "now": NOW,
                "count": COUNT,
                "usual": usual.workflow_id,
                "usual_version": usual.pk,
                "rare": rare.workflow_id,
                "rare_version": rare.pk,
            },
        )
        cursor.execute("ANALYZE jobs")


def assert_cheap(runs):
    plan = first_of(runs, PAGE_SIZE + 1, rows()).explain(analyze=True)
    assert "Seq Scan on jobs" not in plan, plan
    removed = sum(map(int, re.findall(r"Rows Removed by Filter: (\d+)", plan)))
    assert removed <= WASTE, plan
    # What is sorted, if anything, is less than the page.
    sorted_rows = re.findall(r"Sort .*?rows=(\d+)(?:\.\d+)? loops", plan)
    assert all(int(count) <= PAGE_SIZE + 1 for count in sorted_rows), plan


def test_every_filter_is_answered_by_an_index(full):
    for query in (
        "", "state=running", "state=failed", "state=terminated", "state=queued",
        "workflow=usual", "workflow=rare", "workflow=none", "workflow=usual&state=failed",
        "workflow=rare&state=terminated", "created=1h", "created=30d&state=completed",
        "created_to=2026-11-03", "triggered_by=cron", "triggered_by=rare.person",
        "triggered_by=nobody", "trigger=schedule", "trigger=webhook", "trigger=api",
        "trigger=webhook&state=terminated", "triggered_by=rare.person&workflow=rare",
    ):  # fmt: skip
        chosen, errors = RunFilter.parse(QueryDict(query))
        assert not errors
        assert_cheap(chosen.apply(Run.objects.all(), NOW).newest_first())


def test_a_deep_page_costs_what_the_first_one_does(full):
    deep = Cursor.of(Run.objects.newest_first()[25_000])
    for query in ("", "state=failed", "workflow=usual", "workflow=usual&state=failed"):
        chosen, _ = RunFilter.parse(QueryDict(query))
        runs = chosen.apply(Run.objects.all(), NOW)
        assert_cheap(runs.older_than(deep.created_at, deep.id))
        assert_cheap(runs.newer_than(deep.created_at, deep.id))
