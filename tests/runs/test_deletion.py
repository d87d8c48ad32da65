"""Deleting runs: what goes, what stays, and that nothing brings one back."""

import threading
from datetime import timedelta

import pytest
from django.db import DatabaseError, connection, transaction
from django.utils import timezone

from runs import ids, lifecycle, live, outbox, recorder
from runs.actors import Actor
from runs.models import (
    Attempt,
    AuditEntry,
    DeletedRun,
    Event,
    Lease,
    LLMCall,
    Node,
    OutboxLine,
    ReadyNode,
    Run,
)
from runs.rows import NewEvent
from runs.states import Kind
from tests.runs import stories
from tests.runs.conftest import changed

ANNA = Actor(name="anna", ref_type="user", ref_id="user_anna")
OF_RUNS = (Run, Event, Node, Attempt, Lease, ReadyNode, LLMCall)


def runs(*stories_):
    return Run.objects.filter(pk__in=[story.id for story in stories_])


def counts():
    return {model.__name__: model.objects.count() for model in OF_RUNS}


@pytest.mark.django_db
class TestOfFinalRuns:
    def test_a_run_goes_with_all_that_belongs_to_it_and_no_other_is_touched(self):
        kept = stories.failed_invoice()
        before = counts()
        gone = stories.failed_invoice()
        gone.call("extract_text")
        outcome = lifecycle.delete(runs(gone), by=ANNA, reason="test data")
        assert outcome.done == {gone.id: gone.id}
        assert counts() == before
        assert Run.objects.get().pk == kept.id

    def test_a_tombstone_and_the_audit_say_who_when_and_why(self):
        gone, now = stories.completed_run(), timezone.now()
        lifecycle.delete(runs(gone), by=ANNA, reason="test data", now=now)
        left = DeletedRun.objects.get()
        assert (left.run_id, left.deleted_by, left.reason) == (gone.id, "anna", "test data")
        assert left.deleted_at == now
        assert (left.source_id, left.external_id) == (None, None)
        entry = AuditEntry.objects.get(action="delete")
        assert (entry.actor, entry.target_id, entry.reason) == ("anna", gone.public_id, "test data")

    @pytest.mark.parametrize("make", [stories.queued_invoice, stories.active_invoice])
    def test_a_run_that_goes_on_is_skipped(self, make):
        story = make()
        before = counts()
        outcome = lifecycle.delete(runs(story), by=ANNA)
        assert outcome.done == {}
        assert "only runs that have ended" in outcome.skipped[story.id]
        assert counts() == before
        assert not DeletedRun.objects.exists()
        assert not AuditEntry.objects.filter(action="delete").exists()

    def test_of_many_those_that_may_go_and_the_others_stay(self, monkeypatch):
        monkeypatch.setattr(lifecycle, "DELETED_TOGETHER", 2)
        ended = [stories.completed_run() for _ in range(5)]
        active = stories.active_invoice()
        outcome = lifecycle.delete(Run.objects.all(), by=ANNA)
        assert set(outcome.done) == {story.id for story in ended}
        assert set(outcome.skipped) == {active.id}
        assert Run.objects.get().pk == active.id

    def test_a_second_deletion_does_nothing(self):
        gone = stories.completed_run()
        lifecycle.delete(runs(gone), by=ANNA)
        outcome = lifecycle.delete(runs(gone), by=ANNA)
        assert (outcome.done, outcome.skipped) == ({}, {})
        assert AuditEntry.objects.filter(action="delete").count() == 1

    def test_a_retry_keeps_the_id_of_its_deleted_original(self):
        original = stories.failed_invoice()
        new = lifecycle.retry(runs(original), by=ANNA).done[original.id]
        lifecycle.delete(runs(original), by=ANNA)
        retry = Run.objects.get(pk=new)
        assert (retry.retry_of_id, retry.first_id) == (original.id, original.id)

    def test_a_late_event_does_not_bring_it_back(self):
        gone = stories.draining_invoice()
        lifecycle.delete(runs(gone), by=ANNA)
        late = NewEvent(Kind.LATE_RESULT, node="classify", attempt=1, data={"output": {}})
        line = NewEvent(Kind.LOG, node="classify", data={"message": "late"})
        assert recorder.record({gone.id: [late]}, now=timezone.now()) == {}
        assert recorder.record({gone.id: [line]}, now=timezone.now()) == {}
        assert not Run.objects.exists()
        assert not Event.objects.exists()

    def test_the_purge_is_open_for_the_deletion_only(self):
        gone, kept = stories.completed_run(), stories.completed_run()
        with transaction.atomic():
            lifecycle.delete(runs(gone), by=ANNA)
            with pytest.raises(DatabaseError, match="purge"), transaction.atomic():
                Event.objects.filter(run=kept.id).delete()

    def test_its_lines_of_the_outbox_are_still_read_and_pruned(self):
        gone = stories.completed_run()
        lifecycle.delete(runs(gone), by=ANNA)
        assert OutboxLine.objects.filter(run_id=gone.id).exists()

    def test_statements_do_not_grow_with_the_runs(self, django_assert_max_num_queries):
        for _ in range(10):
            stories.completed_run()
        # ids; savepoints, lock, rows, tombstones, archives, outbox, purge on and off, seven tables,
        # audit
        with django_assert_max_num_queries(21):
            assert len(lifecycle.delete(Run.objects.all(), by=ANNA).done) == 10


@pytest.mark.django_db(transaction=True)
class TestCommitted:
    def test_the_bell_tells_that_it_was_deleted(self, make_run, monkeypatch):
        run = make_run(changed("created", "failed"))
        heard = []
        monkeypatch.setattr(live, "ring", heard.extend)
        lifecycle.delete(Run.objects.filter(pk=run), by=ANNA)
        [bell] = heard
        assert (bell.run_id, bell.state, bell.visible) == (run, live.DELETED, True)
        assert bell.last_seq == 3

    def test_outbox_lines_of_a_deleted_run_are_pruned(self, make_run):
        run = make_run(changed("created", "failed"))
        lifecycle.delete(Run.objects.filter(pk=run), by=ANNA)
        assert outbox.prune_all(timezone.now() + timedelta(hours=1)) >= 1
        assert not OutboxLine.objects.filter(run_id=run).exists()

    def test_of_two_who_delete_at_once_one_does(self, make_run):
        run_ids = [make_run(changed("created", "failed")) for _ in range(6)]
        outcomes, barrier = [], threading.Barrier(2)

        def delete():
            try:
                barrier.wait()
                chosen = Run.objects.filter(pk__in=run_ids)
                outcomes.append(lifecycle.delete(chosen, by=ANNA).done)
            finally:
                connection.close()

        threads = [threading.Thread(target=delete) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted([*outcomes[0], *outcomes[1]]) == sorted(run_ids)
        assert DeletedRun.objects.count() == 6
        assert AuditEntry.objects.filter(action="delete").count() == 6

    def test_a_deletion_and_a_late_line_at_once_leave_nothing_half(self, make_run):
        run = make_run(changed("created", "failed"))
        line = NewEvent(Kind.LOG, data={"message": "late"})
        barrier, failed = threading.Barrier(2), []

        def tell():
            try:
                barrier.wait()
                for _ in range(20):
                    recorder.record({run: [line]}, now=timezone.now())
            except Exception as error:
                failed.append(error)
            finally:
                connection.close()

        thread = threading.Thread(target=tell)
        thread.start()
        barrier.wait()
        lifecycle.delete(Run.objects.filter(pk=run), by=ANNA)
        thread.join()
        assert failed == []
        assert not Run.objects.filter(pk=run).exists()
        assert not Event.objects.filter(run=run).exists()


@pytest.mark.django_db
def test_the_id_of_a_deleted_run_is_told_as_such():
    gone = stories.completed_run()
    lifecycle.delete(runs(gone), by=ANNA)
    assert str(DeletedRun.objects.get()) == ids.encode("run", gone.id)
