"""The analysis of one run: its figures are those of its nodes, attempts and calls, and of what runs
of its workflow usually do."""

import csv
import io
from datetime import timedelta
from decimal import Decimal

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from analytics import asking, marking
from analytics.models import FailureGroup
from analytics.models.failures import Mark
from analytics.one_run import analysis_of
from analytics.run_cost import calls_of
from runs.models import LLMCall
from runs.rows import NewEvent
from runs.states import Kind
from tests.analytics.pages import person, text
from tests.analytics.test_failures_page import listed
from tests.analytics.test_upkeep import ANNA, ZERO, settled
from tests.runs.stories import Story, failed_invoice, node, publish

pytestmark = pytest.mark.django_db(transaction=True)
CLOSE = 0.03
NOW = ZERO + timedelta(days=1)
# Two branches side by side between a beginning and an end.
DIAMOND = (node("a"), node("b", "a"), node("c", "a"), node("d", "b", "c"))


@pytest.fixture
def client_of_ben(client):
    client.force_login(person("ben", "runs.view_run"))
    return client


def run_of(version, times, *, minute=0, end="completed", begin=1, after=0.0):
    """`times`: of each node when it was queued and started and how long it took, in seconds."""
    story = Story(version, zero=ZERO + timedelta(minutes=minute)).at(begin).active()
    last = begin
    for key, (queued, started, took) in times.items():
        story.at(queued).queue(key).at(started).start(key).at(started + took).complete(key)
        last = max(last, started + took)
    return story.at(last + after).state("active", end)


def side_by_side(version, b=10, **more):
    return run_of(
        version, {"a": (1, 2, 3), "b": (5, 6, b), "c": (5, 5, 4), "d": (6 + b, 6 + b, 2)}, **more
    )


def url(story):
    return reverse("analysis_run", args=[story.public_id])


def parts(found):
    return {part.name: round(part.ms) for part in found.time.parts}


def test_the_time_of_a_run_is_work_and_waiting_by_its_causes(db):
    found = analysis_of(side_by_side(publish(*DIAMOND), after=0.5).run, NOW)
    # From 1 to 18.5; b waits a second for a worker while c is at work already.
    assert parts(found) == {"working": 16_000, "queued": 1_000, "person": 0, "backoff": 0,
                            "other": 500}  # fmt: skip
    assert found.time.total == pytest.approx(17_500)
    assert found.time.ideal == pytest.approx(15_000)
    assert found.time.efficiency == pytest.approx(15 / 17.5)
    assert [each.node for each in found.time.path] == ["a", "b", "d"]
    assert [round(each.waited) for each in found.time.path] == [1_000, 1_000, 0]
    assert [round(each.share, 3) for each in found.time.path] == [0.171, 0.571, 0.114]


def test_a_chain_that_might_have_been_side_by_side_is_less_efficient(db):
    """The same diamond, whose branches a single worker did one after the other."""
    alone = {"a": (1, 1, 3), "b": (4, 4, 10), "c": (4, 14, 10), "d": (24, 24, 2)}
    found = analysis_of(run_of(publish(*DIAMOND), alone).run, NOW)
    assert (round(found.time.work), round(found.time.ideal)) == (25_000, 15_000)
    assert found.time.efficiency == pytest.approx(15 / 25)
    assert [each.node for each in found.time.path] == ["a", "c", "d"]


def test_a_person_and_a_back_off_are_no_work(db):
    question = {"id": "ask", "kind": "human", "needs": ["read"], "title": "Is it right?"}
    version = publish(node("read"), question, node("write", "ask"))
    story = Story(version, zero=ZERO).at(1).active().queue("read").at(1).start("read")
    story.at(4).fail("read", again=5).at(9).start("read", 2).at(12).complete("read", 2)
    asked = {"action": "asked", "title": "Is it right?"}
    story.at(12).queue("ask").tell(NewEvent(Kind.HUMAN_ACTION, node="ask", data=asked)).at(72)
    found = analysis_of(story.run, ZERO + timedelta(seconds=72))
    assert parts(found)["person"] == 60_000
    assert parts(found)["backoff"] == 5_000
    assert parts(found)["working"] == 6_000
    read = next(each for each in found.nodes if each.node == "read")
    assert (read.attempts, read.took.ms) == (2, 6_000)
    assert [each.node for each in found.time.path] == ["read", "ask"]
    assert not found.document()["is_final"]


@pytest.fixture
def slow(db):
    """Twenty runs whose b takes 10 s, one whose b takes 60 s and that waited half a minute."""
    settled()
    version = publish(*DIAMOND)
    for minute in range(20):
        run_of(version, {"b": (5, 6, 10)}, minute=minute)
    story = side_by_side(version, b=60, minute=30)
    settled()
    return story


def test_what_ran_longer_than_usual_is_named_first(slow, client_of_ben):
    found = analysis_of(slow.run, NOW)
    assert found.usual.words == "21 runs of version 1"
    assert [each.node for each in found.longer] == ["b"]
    [b, *_] = found.nodes
    assert (b.took.ms, b.of) == (60_000, 21)
    assert b.took.p50 == pytest.approx(10_000, rel=CLOSE)
    assert b.took.words == "6.0 × the median" or b.took.factor == pytest.approx(6, rel=CLOSE)
    assert found.took.p50 == pytest.approx(15_000, rel=CLOSE)
    assert found.took.is_longer
    assert listed(found.usual.link).count() == 21
    told = client_of_ben.get(url(slow), {"as": "json"}).json()
    assert told["nodes"][0]["node"] == "b"
    assert told["nodes"][0]["is_longer"]
    assert told["usual"]["version"] == 1
    part = client_of_ben.get(url(slow), {"part": "findings"})
    assert "b took 1 m 00 s, " in text(part)
    assert "The run took 1 m 07 s" in text(part)
    page = client_of_ben.get(url(slow))
    assert "21 runs of version 1" in text(page)
    [head, first, *_] = csv.reader(io.StringIO(client_of_ben.get(
        url(slow), {"as": "csv"}).content.decode()))  # fmt: skip
    assert dict(zip(head, first, strict=True))["node"] == "b"


def test_of_a_new_version_all_are_asked_and_of_few_runs_nothing_is_usual(slow, client_of_ben):
    newer = publish(*DIAMOND, title="newer")
    story = side_by_side(newer, minute=40)
    settled()
    found = analysis_of(story.run, NOW)
    assert found.usual.words == "22 runs of all versions"
    other = side_by_side(publish(*DIAMOND, slug="another"))
    settled()
    found = analysis_of(other.run, NOW)
    assert not found.usual.is_known
    assert not found.longer
    assert found.took.factor is None
    said = "Nothing to compare with yet: 1 run completed in 30 days."
    assert said in text(client_of_ben.get(url(other)))
    assert said in text(client_of_ben.get(url(other), {"part": "findings"}))


def test_the_cost_is_the_ledger_to_the_last_digit(db, client_of_ben):
    version = publish(node("read"), node("ask", "read"))
    story = Story(version, zero=ZERO).at(1).active().start("read")
    story.call("read", cost="0.0000000001").call("read", cost="0.1000000003", tokens=(10, 2, 1))
    story.at(2).fail("read", again=1).at(3).start("read", 2).call("read", 2, cost="0.02")
    story.at(4).complete("read", 2).start("ask").call("ask", cost="0.5").at(5).complete("ask")
    story.state("active", "completed")
    found = analysis_of(story.run, NOW).cost
    ledger = sum(LLMCall.objects.values_list("cost", flat=True))
    assert found.total.cost == found.stated == ledger == Decimal("0.6200000004")
    assert found.total.failed == Decimal("0.1000000004")
    assert [(each.node, each.calls, each.cost) for each in found.nodes] == [
        ("ask", 1, Decimal("0.5")), ("read", 3, Decimal("0.1200000004")),
    ]  # fmt: skip
    first = calls_of(story.run, limit=3)
    rest = calls_of(story.run, after=first[-1].seq)
    assert [each.cost for each in [*first, *rest]] == list(
        LLMCall.objects.order_by("seq").values_list("cost", flat=True)
    )
    assert [each.is_failed for each in [*first, *rest]] == [True, True, False, False]
    page = text(client_of_ben.get(url(story)))
    assert "$0.6200000004" in page
    assert "$0.1000000004" in page
    told = client_of_ben.get(url(story), {"as": "json"}).json()
    assert told["cost"]["total"]["cost"] == "0.6200000004"


def test_a_failed_run_tells_its_group(db, client, client_of_ben):
    settled()
    story = failed_invoice(ZERO)
    assert analysis_of(story.run, NOW).why.known is None, "not counted yet"
    assert "not counted yet" in text(client_of_ben.get(url(story)))
    failed_invoice(ZERO + timedelta(hours=1))
    settled()
    [group] = FailureGroup.objects.all()
    marking.mark(group.pk, Mark.KNOWN, by=ANNA, note="the supplier rounds", now=NOW)
    found = analysis_of(story.run, NOW).why
    assert (found.runs, found.since, found.mark_words) == (2, "version 1", "marked as known")
    assert found.known.first_seen == story.run.completed_at
    assert listed(found.link).count() == 2
    page = client_of_ben.get(url(story))
    assert "line items sum to #, document says #" in text(page)
    assert "the supplier rounds" in text(page)
    assert "Retry these" not in text(page), "ben may not"
    client.force_login(person("maria", "runs.view_run", "runs.retry_run"))
    # Of runs in the last 7 days, of which these are none: it is long ago.
    assert "Retry these" not in text(client.get(url(story)))
    assert analysis_of(story.run, NOW).document()["failure"]["note"] == "the supplier rounds"


def test_an_archived_run_says_the_same(db):
    settled()
    story = failed_invoice(ZERO)
    settled()
    before = analysis_of(story.run, NOW).document()
    story.archive()
    assert analysis_of(story.run, NOW).document() == before


def test_only_who_may_see_the_run_sees_its_analysis(db, client):
    story = failed_invoice()
    client.force_login(person("eve"))
    assert client.get(url(story)).status_code == 403
    client.force_login(person("ben", "runs.view_run"))
    assert client.get(url(story)).status_code == 200
    assert client.get(reverse("analysis_run", args=["run_nothing"])).status_code == 404


def test_many_nodes_cost_no_more_queries_than_few(db, client_of_ben):
    counts = []
    for size in (3, 300):
        version = publish(*(node(f"n{number}") for number in range(size)), slug=f"of_{size}")
        story = Story(version, zero=ZERO).at(1).active()
        started = {"worker": "w", "input": {}, "timeout_seconds": 5}
        for kind, data in ((Kind.NODE_STARTED, started), (Kind.NODE_COMPLETED, {"output": {}})):
            keys = [f"n{number}" for number in range(size)]
            story.tell(*(NewEvent(kind, node=key, attempt=1, data=data) for key in keys))
        story.state("active", "failed", reason="no", error={"kind": "Boom", "message": "it broke"})
        client_of_ben.get(url(story))
        with CaptureQueriesContext(
            connection,
        ) as caught:
            page = client_of_ben.get(url(story))
        counts.append(len(caught))
    assert counts[0] == counts[1] <= 30
    assert "275 more" in text(page)


def test_an_answer_that_takes_too_long_is_said_to(db, client_of_ben, monkeypatch):
    story = failed_invoice(ZERO)
    monkeypatch.setattr(asking, "SECONDS", 0.05)
    other = connection.copy()
    with other.cursor() as cursor:
        cursor.execute("BEGIN")
        cursor.execute("LOCK TABLE analytics_runs")
        page = client_of_ben.get(url(story))
        part = client_of_ben.get(url(story), {"part": "findings"})
        told = client_of_ben.get(url(story), {"as": "json"})
        cursor.execute("ROLLBACK")
    other.close()
    assert (page.status_code, part.status_code, told.status_code) == (503, 503, 503)
    assert "Counting was stopped" in text(page)
    assert part["Content-Type"].startswith("text/plain")
    assert "Counting was stopped" in told.json()["detail"]
