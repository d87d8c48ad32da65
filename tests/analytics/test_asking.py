"""Questions give the same from the rollups and from the runs themselves."""

from datetime import timedelta
from decimal import Decimal

import pytest

from analytics import asking
from analytics.scope import TooWide, scope_of
from runs.filters import RunFilter
from tests.analytics.test_upkeep import ZERO, begun, call, end, fail, settled, work
from tests.runs.stories import node, publish

pytestmark = pytest.mark.django_db(transaction=True)
NOW = ZERO + timedelta(days=3)
TABLES = {
    "analytics_runs": (["state"], ["runs", "cost", "duration_ms"], True),
    "analytics_nodes": (["node"], ["executed", "failed", "duration_ms", "queued_ms"], True),
    "analytics_calls": (["model", "node"], ["calls", "cost", "failed_cost"], False),
    "analytics_failures": (["group"], ["runs", "retried"], True),
}


@pytest.fixture
def told(db):
    version = publish(node("ocr"), node("extract", "ocr"))
    other = publish(node("ocr"), slug="claims")
    settled()
    for number in range(6):
        story = begun(version, zero=ZERO + timedelta(hours=number), by=["maria", "ben"][number % 2])
        work(story, seconds=number + 1)
        call(story, f"0.0{number}", at=3)
        if number % 3:
            end(story, after=20)
        else:
            fail(story, at=30)
    end(begun(other, zero=ZERO + timedelta(hours=1)))
    settled()
    return version


def both(wanted, **more):
    """The scope by the rollups, and one that asks the runs for the same."""
    rolled = scope_of(wanted, NOW, **more)
    assert rolled.rolled
    direct = scope_of(wanted.with_(created="", created_from=rolled.since, created_to=rolled.until,
                                   trigger="manual"), NOW, **more)  # fmt: skip
    assert not direct.rolled
    return rolled, direct


def plain(rows):
    return [(dict(row.key), dict(row.sums), dict(row.steps)) for row in rows]


@pytest.mark.parametrize("table", TABLES)
@pytest.mark.parametrize("of", ["", "invoice_processing"])
@pytest.mark.parametrize("trend", [False, True])
def test_rollups_and_runs_say_the_same(told, table, of, trend):
    keys, sums, steps = TABLES[table]
    answers = []
    for scope in both(RunFilter(workflow=of, created="7d")):
        bar = scope.bar if trend else None
        rows = asking.total(scope, table, keys, sums, steps=steps, bar=bar)
        answers.append(sorted(plain(rows), key=repr))
    assert answers[0] == answers[1] != []


def test_everything_together(told):
    scope = scope_of(RunFilter(created="30d"), NOW)
    [row] = asking.total(scope, "analytics_runs", sums=["runs", "cost"], steps=True)
    assert row["runs"] == 7
    assert row["cost"] == Decimal("0.15")
    assert sum(row.steps.values()) == 7
    assert row.percentile(0.5) == pytest.approx(19_000, rel=0.03)


def test_of_one_version(told):
    scope = scope_of(RunFilter(workflow="invoice_processing"), NOW, version=told)
    [row] = asking.total(scope, "analytics_runs", sums=["runs"])
    assert row["runs"] == 6


def test_the_time_before(told):
    scope = scope_of(
        RunFilter(created_from=ZERO + timedelta(hours=3), created_to=ZERO + timedelta(hours=6)), NOW
    )
    assert [
        row["runs"] for row in asking.total(scope.before(), "analytics_runs", sums=["runs"])
    ] == [4]


def test_nothing_is_nothing(told):
    scope = scope_of(RunFilter(created_from=NOW - timedelta(hours=2)), NOW)
    assert [row["runs"] for row in asking.total(scope, "analytics_runs", sums=["runs"])] == [0]
    assert asking.total(scope, "analytics_runs", ["state"], ["runs"], steps=True) == []


def test_other_filters_are_for_seven_days():
    with pytest.raises(TooWide, match="seven days"):
        scope_of(RunFilter(created="30d", trigger="api"), NOW)
