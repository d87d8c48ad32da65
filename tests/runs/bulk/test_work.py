"""Bulk operations step by step: every run gets one outcome, whatever happens in between."""

import threading
from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone

from runs import lifecycle, recorder
from runs.actors import Actor
from runs.bulk import kinds, operations, progress, selection, work
from runs.filters import RunFilter
from runs.models import AuditEntry, BulkOperation, BulkOutcome, DeletedRun, Run
from tests.runs.conftest import changed

pytestmark = pytest.mark.django_db
BEN = Actor(name="ben", ref_type="user", ref_id="user_ben", address="10.0.0.1")
ALL = RunFilter()
FAILED = RunFilter(state="failed")


@pytest.fixture
def failed(make_run):
    """Make failed runs; gives their ids."""

    def make(count):
        error = {"error": {"node": "first", "kind": "E", "message": "m"}}
        return [
            make_run(changed("created", "active"), changed("active", "failed", **error))
            for _ in range(count)
        ]

    return make


@pytest.fixture(autouse=True)
def small_steps(monkeypatch):
    monkeypatch.setattr(kinds, "CHUNK", {})
    monkeypatch.setattr(kinds, "USUAL_CHUNK", 3)


def begin(kind, wanted=None, **more):
    more.setdefault("reason", "a bad morning")
    if wanted is None and not {"chosen", "failed_of"} & more.keys():
        wanted = ALL
    return operations.make(kind, by=BEN, now=timezone.now(), wanted=wanted, **more)


def finish(operation):
    for _ in range(1000):
        if work.step(operation.pk)[0] is not work.Moved.ON:
            break
    operation.refresh_from_db()
    return operation


def outcomes(operation):
    rows = BulkOutcome.objects.filter(operation=operation)
    return {run_id: (status, reason) for run_id, status, reason in
            rows.values_list("run_id", "status", "reason")}  # fmt: skip


def test_failed_runs_are_retried_once_each(failed, make_run):
    runs, queued = failed(10), make_run()
    operation = finish(begin("retry", FAILED))
    assert operation.state == "finished"
    assert (operation.visited, operation.done, operation.total) == (10, 10, 10)
    new = Run.objects.filter(retry_of__in=runs)
    assert new.count() == 10
    assert set(outcomes(operation)) == set(runs)
    made = dict(BulkOutcome.objects.values_list("run_id", "new_run"))
    assert made == dict(new.values_list("retry_of", "id"))
    assert queued not in outcomes(operation)
    entry = AuditEntry.objects.get()
    assert (entry.action, entry.target_id, entry.filter) == (
        "bulk retry", operation.public_id, {"state": "failed"},
    )  # fmt: skip
    assert entry.address == "10.0.0.1"


def test_what_does_not_fit_is_skipped_with_its_reason(failed, make_run):
    fits, queued = failed(2), make_run()
    operation = finish(begin("retry", chosen=[*fits, queued]))
    assert (operation.done, operation.skipped) == (2, 1)
    assert outcomes(operation)[queued] == (
        "skipped", "only failed runs are retried; this one is created",
    )  # fmt: skip
    assert set(fits) < set(outcomes(operation))


def test_of_all_runs_only_those_are_visited_that_the_act_can_be_done_to(failed, make_run):
    failed(7)
    queued = [make_run() for _ in range(5)]
    operation = finish(begin("terminate", ALL))
    assert (operation.visited, operation.done, operation.skipped) == (5, 5, 0)
    assert set(outcomes(operation)) == set(queued)
    assert operation.options["states"] == ["created", "active"]
    finish(begin("delete", RunFilter(state="failed")))
    operation = finish(begin("delete", ALL))
    assert (operation.visited, operation.done) == (5, 5)
    assert operations.left_out("hold", ALL) == set()


def test_the_next_ones_of_several_states_are_of_one_moment(make_run, django_assert_num_queries):
    for _ in range(3):
        make_run()
    operation = begin("terminate", ALL)
    with django_assert_num_queries(1):
        assert len(selection.following(operation, 2).run_ids) == 2


def test_each_outcome_tells_when_it_was(failed):
    failed(3)
    before = timezone.now()
    operation = finish(begin("retry", FAILED))
    times = set(operation.outcomes.values_list("at", flat=True))
    assert all(before <= at <= timezone.now() for at in times)


def test_a_time_in_which_nothing_went_on_soon_tells_nothing_of_the_pace():
    now = timezone.now()
    operation = BulkOperation(state="running", pace=None, visited=400, moved_at=now)
    operation.worked = timedelta(seconds=62)
    # Under a limit of 300 a second: most of the time it waits.
    steps = ((200, 0.1, 0.7), (200, 60.0, 60.0), *[(200, 0.1, 0.7)] * 15)
    for visited, seconds, passed in steps:
        now += timedelta(seconds=passed)
        operation.pace = progress._pace(operation, visited, seconds, now)
        operation.moved_at = now
    assert operation.pace > 1000
    operation.rate = 300
    assert operation.per_second == 300


def test_runs_that_come_later_are_not_meant(failed, make_run):
    failed(4)
    operation = begin("retry", ALL)
    work.step(operation.pk)
    failed(3)
    assert finish(operation).visited == 4  # nor the retries that it makes itself


def test_runs_are_terminated_and_deleted(failed, make_run):
    open_runs = [make_run() for _ in range(5)]
    assert finish(begin("terminate", RunFilter(state="queued"))).done == 5
    assert set(Run.objects.values_list("state", flat=True)) == {"terminated"}
    held = open_runs[0]
    lifecycle.hold(Run.objects.filter(pk=held), by=BEN, reason="court")
    operation = finish(begin("delete", ALL))
    assert (operation.done, operation.skipped) == (4, 1)
    assert outcomes(operation)[held] == ("skipped", "it is under legal hold")
    assert DeletedRun.objects.count() == 4
    assert Run.objects.get().pk == held
    operation = finish(begin("release", chosen=open_runs))
    assert (operation.done, operation.skipped) == (1, 4)
    assert outcomes(operation)[open_runs[1]] == ("skipped", "it is not there any more")


def test_named_runs_are_visited_in_steps(failed):
    runs = failed(8)
    operation = finish(begin("retry", chosen=[*runs, *runs]))
    assert (operation.total, operation.done) == (8, 8)


def test_a_step_that_breaks_off_has_not_happened(failed, monkeypatch):
    failed(6)
    operation = begin("retry", ALL)
    work.step(operation.pk)
    write = progress.write

    def die(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(progress, "write", die)
    with pytest.raises(KeyboardInterrupt):
        work.step(operation.pk)
    monkeypatch.setattr(progress, "write", write)
    operation.refresh_from_db()
    assert operation.visited == 3
    assert Run.objects.exclude(retry_of=None).count() == 3
    assert finish(operation).done == 6
    assert Run.objects.exclude(retry_of=None).count() == 6


def test_one_bad_run_stops_no_others_and_is_tried_again(failed, monkeypatch):
    runs = failed(7)
    create = recorder.create

    def refuse(new_runs, **more):
        if any(new.retry_of == runs[3] for new in new_runs):
            raise ValueError("broken input")
        return create(new_runs, **more)

    monkeypatch.setattr(recorder, "create", refuse)
    operation = finish(begin("retry", ALL))
    assert (operation.done, operation.failed) == (6, 1)
    assert outcomes(operation)[runs[3]] == ("failed", "ValueError: broken input")
    monkeypatch.setattr(recorder, "create", create)
    second = finish(operations.again(operation, by=BEN, now=timezone.now()))
    assert (second.total, second.done) == (1, 1)
    with pytest.raises(operations.NotPossible):
        operations.again(second, by=BEN, now=timezone.now())


def test_it_is_paused_goes_on_and_is_aborted(failed):
    failed(9)
    operation, now = begin("retry", ALL), timezone.now()
    work.step(operation.pk)
    assert operations.pause(operation, by=BEN, now=now)
    assert not operations.pause(operation, by=BEN, now=now)
    assert work.step(operation.pk)[0] is work.Moved.OUT
    assert operations.resume(operation, by=BEN, now=now)
    work.step(operation.pk)
    assert operations.abort(operation, by=BEN, now=now)
    assert not operations.resume(operation, by=BEN, now=now)
    operation = finish(operation)
    assert (operation.state, operation.visited) == ("aborted", 6)
    assert operation.ended_at is not None


def test_a_limit_makes_the_steps_small(failed):
    failed(5)
    operation = begin("retry", ALL, rate=2)
    assert work.step(operation.pk)[1] == 2
    operations.set_rate(operation, None)
    assert work.step(operation.pk)[1:] == (3, None)


def test_it_is_counted_beside_the_work(failed):
    failed(8)
    operation = begin("delete", ALL)
    work.step(operation.pk)
    assert operations.count(operation) == 8
    operation.refresh_from_db()
    assert (operation.total, operation.visited) == (8, 3)


@pytest.mark.parametrize(
    ("kind", "more"),
    [
        ("burn", {}), ("delete", {"reason": " "}), ("retry", {"rate": 0}),
        ("retry", {"chosen": [lifecycle.ids.new_id()] * 10_001}),
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused(kind, more):
    with pytest.raises(operations.NotPossible):
        begin(kind, **more)


def test_a_range_is_frozen_where_it_begins():
    now = timezone.now()
    text = selection.frozen(RunFilter(created="24h", state="failed"), now)
    wanted, errors = RunFilter.parse(text)
    assert not errors
    assert wanted.created == ""
    assert abs(wanted.created_from - (now - timedelta(hours=24))) < timedelta(seconds=1)


def test_a_filter_that_is_no_longer_understood_acts_on_nothing(failed):
    failed(2)
    operation = begin("delete", ALL)
    BulkOperation.objects.update(filter={"state": "odd"})
    with pytest.raises(ValueError, match="no longer be read"):
        work.step(operation.pk)
    assert Run.objects.count() == 2


@pytest.mark.django_db(transaction=True)
def test_two_workers_and_two_operations_give_each_run_one_outcome_each(failed):
    runs = failed(30)
    both = [begin("retry", ALL), begin("retry", ALL), begin("delete", FAILED)]
    barrier = threading.Barrier(6)

    def go(operation):
        barrier.wait()
        for _ in range(500):
            moved = work.step(operation.pk)[0]
            if moved is work.Moved.OUT:
                break
        connection.close()

    threads = [threading.Thread(target=go, args=[each]) for each in both * 2]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for operation in both:
        operation.refresh_from_db()
        assert operation.state == "finished"
        assert BulkOutcome.objects.filter(operation=operation).count() == operation.visited
    made = BulkOutcome.objects.filter(operation__kind="retry", status="done")
    assert made.count() == Run.objects.filter(retry_of__in=runs).count()
    assert both[2].done == DeletedRun.objects.count()


# -- No more than were expected --------------------------------------------------------------


def test_it_ends_before_it_visits_more_than_were_expected(failed):
    failed(7)
    operation = finish(begin("delete", FAILED, at_most=5))
    assert (operation.state, operation.visited, operation.done) == ("aborted", 5, 5)
    assert operation.trouble.startswith("More runs match its filter than the 5 ")
    assert operation.ended_at is not None
    assert Run.objects.count() == 2


def test_runs_that_come_into_a_filter_later_are_counted_against_what_was_expected(failed, make_run):
    later = [make_run(changed("created", "active")) for _ in range(3)]
    failed(4)
    operation = begin("delete", FAILED, at_most=4)
    work.step(operation.pk)
    error = {"error": {"node": "first", "kind": "E", "message": "m"}}
    for run_id in later:
        recorder.record({run_id: [changed("active", "failed", **error)]}, now=timezone.now())
    operation = finish(operation)
    assert (operation.state, operation.visited) == ("aborted", 4)


@pytest.mark.parametrize("count", [0, 5])
def test_as_many_as_were_expected_are_no_more(failed, count):
    failed(count)
    operation = finish(begin("delete", FAILED, at_most=count))
    assert (operation.state, operation.done, operation.trouble) == ("finished", count, "")


def test_of_one_that_was_aborted_by_hand_the_trouble_before_is_no_reason(failed):
    failed(1)
    operation = begin("retry", ALL)
    BulkOperation.objects.update(trouble="Storage does not answer.")
    assert operations.abort(operation, by=BEN, now=timezone.now())
    operation.refresh_from_db()
    assert operation.trouble == ""
