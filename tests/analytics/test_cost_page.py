"""ANALYZE → Cost: every total is the sum of the model calls, to the last digit."""

import csv
import io
from datetime import timedelta
from decimal import Decimal

import pytest
from django.db import connection
from django.urls import reverse

from runs.rows import NewEvent
from runs.states import Kind
from tests.analytics.pages import chart, figures, person, text
from tests.analytics.test_failures_page import listed
from tests.analytics.test_upkeep import ZERO, begun, call, end, fail, settled, work
from tests.runs.stories import node, publish

pytestmark = pytest.mark.django_db(transaction=True)
# From the evening before to the evening after: a whole day and parts of two.
SEEN = {"created_from": "2026-03-01T20:00Z", "created_to": "2026-03-03T20:00Z", "as": "json"}
COSTS = ("0.0000000001", "0.1234567891", "1.9999999999", "12.0000000003", "0.7")


@pytest.fixture
def client_of_ben(client):
    client.force_login(person("ben", "runs.view_run"))
    return client


@pytest.fixture
def url():
    return reverse("analysis_cost")


@pytest.fixture
def told(db):
    """Two workflows; a failed attempt and a retry that cost something."""
    version = publish(node("ocr"), node("extract", "ocr"))
    other = publish(node("ocr"), slug="claims")
    settled()
    stories = []
    for number, cost in enumerate(COSTS):
        story = begun(
            [version, other][number % 2],
            zero=ZERO + timedelta(hours=5 * number - 1),
            by=["maria", "ben"][number % 2],
        )
        work(story, at=1)
        call(story, cost, at=4)
        if number == 2:
            fail(story, at=9)
        else:
            end(story, after=9)
        stories.append(story)
    again = begun(version, zero=ZERO + timedelta(hours=3), retry_of=stories[2].run)
    started = {"worker": "w", "input": {}, "timeout_seconds": 5}
    again.at(1).tell(NewEvent(Kind.NODE_STARTED, node="ocr", attempt=1, data=started))
    call(again, "0.0000000007", at=2)
    error = {"kind": "ValueError", "message": "torn", "retryable": True}
    again.at(3).tell(NewEvent(Kind.NODE_FAILED, node="ocr", attempt=1, data={"error": error}))
    fail(again, at=5)
    settled()
    return version, other


def ledger(condition="true"):
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT coalesce(sum(llm_calls.cost), 0) FROM llm_calls"
            f" JOIN jobs ON jobs.id = run_id WHERE {condition}"
        )
        return cursor.fetchone()[0]


def sums(found):
    """The totals that the page's parts come to."""
    parts = {"trend": sum(Decimal(bar["cost"]) for bar in found["trend"])}
    for name in ("workflows", "nodes", "models", "people"):
        listed = sum(Decimal(line["cost"]) for line in found[name])
        parts[name] = listed + Decimal(found["not_listed"][name])
    return parts


def test_every_total_is_the_ledgers_to_the_last_digit(told, client_of_ben, url):
    found = client_of_ben.get(url, SEEN).json()
    whole = ledger()
    assert whole == sum(map(Decimal, COSTS)) + Decimal("0.0000000007")
    assert Decimal(found["total"]) == whole
    assert set(sums(found).values()) == {whole}
    assert sum(Decimal(line["cost"]) for line in found["people"]) == whole
    assert sum(Decimal(run["cost"]) for run in found["runs"]) == whole


def test_a_filter_is_answered_from_the_runs_with_the_same_digits(told, client_of_ben, url):
    found = client_of_ben.get(url, {**SEEN, "triggered_by": "maria"}).json()
    assert Decimal(found["total"]) == ledger("triggered_by = 'maria'") > 0
    assert set(sums(found).values()) == {Decimal(found["total"])}


def test_of_one_workflow_and_version(told, client_of_ben, url):
    asked = {**SEEN, "workflow": "claims", "version": 1}
    found = client_of_ben.get(url, asked).json()
    assert Decimal(found["total"]) == ledger(f"workflow_id = {told[1].workflow_id}") > 0
    assert set(sums(found).values()) == {Decimal(found["total"])}
    assert [line["name"] for line in found["people"]] == ["ben"]


def test_what_was_spent_for_nothing(told, client_of_ben, url):
    found = client_of_ben.get(url, SEEN).json()
    assert Decimal(found["on_failed_attempts"]) == Decimal("0.0000000007")
    assert Decimal(found["on_retries"]) == Decimal("0.0000000007")


def test_the_most_expensive_runs_come_first(told, client_of_ben, url):
    found = client_of_ben.get(url, SEEN).json()
    costs = [Decimal(run["cost"]) for run in found["runs"]]
    assert costs[0] == Decimal("12.0000000003")
    assert costs == sorted(costs, reverse=True)
    assert len(costs) == 6


def test_figures_lead_to_the_runs_that_are_counted(told, client_of_ben, url):
    answer = client_of_ben.get(url, {**SEEN, "as": ""})
    words, link = figures(answer)["Total cost"]
    assert words == "$14.82"
    assert sum(run.cost for run in listed(link)) == ledger()
    assert "6 model calls" in text(answer)


def test_the_chart_and_the_table_beside_it(told, client_of_ben, url):
    drawn = chart(client_of_ben.get(url, {**SEEN, "as": ""}), "cost-trend")
    assert {each["name"] for each in drawn["series"]} == {"invoice_processing", "claims"}
    values = [value for each in drawn["series"] for value in each["values"]]
    assert sum(values) == pytest.approx(float(ledger()))


def test_csv_has_all_digits(told, client_of_ben, url):
    answer = client_of_ben.get(url, {**SEEN, "as": "csv"})
    rows = list(csv.DictReader(io.StringIO(answer.content.decode())))
    assert Decimal(rows[-1]["cost"]) == ledger()
    of_workflows = [Decimal(row["cost"]) for row in rows if row["by"] == "workflows"]
    assert sum(of_workflows) == ledger()


def test_compared_with_the_time_before(told, client_of_ben, url):
    asked = {**SEEN, "created_from": "2026-03-02T23:00Z", "created_to": "2026-03-03T09:00Z"}
    found = client_of_ben.get(url, asked).json()
    total = found["figures"][0]
    assert Decimal(total["before"]) == Decimal("0.0000000001")
    assert Decimal(total["value"]) == ledger("jobs.created_at >= '2026-03-02 23:00Z'"
        " AND jobs.created_at < '2026-03-03 09:00Z'")  # fmt: skip


def test_where_nothing_was_spent_the_page_says_so(told, client_of_ben, url):
    answer = client_of_ben.get(url, {"created": "1h"})
    assert "Nothing was spent" in text(answer)
