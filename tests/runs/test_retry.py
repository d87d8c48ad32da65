"""Retries of one run, asked for again and at once."""

import threading

import pytest
from django.db import connection
from django.utils import timezone

from runs import lifecycle, recorder
from runs.models import AuditEntry, Run
from tests.runs.conftest import ANNA, changed

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
