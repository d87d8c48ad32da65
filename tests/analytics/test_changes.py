"""What changed is named, with where to look; what did not, or is of few runs, is not."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from urllib.parse import parse_qs

import pytest
from django.db import transaction

from analytics import histogram, upkeep
from analytics.changes import changes
from analytics.models import (
    CallRollup,
    FailureGroup,
    FailureRollup,
    NodeRollup,
    RunRollup,
    SampleRollup,
    Span,
)
from analytics.scope import DAY, scope_of
from runs.filters import RunFilter
from runs.fingerprint import public
from runs.models import WorkflowVersion
from tests.runs.stories import node, publish

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 3, 20, 12, 0, tzinfo=UTC)
SINCE = NOW - DAY
# Hours in which something was counted: one of each day before, and one of the last day.
BEFORE = [SINCE - timedelta(days=days, hours=3) for days in range(1, 7)]
TODAY = [NOW - timedelta(hours=3)]


@pytest.fixture
def version(db):
    made = publish(node("ocr"), node("extract", "ocr"), slug="invoices")
    WorkflowVersion.objects.filter(pk=made.pk).update(created_at=NOW - timedelta(days=90))
    return made


def count(version, hours, *, runs=50, failed=2, cost="1", nodes=None, waited=200, share=0.95):
    """Rollups of these hours. `nodes`: by key, ms that it works and ms that it waits."""
    own = {"workflow_id": version.workflow_id, "version_id": version.pk, "span": Span.HOUR}
    for at in hours:
        for state, number in (("completed", runs - failed), ("failed", failed)):
            RunRollup.objects.create(
                **own, at=at, state=state, is_retry=False, runs=number, timed=number,
                waited_ms=waited * number, cost=Decimal(cost) * number,
                steps=[histogram.step(9_000)], counts=[number],
            )  # fmt: skip
        for key, (works, waits) in (nodes or {"ocr": (2_000, 100)}).items():
            NodeRollup.objects.create(
                **own, at=at, node=key, kind="executor", executed=runs, timed=runs,
                queued_ms=waits * runs, steps=[histogram.step(works)], counts=[runs],
            )  # fmt: skip
            CallRollup.objects.create(
                **own, at=at, node=key, model="m", calls=runs, input_tokens=1, output_tokens=1,
                cost=Decimal(cost) * runs,
            )  # fmt: skip
        SampleRollup.objects.create(
            **own, at=at, runs=runs, actual_ms=10_000 * runs, ideal_ms=int(share * 10_000) * runs
        )
        with transaction.atomic():
            upkeep.count_day(version.workflow_id, at.replace(hour=0))


def fail(version, at, group, *, runs=9, first_seen=None, **more):
    FailureRollup.objects.create(
        workflow_id=version.workflow_id, version_id=version.pk, span=Span.HOUR, at=at, group=group,
        runs=runs, last_seen=at,
    )  # fmt: skip
    FailureGroup.objects.get_or_create(
        pk=group,
        defaults={
            "kind": "SchemaMismatch", "node": "extract", "message": "# columns", "sample": "7",
            "first_seen": first_seen or at, "last_seen": at, **more,
        },
    )  # fmt: skip


def found():
    scope = scope_of(RunFilter(created_from=SINCE, created_to=NOW), NOW)
    return {each.kind: each for each in changes(scope, scope.moved(SINCE - 7 * DAY, SINCE))}


def asked(change):
    return {name: value for name, [value] in parse_qs(change.query.removeprefix("?")).items()}


def test_where_all_is_as_usual_nothing_is_named(version):
    count(version, BEFORE)
    count(version, TODAY)
    fail(version, TODAY[0], 7, first_seen=SINCE - 30 * DAY)
    assert found() == {}


def test_a_slow_node_is_named_and_leads_to_its_workflow(version):
    count(version, BEFORE, nodes={"ocr": (2_000, 100), "extract": (3_000, 100)})
    count(version, TODAY, nodes={"ocr": (2_000, 100), "extract": (9_000, 100)})
    change = found()["slower"]
    assert change.title == "extract of invoices takes longer"
    # Histograms are off by up to two and a half per cent.
    assert change.evidence == "median 8.9 s, 3.1 s usually; 50 runs"
    assert (change.page, asked(change)["workflow"]) == ("duration", "invoices")


def test_a_jump_of_cost_is_named_with_the_node_that_most_of_it_is_at(version):
    count(version, BEFORE, cost="0.1")
    count(version, TODAY, cost="0.3")
    change = found()["dearer"]
    assert change.title == "A run of invoices costs +200 %"
    assert "most of it at ocr" in change.evidence
    assert change.page == "cost"


def test_waiting_in_line_is_named_with_the_node_that_waits(version):
    count(version, BEFORE, nodes={"ocr": (2_000, 100), "extract": (3_000, 200)})
    count(version, TODAY, nodes={"ocr": (2_000, 100), "extract": (3_000, 12_000)}, share=0.7)
    change = found()["waiting in line"]
    assert change.title == "invoices runs less side by side"
    assert "70 %, 95 % usually; extract waits 12.0 s for a worker, 200 ms usually" in (
        change.evidence
    )


def test_a_new_failure_is_named_with_the_version_that_it_came_with(version):
    count(version, BEFORE)
    count(version, TODAY)
    newer = WorkflowVersion.objects.create(workflow=version.workflow, number=2, definition={})
    WorkflowVersion.objects.filter(pk=newer.pk).update(created_at=TODAY[0] - timedelta(hours=1))
    fail(newer, TODAY[0], 7)
    change = found()["new failure"]
    assert change.title == "SchemaMismatch in extract of invoices is new"
    assert change.evidence == "9 runs since version 2: # columns"
    assert (change.page, asked(change)["group"]) == ("runs", public(7))
    published = found()["version"]
    assert published.is_good
    assert (asked(published)["version"], asked(published)["compare"]) == ("2", "v1")


def test_a_failure_that_was_resolved_and_came_back_is_named_first(version):
    count(version, BEFORE)
    count(version, TODAY)
    fail(version, TODAY[0], 8)
    fail(version, TODAY[0], 7, runs=1, first_seen=SINCE - 30 * DAY, reopened_at=TODAY[0])
    assert list(found()) == ["reopened", "new failure"]
    assert found()["reopened"].title.endswith("is back")


def test_failing_more_often_and_waiting_longer_for_a_start_are_named(version):
    count(version, BEFORE)
    count(version, TODAY, failed=20, waited=9_000)
    named = found()
    assert named["failing"].evidence == "40 % of 50 runs, 4.0 % usually"
    assert named["waiting for a start"].evidence == "9.0 s on average, 200 ms usually"


def test_of_few_runs_nothing_is_said(version):
    count(version, BEFORE, runs=10, failed=0)
    count(
        version, TODAY, runs=10, failed=8, cost="90", nodes={"ocr": (90_000, 60_000)},
        waited=90_000, share=0.1,
    )  # fmt: skip
    fail(version, TODAY[0], 7, runs=2)
    assert found() == {}
