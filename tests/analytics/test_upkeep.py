"""Rollups that are kept up to date are what counting everything anew gives."""

import itertools
import random
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from django.db import connection
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from analytics import measure, upkeep
from analytics.models import (
    Bucket,
    CallRollup,
    FailureGroup,
    FailureRollup,
    NodeRollup,
    RunRollup,
    SampleRollup,
    UserRollup,
)
from runs import lifecycle, recorder
from runs.actors import Actor
from runs.models import Run
from runs.rows import NewEvent
from runs.states import Kind
from tests.runs.stories import Story, node, publish

pytestmark = pytest.mark.django_db(transaction=True)

ANNA = Actor(name="anna", ref_type="user", ref_id="user_anna")
ZERO = datetime(2026, 3, 2, 22, 40, tzinfo=UTC)
MODELS = (RunRollup, NodeRollup, CallRollup, FailureRollup, SampleRollup, UserRollup)


def rows():
    """All rollups, as they stand, apart from their keys."""
    found = {}
    for model in MODELS:
        names = [field.attname for field in model._meta.fields if field.attname != "id"]
        found[model.__name__] = sorted(map(repr, model.objects.values_list(*names)))
    return found


_clock = itertools.count()


def later():
    """A time at which all that rests is due; each is later than those before."""
    return ZERO + next(_clock) * timedelta(days=1)


def settled():
    """Hear and count until nothing is left to."""
    while upkeep.hear(later()):
        pass
    # Days are due some time after their hours.
    for now in (later(), later()):
        while upkeep.count_next(now):
            pass


def end(story, state="completed", after=5, **data):
    story.at(after).tell(NewEvent(Kind.STATE_CHANGED, data={"from": "active", "to": state, **data}))


def begun(version, zero=ZERO, **more):
    story = Story(version, zero=zero, **more)
    story.at(1).tell(NewEvent(Kind.STATE_CHANGED, data={"from": "created", "to": "active"}))
    return story


def work(story, key="ocr", seconds=2, at=1, attempt=1):
    started = {"worker": "w", "input": {}, "timeout_seconds": 5}
    story.at(at).tell(NewEvent(Kind.NODE_STARTED, node=key, attempt=attempt, data=started))
    story.at(at + seconds).tell(
        NewEvent(Kind.NODE_COMPLETED, node=key, attempt=attempt, data={"output": {}})
    )


def call(story, cost="0.0000000001", key="ocr", at=2):
    told = {"model": "m", "input_tokens": 9, "output_tokens": 3, "cached_tokens": 1, "cost": cost}
    story.at(at).tell(NewEvent(Kind.LLM_CALL, node=key, attempt=1, data=told))


def fail(story, message="totals differ on page 3", at=4):
    error = {"node": "ocr", "kind": "ValueError", "message": message}
    end(story, "failed", at, reason="ocr failed", error=error)


@pytest.fixture
def version(db):
    return publish(node("ocr"), node("extract", "ocr"))


def test_a_run_is_counted_in_the_hour_in_which_it_was_created(version):
    settled()
    story = begun(version)
    work(story)
    call(story, "0.25")
    end(story)
    settled()
    [hour] = RunRollup.objects.filter(span=0)
    assert (hour.at, hour.state, hour.runs, hour.timed) == (
        ZERO.replace(minute=0), "completed", 1, 1,
    )  # fmt: skip
    assert (hour.duration_ms, hour.longest_ms, hour.waited_ms) == (4000, 4000, 1000)
    assert hour.cost == Decimal("0.25")
    [of_node] = NodeRollup.objects.filter(span=0)
    assert (of_node.node, of_node.executed, of_node.completed, of_node.duration_ms) == (
        "ocr", 1, 1, 2000,
    )  # fmt: skip
    [of_calls] = CallRollup.objects.filter(span=0)
    assert (of_calls.calls, of_calls.input_tokens, of_calls.cost) == (1, 9, Decimal("0.25"))
    [sample] = SampleRollup.objects.filter(span=0)
    assert (sample.runs, sample.actual_ms, sample.ideal_ms, sample.work_ms) == (1, 4000, 2000, 2000)
    [day] = RunRollup.objects.filter(span=1)
    assert (day.at, day.runs, day.cost) == (ZERO.replace(hour=0, minute=0), 1, Decimal("0.25"))
    [person] = UserRollup.objects.all()
    assert (person.triggered_by, person.runs, person.cost) == ("maria", 1, Decimal("0.25"))


def test_what_was_there_before_is_counted_when_the_reader_begins(version):
    end(begun(version))
    settled()
    assert RunRollup.objects.filter(span=0).count() == 1


def test_a_deleted_run_is_counted_no_more(version):
    settled()
    story = begun(version)
    end(story)
    settled()
    lifecycle.delete(Run.objects.filter(pk=story.id), by=ANNA)
    settled()
    assert {name: each for name, each in rows().items() if each} == {}


def test_a_retry_is_told_of_in_the_hour_of_its_original(version):
    settled()
    story = begun(version)
    fail(story)
    settled()
    assert FailureRollup.objects.get(span=0).retried == 0
    again = begun(version, zero=ZERO + timedelta(hours=5), retry_of=story.run)
    settled()
    [failed] = FailureRollup.objects.filter(span=0)
    assert (failed.retried, failed.recovered) == (1, 0)
    end(again)
    settled()
    [failed] = FailureRollup.objects.filter(span=0)
    assert (failed.retried, failed.recovered, failed.to_failure_ms) == (1, 1, 3000)


def test_a_group_that_was_resolved_opens_when_it_comes_back(version):
    settled()
    fail(begun(version), "totals differ on page 3")
    settled()
    group = FailureGroup.objects.get()
    assert (group.kind, group.node, group.message) == (
        "ValueError", "ocr", "totals differ on page #",
    )  # fmt: skip
    FailureGroup.objects.update(mark="resolved", marked_at=ZERO + timedelta(minutes=5))
    fail(begun(version, zero=ZERO + timedelta(minutes=1)), "totals differ on page 4")
    settled()
    assert FailureGroup.objects.get().mark == "resolved"
    fail(begun(version, zero=ZERO + timedelta(minutes=9)), "totals differ on page 5")
    settled()
    group = FailureGroup.objects.get()
    assert (group.mark, group.sample) == ("new", "totals differ on page 5")
    assert group.reopened_at == ZERO + timedelta(minutes=9, seconds=4)


def test_what_takes_long_to_count_is_counted_less_often(version):
    settled()
    end(begun(version))
    settled()
    counted = timezone.now()
    Bucket.objects.filter(span=0).update(took_ms=3000, counted_at=counted)
    end(begun(version, zero=ZERO + timedelta(minutes=1)))
    upkeep.hear(counted)
    assert Bucket.objects.get(span=0).due_at == counted + timedelta(seconds=60)
    assert upkeep.fresh_until(counted + timedelta(seconds=9)) == counted


def test_of_a_backlog_the_newest_and_the_longest_due_are_counted_in_turns(version):
    settled()
    oldest_first = [ZERO - days * timedelta(days=1) for days in (9, 5, 1)]
    for at in oldest_first:
        end(begun(version, zero=at))
        upkeep.hear(at)
    now = later()
    left = []
    for is_newest in (True, False):
        assert upkeep.count_next(now, is_newest=is_newest)
        left.append([each.day for each in _dirty_hours()])
    assert left == [[oldest_first[0].day, oldest_first[1].day], [oldest_first[1].day]]


def _dirty_hours():
    hours = Bucket.objects.filter(span=0, dirty_since__isnull=False)
    return hours.order_by("at").values_list("at", flat=True)


def test_a_rebuild_leaves_nothing_to_count(version):
    for hour in range(3):
        end(begun(version, zero=ZERO + timedelta(hours=hour)))
    now = later()
    upkeep.rebuild(now)
    assert not Bucket.objects.filter(due_at__isnull=False).exists()
    assert not Bucket.objects.filter(counted_at__gt=now).exists()
    assert sum(RunRollup.objects.filter(span=1).values_list("runs", flat=True)) == 3


def test_two_who_count_at_once_count_each_bucket_once(version):
    import threading

    settled()
    for hour in range(6):
        end(begun(version, zero=ZERO + timedelta(hours=hour)))
    upkeep.hear(later())
    now = later()
    counted = []

    def one():
        try:
            while upkeep.count_next(now):
                counted.append(1)
        finally:
            connection.close()

    threads = [threading.Thread(target=one) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    settled()
    kept = rows()
    upkeep.rebuild(later())
    assert rows() == kept


ACTS = st.lists(
    st.tuples(
        st.sampled_from(["begin", "work", "call", "end", "fail", "retry", "delete", "late", "hear",
                         "count"]),
        st.integers(0, 2**32),
    ),
    max_size=40,
)  # fmt: skip


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(acts=ACTS)
def test_rollups_are_what_the_runs_give(version, acts):
    Run.objects.count()
    settled()
    stories = []
    for act, number in acts:
        _act(act, random.Random(number), version, stories)
    settled()
    kept = rows()
    assert kept["RunRollup"] == _direct(measure.RUNS, kept["RunRollup"])
    upkeep.rebuild(later())
    assert rows() == kept
    total = sum(rollup.cost for rollup in CallRollup.objects.filter(span=0))
    with connection.cursor() as cursor:
        cursor.execute("SELECT coalesce(sum(cost), 0) FROM llm_calls")
        assert total == cursor.fetchone()[0]
        cursor.execute("SELECT coalesce(sum(cost), 0) FROM jobs")
        assert total == cursor.fetchone()[0]
    for story in stories:
        run = Run.objects.filter(pk=story.id)
        if run.exists() and not run.get().is_final:
            fail(story, at=50)
    lifecycle.delete(Run.objects.all(), by=ANNA)
    settled()
    assert not any(rows().values())


def _direct(template, kept):
    """The rows that a question to the runs themselves gives, beside those of days."""
    with connection.cursor() as cursor:
        told = measure.statement(template, "true")
        cursor.execute(f"SELECT count(*), sum(runs), sum(cost) FROM ({told}) AS told")
        hours, runs, cost = cursor.fetchone()
    rollups = RunRollup.objects.filter(span=0)
    assert rollups.count() == hours
    for span in (0, 1):
        summed = list(RunRollup.objects.filter(span=span).values_list("runs", "cost"))
        assert sum(count for count, _ in summed) == (runs or 0)
        assert sum(each for _, each in summed) == (cost or 0)
    return kept


def _act(act, dice, version, stories):  # noqa: C901
    opened = [s for s in stories if Run.objects.filter(pk=s.id, state="active").exists()]
    failed = [s for s in stories if Run.objects.filter(pk=s.id, state="failed").exists()]
    if act == "begin":
        zero = ZERO + timedelta(minutes=dice.randrange(300))
        stories.append(begun(version, zero=zero, by=dice.choice(["maria", "ben"])))
    elif act == "retry" and failed:
        zero = ZERO + timedelta(hours=6, minutes=dice.randrange(100))
        stories.append(begun(version, zero=zero, retry_of=dice.choice(failed).run))
    elif act == "delete" and failed:
        lifecycle.delete(Run.objects.filter(pk=dice.choice(failed).id), by=ANNA)
    elif act == "hear":
        upkeep.hear(later())
    elif act == "count":
        upkeep.count_next(later())
    elif act == "late" and failed:
        story = dice.choice(failed)
        told = {"model": "m", "input_tokens": 1, "output_tokens": 1, "cost": "0.1"}
        late = [NewEvent(Kind.LLM_CALL, node="ocr", attempt=1, data=told)]
        recorder.record({story.id: late}, now=ZERO)
    elif opened:
        story = dice.choice(opened)
        at = dice.randrange(2, 40)
        if act == "work":
            work(story, seconds=dice.randrange(5), at=at, attempt=story.run.nodes.get(
                key="ocr").attempts + 1)  # fmt: skip
        elif act == "call":
            call(story, f"0.{dice.randrange(10**10):010}", at=at)
        elif act == "end":
            end(story, after=at)
        elif act == "fail":
            fail(story, f"page {dice.randrange(9)} is {dice.choice(['empty', 'torn'])}", at=at)
