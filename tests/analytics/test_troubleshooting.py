"""Troubleshooting: four verdicts, the gaps of logs by their numbers, and the same as JSON."""

from datetime import timedelta

import pytest
from django.db import connection, transaction
from django.utils import timezone

from analytics import troubleshooting, troubleshooting_logs
from analytics.troubleshooting_logs import of_run
from analytics.troubleshooting_slow import by_chance
from analytics.usual import node_times
from config.embedded.network import free_port
from runs import counters, heartbeat
from runs.models import Decision, Source
from runs.services import broker
from runs.stuck import usual
from tests.analytics.pages import text
from tests.analytics.test_upkeep import begun, end, fail, settled, work
from tests.runs.api.reports import URL, told
from tests.runs.archives import archive, in_folder, late
from tests.runs.stories import Story, node, publish
from tests.runs.visitors import visitor

PAGE = "/admin/troubleshooting/"
pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _alone():
    heartbeat.forget_all()
    usual.forget()
    yield
    heartbeat.forget_all()
    usual.forget()


def troubles(**more):
    return troubleshooting.troubles(timezone.now(), **more)


def purge(story, *seqs):
    """Lose some of its events, as no part of the portal does."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT set_config('runs.purge', 'on', true)")
        cursor.execute(
            "DELETE FROM event_tracking WHERE run_id = %s AND seq = ANY(%s)",
            [story.id, list(seqs)],
        )


@pytest.fixture
def version(db):
    settled()
    return publish(node("ocr"), slug="intake")


def ended(version, ago, seconds=10):
    story = begun(version, zero=timezone.now() - ago)
    work(story, "ocr", seconds - 1, at=1)
    return end(story, after=seconds) or story


def test_nothing_to_look_at_is_said_of_all_four():
    found = troubles()
    assert [each.name for each in found.sections] == ["stuck", "logs", "failures", "slow"]
    assert found.worse == []
    page = text(visitor("runs.view_run").get(PAGE))
    assert "Every open run gets on, or waits its turn." in page
    assert "No run has finished yet" in page
    assert "Look here" not in page


def test_a_log_that_is_too_long_to_check_hides_none_that_ended_before(version, monkeypatch):
    broken, long = ended(version, timedelta(minutes=9)), ended(version, timedelta(minutes=8))
    long.lines("ocr", 30)
    purge(broken, 3)
    monkeypatch.setattr(troubleshooting_logs, "SAMPLE_EVENTS", 30)
    [log] = troubles().logs.broken
    assert log.public_id == broken.run.public_id


def test_what_is_missing_of_a_log_is_told_by_its_numbers(version):
    whole, broken = ended(version, timedelta(minutes=9)), ended(version, timedelta(minutes=8))
    broken.lines("ocr", 6)
    last = broken.run.last_seq
    assert troubles().logs.verdict.is_fine
    purge(broken, 3, last - 2, last - 1, last)
    section = troubles().logs
    assert not section.verdict.is_fine
    [log] = section.broken
    assert (log.public_id, log.missing) == (broken.public_id, 4)
    assert log.gaps == [(3, 3), (last - 2, last)]
    one, _ = of_run(broken.public_id)
    assert one.words == f"4 of {last} events missing: 3, {last - 2}–{last}."
    one, _ = of_run(whole.run.job_id)
    assert one.words.startswith("Whole: ")
    assert of_run("nonsense")[0] is None
    shown = text(visitor("runs.view_run").get(f"{PAGE}?run={broken.public_id}"))
    assert f"4 of {last} events missing: 3, {last - 2}–{last}." in shown


def test_an_archived_log_is_counted_in_its_object_and_what_came_later_in_the_database(
    version, settings, tmp_path
):
    in_folder(settings, tmp_path)
    story = ended(version, timedelta(minutes=9))
    count = story.run.last_seq
    archive(story)
    late(story, node="ocr")
    late(story, node="ocr")
    one, _ = of_run(story.public_id)
    assert (one.archived, one.late, one.missing) == (count, 2, 0)
    assert f"{count:,} in the archive, 2 that came later in the database" in one.words
    purge(story, count + 1)
    one, _ = of_run(story.public_id)
    assert (one.missing, one.gaps) == (1, [(count + 1, count + 1)])
    assert not troubles().logs.verdict.is_fine


def test_sources_are_told_with_what_was_received_and_refused(db):
    broker.client().delete(counters.KEY)
    client = visitor("runs.ingest_event", "runs.add_source", "runs.view_run", name="airflow")
    events = [told("run_created"), told("node_started", node="ocr"), told("node_started")]
    events.append(told("state_changed", data={"to": "nowhere"}))
    client.post(URL, events, content_type="application/json")
    client.post(URL, [told("log", run="r1", data={"message": "x"})], "application/json")
    counters.flush()
    [row] = troubles().logs.sources
    assert row.name == "airflow"
    # What is no event at all names no source.
    assert row.received >= 3
    assert row.last_at is not None
    Source.objects.update(last_event_at=timezone.now() - timedelta(hours=1))
    section = troubles().logs
    assert section.sources[0].is_silent
    assert section.verdict.words == "airflow has open runs, and tells nothing."


def test_a_spike_of_failures_is_told_with_its_group_and_version(version):
    for hours in range(24, 64, 2):
        ended(version, timedelta(hours=hours + 2))
    for minutes in range(8):
        story = begun(version, zero=timezone.now() - timedelta(minutes=5 + minutes))
        fail(story, "no space left on disk", at=4)
    settled()
    section = troubles().failures
    assert not section.verdict.is_fine
    assert section.verdict.words == "100 % of the runs of the last hour failed, usually 0 %."
    [row] = section.rows
    assert (row.group.runs, row.group.since, row.usual_words) == (8, "v1", "new")
    assert "group=" in row.url
    page = text(visitor("runs.view_run").get(PAGE))
    assert "100 % of the runs of the last hour failed" in page


def test_runs_that_last_longer_than_usual_are_told(version):
    for hours in range(6):
        ended(version, timedelta(hours=hours + 1), seconds=20)
    settled()
    slow = Story(version, zero=timezone.now() - timedelta(minutes=10)).at(1).active()
    slow.queue("ocr").start("ocr")
    section = troubles().slow
    [row] = section.long_runs
    assert (row.workflow, row.count) == ("intake", 1)
    assert row.longest > 500
    assert 15 < row.usual < 25
    assert section.verdict.words == "1 run takes longer now than 95 in 100 usually do."


@pytest.mark.parametrize(
    ("took", "count"), [(None, 0), (timedelta(minutes=9, seconds=55), 0), (timedelta(seconds=5), 1)]
)
def test_what_a_person_takes_is_not_slow(version, took, count):
    for hours in range(6):
        ended(version, timedelta(hours=hours + 1), seconds=20)
    settled()
    asked_at = timezone.now() - timedelta(minutes=10)
    story = Story(version, zero=asked_at).at(0).active()
    story.queue("ocr").start("ocr")
    Decision.objects.create(
        node=story.run.nodes.get(key="ocr"), run=story.run, title="Pay?", people=[], groups=[],
        asked_at=asked_at, decided_at=asked_at + took if took else None,
    )  # fmt: skip
    section = troubles().slow
    assert [row.count for row in section.long_runs] == [1] * count
    assert section.figures[0].is_worse is bool(count)


def test_what_several_are_asked_at_once_is_taken_off_once(db):
    """Ten minutes, four of them with one or two questions open: six are the run's own."""
    settled()
    version = publish(node("ocr"), node("extract"), slug="intake")
    for hours in range(6):
        ended(version, timedelta(hours=hours + 1), seconds=20)
    settled()
    begun = timezone.now() - timedelta(minutes=10)
    story = Story(version, zero=begun).at(0).active()
    for key, asked, decided in (("ocr", 1, 4), ("extract", 2, 5)):
        story.queue(key).start(key)
        Decision.objects.create(
            node=story.run.nodes.get(key=key), run=story.run, title="Pay?", people=[], groups=[],
            asked_at=begun + timedelta(minutes=asked),
            decided_at=begun + timedelta(minutes=decided),
        )  # fmt: skip
    [row] = troubles().slow.long_runs
    assert row.longest == pytest.approx(6 * 60, abs=10)


@pytest.mark.parametrize(("long", "is_fine"), [(1, True), (4, False)])
def test_as_many_long_runs_as_there_always_are_are_no_trouble(version, long, is_fine):
    for hours in range(6):
        ended(version, timedelta(hours=hours + 1), seconds=20)
    settled()
    for number in range(10):
        lasts = timedelta(seconds=35 if number < long else 5)
        slow = Story(version, zero=timezone.now() - lasts).at(1).active()
        slow.queue("ocr").start("ocr")
    section = troubles().slow
    [row] = section.long_runs
    assert (row.count, row.among, row.is_worse) == (long, 10, not is_fine)
    words = f"{long} runs take longer now than 95 in 100 usually do."
    assert (section.verdict.words == words) is not is_fine
    assert section.figures[0].is_worse is not is_fine


def test_how_likely_so_many_long_runs_are():
    assert by_chance(0, 10) == 1
    assert by_chance(1, 1) == pytest.approx(0.05)
    assert by_chance(1, 2) == pytest.approx(1 - 0.95**2)
    assert by_chance(2, 2) == pytest.approx(0.05**2)
    assert by_chance(150, 2000) < 0.01 < by_chance(110, 2000)


def test_what_is_usual_for_nodes_comes_from_the_rollups(version):
    now = timezone.now()
    for hours in range(3):
        ended(version, timedelta(hours=hours + 1), seconds=20)
    settled()
    # Too few: the newest runs tell it.
    assert node_times(version.workflow_id, now) == {}
    assert usual.times(version.workflow_id, now)["ocr"].of == 3
    for hours in range(3):
        ended(version, timedelta(hours=hours + 4), seconds=20)
    settled()
    usual.forget()
    told = usual.times(version.workflow_id, now)
    assert (told["ocr"].of, told[""].of) == (6, 6)
    assert told["ocr"].p95 == pytest.approx(19, rel=0.05)


def test_workers_that_are_all_busy_are_told_with_their_queue(version):
    told = {"processes": 1, "tasks": [{"task": "runs.execute"}]}
    heartbeat.give(heartbeat.Process("worker", "runs@here", ("runs",)), told)
    story = Story(version, zero=timezone.now() - timedelta(minutes=10))
    with connection.cursor() as cursor:
        story.queue("ocr")
        cursor.execute(
            "INSERT INTO ready_nodes (node_id, run_id, ready_at, hints)"
            " SELECT id, run_id, now() - interval '1 minute', 0 FROM nodes"
        )
    section = troubles().slow
    [row] = [each for each in section.queues if each.name == "runs"]
    assert (row.workers, row.slots, row.busy, row.ready, row.is_full) == (1, 1, 1, 1, True)
    assert section.verdict.words == "All workers of runs are busy, and nodes wait for them."


def test_without_the_broker_nobody_claims_that_no_worker_takes(version, settings):
    story = Story(version, zero=timezone.now() - timedelta(minutes=10))
    with connection.cursor() as cursor:
        story.queue("ocr")
        cursor.execute(
            "INSERT INTO ready_nodes (node_id, run_id, ready_at, hints)"
            " SELECT id, run_id, now() - interval '1 minute', 0 FROM nodes"
        )
    assert troubles().slow.verdict.words == "No worker takes from runs, and nodes wait there."
    settings.REDIS_URL = f"redis://127.0.0.1:{free_port()}/0"
    section = troubles().slow
    assert section.verdict.words == (
        "The broker does not answer: nobody can tell whether workers keep up."
    )
    [row] = section.queues
    assert (row.ready, row.is_known, row.is_full) == (1, False, False)
    assert "runs – – 1 1 m" in text(visitor("runs.view_run").get(PAGE))


def test_the_same_by_the_api(version):
    story = ended(version, timedelta(minutes=9))
    purge(story, 2)
    client = visitor("runs.view_run")
    told = client.get(f"/api/troubleshooting/?run={story.public_id}").json()
    assert told["is_fine"] is False
    sections = {each["name"]: each for each in told["sections"]}
    assert sections["logs"]["verdict"] == "1 run has a log with gaps, of the newest 1."
    assert sections["logs"]["rows"][0]["gaps"] == "2"
    assert sections["stuck"]["page"].endswith("/admin/stuck/")
    assert told["log"]["gaps"] == [[2, 2]]
    assert client.get("/api/troubleshooting/?run=run_nope").status_code == 404
    assert client.get("/api/troubleshooting/?rum=1").status_code == 400
    assert visitor(name="nobody").get("/api/troubleshooting/").status_code == 403
