"""Retries of one run, asked for again and at once; and of many with large inputs."""

import json
import random
import threading
import tracemalloc
from dataclasses import replace

import pytest
from django.db import IntegrityError, connection
from django.utils import timezone

from runs import lifecycle, recorder
from runs.models import AuditEntry, Event, Run
from runs.rows import NewEvent
from runs.states import Kind
from tests.runs.conftest import ANNA, changed, new_run

pytestmark = pytest.mark.django_db(transaction=True)


def fail(run_id):
    error = {"node": "", "kind": "Broken", "message": "x"}
    recorder.record({run_id: [changed("created", "failed", error=error)]}, now=timezone.now())


def retry(run_id):
    return lifecycle.retry(Run.objects.filter(pk=run_id), by=ANNA)


def test_a_run_that_is_being_retried_is_not_retried_again_until_that_ended(make_run):
    run_id = make_run()
    fail(run_id)
    first = Run.objects.get(pk=retry(run_id).done[run_id])
    again = retry(run_id)
    assert again.skipped == {run_id: f"it is being retried already, as {first.public_id}"}
    assert not again.done
    fail(first.pk)
    assert run_id in retry(run_id).done


def test_ten_retries_at_once_make_one_new_run(make_run):
    run_id = make_run()
    fail(run_id)
    outcomes, gate = [], threading.Barrier(10)

    def ask():
        gate.wait()
        try:
            outcomes.append(retry(run_id))
        finally:
            connection.close()

    threads = [threading.Thread(target=ask) for _ in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(len(o.done) for o in outcomes) == [0] * 9 + [1]
    assert Run.objects.filter(retry_of=run_id).count() == 1
    assert AuditEntry.objects.filter(action="retry").count() == 1


def failed_with(version, data):
    """The ids of failed runs with these inputs, in the order of their ids."""
    found = []
    for each in data:
        new = replace(new_run(version), events=[NewEvent(Kind.RUN_CREATED, data={"input": each})])
        recorder.create([new], now=timezone.now())
        fail(new.id)
        found.append(new.id)
    return found


def inputs_of(run_ids):
    first = Event.objects.filter(run__in=run_ids, seq=1)
    return dict(first.values_list("run_id", "data__input"))


def test_inputs_of_many_retries_are_not_in_memory_together(version):
    count, size = 24, 900_000
    chance = random.Random(1)
    # One half is stored as it is, the other compressed to next to nothing.
    data = ({"text": chance.choice("ab") * size} if n % 2 else {
        "text": chance.randbytes(size // 2).hex()} for n in range(count))  # fmt: skip
    run_ids = failed_with(version, data)
    tracemalloc.start()
    try:
        outcome = lifecycle.retry(Run.objects.filter(pk__in=run_ids), by=ANNA)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert list(outcome.done) == run_ids
    assert peak < count * size * 0.6, f"{peak:,} bytes"
    for before, after in outcome.done.items():
        found = inputs_of([before, after])
        assert found[before] == found[after]


def test_retries_of_small_and_large_inputs_keep_each_its_own(version, monkeypatch):
    monkeypatch.setattr(lifecycle, "BATCH_BYTES", 1_000)
    sizes = [10, 10, 2_000, 10, 700, 700, 10, 2_000, 2_000, 10]
    run_ids = failed_with(version, [{"n": n, "x": "x" * size} for n, size in enumerate(sizes)])
    outcome = lifecycle.retry(Run.objects.filter(pk__in=run_ids), by=ANNA, reason="again")
    assert list(outcome.done) == run_ids
    assert sorted(outcome.done.values()) == list(outcome.done.values())
    before, after = inputs_of(run_ids), inputs_of(outcome.done.values())
    assert all(after[outcome.done[run_id]] == before[run_id] for run_id in run_ids)
    links = Run.objects.filter(pk__in=outcome.done.values()).values_list("retry_of", "id")
    assert dict(links) == outcome.done
    assert AuditEntry.objects.filter(action="retry", reason="again").count() == len(sizes)


def test_when_one_of_many_retries_is_refused_none_is_recorded(version, monkeypatch):
    monkeypatch.setattr(lifecycle, "BATCH_BYTES", 1)
    run_ids = failed_with(version, [{}, {}, {}])
    made = []

    def break_at_the_last(new_runs, *, now, create=recorder.create):
        made.extend(new_runs)
        if len(made) == 3:
            new_runs = [replace(new_runs[0], workflow_id=0)]
        return create(new_runs, now=now)

    monkeypatch.setattr(recorder, "create", break_at_the_last)
    with pytest.raises(IntegrityError):
        lifecycle.retry(Run.objects.filter(pk__in=run_ids), by=ANNA)
    assert len(made) == 3
    assert not Run.objects.filter(retry_of__in=run_ids).exists()
    assert not AuditEntry.objects.exists()


def test_an_input_stored_before_depth_was_limited_is_skipped_with_the_reason(version, monkeypatch):
    deep = {}
    for _ in range(300):
        deep = {"in": deep}
    with monkeypatch.context() as before:
        before.setattr("runs.recorder_sql.dump", json.dumps)
        run_ids = failed_with(version, [{}, deep])
    outcome = lifecycle.retry(Run.objects.filter(pk__in=run_ids), by=ANNA)
    assert list(outcome.done) == run_ids[:1]
    assert outcome.skipped == {run_ids[1]: "its input is nested more than 100 levels deep"}
