"""The outbox: what readers across runs see, and what is pruned behind them."""

from datetime import timedelta

import psycopg
import pytest
from django.core.management import call_command
from django.db import connection, transaction
from django.utils import timezone

from runs import outbox, recorder
from runs.engine.tasks import prune_outbox
from runs.models import OutboxLine
from runs.rows import NewEvent
from runs.states import Kind

pytestmark = pytest.mark.django_db(transaction=True)


def log():
    return NewEvent(Kind.LOG, node="first", data={"level": "info", "message": "x"})


def record(run_id, *events, now=None):
    return recorder.record({run_id: events}, now=now or timezone.now())


def test_outbox_has_one_line_a_run_and_commit_in_a_gapless_order(make_run):
    run_ids = [make_run(), make_run()]
    recorder.record({run_id: [log(), log()] for run_id in run_ids}, now=timezone.now())
    with transaction.atomic():
        lines = outbox.read("test")
        outbox.advance("test", lines[-1], timezone.now())
    assert [(line.first_seq, line.last_seq) for line in lines] == [(1, 1), (1, 1), (2, 3), (2, 3)]
    with transaction.atomic():
        assert outbox.read("test") == []


def test_outbox_hides_what_an_older_open_transaction_could_still_precede(make_run):
    run_id = make_run()
    with psycopg.connect(**_psycopg_parameters()) as other:
        other.execute("SELECT pg_current_xact_id()")  # an older transaction, still open
        record(run_id, log())
        with transaction.atomic():
            assert [line.last_seq for line in outbox.read("late")] == [1]
        other.rollback()
    with transaction.atomic():
        assert [line.last_seq for line in outbox.read("late")] == [1, 2]


def test_outbox_is_pruned_only_where_all_readers_have_been(make_run):
    run_id = make_run()
    record(run_id, log())
    later = timezone.now() + timedelta(hours=1)
    with transaction.atomic():
        lines = outbox.read("slow")
        outbox.advance("slow", lines[0], later)
    assert outbox.prune(later) == 1
    with transaction.atomic():
        assert [line.last_seq for line in outbox.read("slow")] == [2]


def _psycopg_parameters():
    parameters = connection.get_connection_params()
    for name in ("context", "cursor_factory", "prepare_threshold"):
        parameters.pop(name, None)
    return parameters


# -- Pruning batch after batch -----------------------------------------------------------------

HOUR = timedelta(hours=1)


@pytest.fixture
def told(make_run):
    """A run with 25 lines of an hour ago behind its first one, which is new."""
    run_id = make_run()
    for _ in range(25):
        record(run_id, log(), now=timezone.now() - HOUR)
    return run_id


def lines():
    return list(OutboxLine.objects.order_by("id").values_list("last_seq", flat=True))


def come_to(reader, count):
    """Let a reader come to its `count`-th line."""
    with transaction.atomic():
        outbox.advance(reader, outbox.read(reader)[count - 1], timezone.now())


def test_all_that_is_old_is_pruned_in_as_many_batches_as_it_takes(told, monkeypatch):
    batches = []

    def prune(now, *, batch, prune=outbox.prune):
        batches.append(prune(now, batch=batch))
        return batches[-1]

    monkeypatch.setattr(outbox, "prune", prune)
    assert outbox.prune_all(timezone.now(), batch=10) == 25
    assert batches == [10, 10, 5]
    assert lines() == [1]
    assert outbox.prune_all(timezone.now(), batch=10) == 0


def test_a_last_batch_that_is_full_is_followed_by_an_empty_one(told):
    assert outbox.prune_all(timezone.now(), batch=5) == 25
    assert lines() == [1]


def test_when_the_time_is_up_the_rest_waits_for_the_next_call_the_newest_longest(told):
    assert outbox.prune_all(timezone.now(), seconds=0, batch=10) == 10
    assert lines() == [1, *range(12, 27)]
    assert outbox.prune_all(timezone.now(), seconds=0, batch=10) == 10
    assert lines() == [1, *range(22, 27)]


def test_batches_end_at_the_slowest_reader(told):
    come_to("fast", 20)
    come_to("slow", 13)
    # The first line is too young.
    assert outbox.prune_all(timezone.now(), batch=5) == 12
    assert lines() == [1, *range(14, 27)]


def test_the_task_keeps_what_is_younger_than_ten_minutes(told):
    record(told, log(), now=timezone.now() - timedelta(minutes=9))
    record(told, log(), now=timezone.now() - timedelta(minutes=11))
    prune_outbox()
    assert lines() == [1, 27]


def test_what_an_open_transaction_may_precede_is_not_pruned(make_run):
    run_id = make_run()
    record(run_id, log(), now=timezone.now() - HOUR)
    with psycopg.connect(**_psycopg_parameters()) as other:
        other.execute("SELECT pg_current_xact_id()")
        record(run_id, log(), now=timezone.now() - HOUR)
        assert outbox.prune_all(timezone.now(), batch=1) == 1
        assert lines() == [1, 3]
        other.rollback()
    assert outbox.prune_all(timezone.now(), batch=1) == 1
    assert lines() == [1]


# -- After a restore into a server that has not come so far ---------------------------------------

FURTHER = 10**9


def come_from_further_on():
    """What a dump of a server has whose transactions have higher numbers than this one's."""
    with connection.cursor() as cursor:
        for table in ("outbox", "outbox_cursors"):
            cursor.execute(
                f"UPDATE {table} SET xid = (xid::text::bigint + %s)::text::xid8", [FURTHER]
            )


def unread(reader):
    with transaction.atomic():
        return [line.last_seq for line in outbox.read(reader)]


def test_what_comes_after_a_restore_is_read_though_its_transactions_have_lower_numbers(told):
    come_to("done", 26)
    come_from_further_on()
    record(told, log())
    assert unread("done") == [27]


def test_a_restore_leaves_each_reader_at_its_place(told):
    come_to("slow", 13)
    come_to("fast", 20)
    come_from_further_on()
    assert unread("slow") == list(range(14, 27))
    assert unread("fast") == list(range(21, 27))


def test_nothing_new_is_pruned_unread_after_a_restore(told):
    come_to("slow", 26)
    come_from_further_on()
    record(told, log())
    outbox.prune_all(timezone.now() + HOUR)
    assert unread("slow") == [27]


def test_a_restore_is_noticed_by_the_cursors_alone(make_run):
    run_id = make_run()
    come_to("done", 1)
    OutboxLine.objects.all().delete()
    come_from_further_on()
    record(run_id, log())
    assert unread("done") == [2]


def test_what_was_recorded_before_the_restore_was_noticed_is_read_too(told):
    come_to("done", 26)
    come_from_further_on()
    for _ in range(3):
        record(told, log())
    assert outbox.mend_after_restore()
    assert unread("done") == [27, 28, 29]
    assert not outbox.mend_after_restore()


def test_an_own_transaction_is_no_other_server(make_run):
    with transaction.atomic():
        make_run()
        assert not outbox.mend_after_restore()


def test_a_server_that_is_further_on_than_the_dump_reads_on(told):
    come_to("done", 26)
    assert not outbox.mend_after_restore()
    record(told, log())
    assert unread("done") == [27]


def test_migrating_mends_the_outbox_before_any_process_starts(told):
    come_to("done", 26)
    come_from_further_on()
    call_command("migrate", verbosity=0)
    record(told, log())
    assert unread("done") == [27]
