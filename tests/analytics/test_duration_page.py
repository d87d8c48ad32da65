"""ANALYZE → Duration: a slow node, a slower version and time that was spent waiting are found."""

import csv
import io
import re
from datetime import timedelta

import pytest
from django.urls import reverse

from analytics.durations import NodeTime
from tests.analytics.pages import chart, figures, person, text
from tests.analytics.test_failures_page import listed
from tests.analytics.test_upkeep import ZERO, begun, end, settled, work
from tests.runs.stories import node, publish

pytestmark = pytest.mark.django_db(transaction=True)
SEEN = {"created_from": "2026-03-02T00:00Z", "created_to": "2026-03-03T06:00Z", "as": "json"}
CLOSE = 0.03


@pytest.fixture
def client_of_ben(client):
    client.force_login(person("ben", "runs.view_run"))
    return client


@pytest.fixture
def url():
    return reverse("analysis_duration")


@pytest.fixture
def told(db):
    """Six runs of each of two versions, whose node extract takes 3 s and then 30 s."""
    settled()
    versions = []
    for number, seconds in enumerate((3, 30)):
        version = publish(node("ocr", executor=f"probe.ocr{number}"), node("extract", "ocr"))
        for minute in range(6):
            story = begun(version, zero=ZERO + timedelta(hours=3 * number, minutes=minute))
            work(story, "ocr", 2, at=1)
            work(story, "extract", seconds, at=3)
            end(story, after=3 + seconds)
        versions.append(version)
    settled()
    return versions


def nodes(found):
    return {each["node"]: each for each in found["nodes"]}


def test_percentiles_are_those_of_the_runs(told, client_of_ben, url):
    found = client_of_ben.get(url, SEEN).json()
    median, most, longest, waited = (each["value"] for each in found["figures"])
    assert found["runs"] == 12
    assert median == pytest.approx(5_000, rel=CLOSE)
    assert most == pytest.approx(32_000, rel=CLOSE)
    assert (longest, waited) == (32_000, 1_000)


def test_the_slowest_node_stands_first(told, client_of_ben, url):
    found = client_of_ben.get(url, SEEN).json()
    first, second = found["nodes"]
    assert (first["node"], second["node"]) == ("extract", "ocr")
    assert first["p95_ms"] == pytest.approx(30_000, rel=CLOSE)
    assert first["longest_ms"] == 30_000
    assert first["share"] == pytest.approx(198 / 222)
    assert first["share"] + second["share"] == pytest.approx(1)


def test_a_node_that_became_slower_in_a_version_is_marked(told, client_of_ben, url):
    asked = {**SEEN, "workflow": "invoice_processing", "version": 2, "compare": "v1"}
    found = nodes(client_of_ben.get(url, asked).json())
    assert found["extract"]["p95_ms_before"] == pytest.approx(3_000, rel=CLOSE)
    page = client_of_ben.get(url, {**asked, "as": ""})
    # As exact as histograms are: ten times as long.
    assert re.search(r"extract 6 30\.\d s 30\.\d s \+8\d\d %", text(page))
    assert page.content.decode().count("op-num op-worse") == 1


def test_two_times_are_compared(told, client_of_ben, url):
    asked = {**SEEN, "created_from": "2026-03-03T01:00Z", "created_to": "2026-03-03T04:00Z"}
    found = client_of_ben.get(url, asked).json()
    median = found["figures"][0]
    assert median["value"] == pytest.approx(32_000, rel=CLOSE)
    assert median["before"] == pytest.approx(5_000, rel=CLOSE)


def test_time_that_nothing_worked_is_told_by_its_cause(told, client_of_ben, url):
    late = begun(told[1], zero=ZERO + timedelta(hours=4))
    work(late, "ocr", 2, at=1)
    work(late, "extract", 2, at=23)
    end(late, after=25)
    settled()
    sample = client_of_ben.get(url, SEEN).json()["sample"]
    assert sample["runs"] == 13
    spent = sample["spent_on"]
    assert sum(spent.values()) == pytest.approx(1, abs=1e-4)
    # Twenty of 246 seconds.
    assert 1 - spent["working"] == pytest.approx(20 / 246, abs=1e-3)
    assert sample["parallel_efficiency"] == pytest.approx(226 / 246, abs=1e-2)


def test_the_chart_has_both_percentiles(told, client_of_ben, url):
    drawn = chart(client_of_ben.get(url, {**SEEN, "as": ""}), "duration-trend")
    assert [each["name"] for each in drawn["series"]] == ["95 % within", "Median"]
    values = [value for value in drawn["series"][1]["values"] if value is not None]
    assert values == pytest.approx([5_000, 32_000], rel=CLOSE)


def test_figures_lead_to_the_runs(told, client_of_ben, url):
    found = figures(client_of_ben.get(url, {**SEEN, "as": ""}))
    assert listed(found["Median"][1]).count() == 12
    assert "sort=duration" in found["Longest"][1]


def test_other_filters_are_answered_without_a_sample(told, client_of_ben, url):
    found = client_of_ben.get(url, {**SEEN, "triggered_by": "maria"}).json()
    assert (found["runs"], found["sample"]) == (12, None)
    assert "Take other filters away" in text(
        client_of_ben.get(url, {**SEEN, "triggered_by": "maria", "as": ""})
    )


def test_csv_has_the_nodes(told, client_of_ben, url):
    answer = client_of_ben.get(url, {**SEEN, "as": "csv", "sort": "p50"})
    rows = list(csv.DictReader(io.StringIO(answer.content.decode())))
    assert [(row["node"], row["executed"]) for row in rows] == [("extract", "12"), ("ocr", "12")]


def test_where_no_run_has_ended_the_page_says_so(told, client_of_ben, url):
    assert "No run has ended" in text(client_of_ben.get(url, {"created": "1h"}))


def test_workflows_and_versions_are_told_with_their_parallel_efficiency(told, client_of_ben, url):
    [workflow] = client_of_ben.get(url, SEEN).json()["workflows"]
    assert (workflow["workflow"], workflow["version"]) == ("invoice_processing", None)
    assert workflow["runs"] == 12
    # 198 s and 24 s of work, one behind the other, in runs of 6 * 5 s and 6 * 32 s.
    assert workflow["parallel_efficiency"] == pytest.approx(1)
    asked = {**SEEN, "workflow": "invoice_processing"}
    versions = {each["version"]: each for each in client_of_ben.get(url, asked).json()["workflows"]}
    assert {number: each["runs"] for number, each in versions.items()} == {1: 6, 2: 6}
    assert versions[2]["p95_ms"] == pytest.approx(32_000, rel=CLOSE)
    page = client_of_ben.get(url, {**asked, "as": ""}).content.decode()
    for number in (1, 2):
        links = re.findall(rf'<a class="op-link" href="([^"]*)"[^>]*>v{number}</a>', page)
        [link] = [each.replace("&amp;", "&") for each in links]
        only = client_of_ben.get(f"{url}{link}&as=json").json()
        assert [each["version"] for each in only["workflows"]] == [number]


@pytest.mark.parametrize(
    ("queued", "before", "is_longer"),
    [(5_000, 200, True), (1_100, 200, False), (5_000, 3_000, False), (5_000, None, False)],
)
def test_a_node_that_waits_much_longer_than_before_is_marked(queued, before, is_longer):
    waiting = NodeTime("ocr", "intake", "executor", 50, 0, 1.0, 1.0, 1, 1.0, queued, 0, 1.0,
                       before, "")  # fmt: skip
    assert waiting.is_queued_longer is is_longer
