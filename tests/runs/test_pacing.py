"""Archiving gives way to who waits for the database."""

import os
import threading

import pytest
from django.db import connection

from runs import archiving, pacing
from tests.runs.test_archiving import in_a_folder, told, version

__all__ = ["in_a_folder", "version"]
pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def busy():
    """Somebody else's statement, which takes its time."""
    begun, ended = threading.Event(), threading.Event()

    def ask():
        try:
            with connection.cursor() as cursor:
                begun.set()
                cursor.execute("SELECT pg_sleep(5)")
        except Exception:
            pass
        finally:
            connection.close()
            ended.set()

    asking = threading.Thread(target=ask)
    asking.start()
    begun.wait(5)
    yield
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE query LIKE %s"
            " AND pid <> pg_backend_pid() AND datname = current_database()",
            ["SELECT pg_sleep%"],
        )
    asking.join(6)


def test_where_nobody_else_is_there_is_no_rest(db):
    assert pacing.others() == 0
    assert pacing.rest_for(1.0, 0) == 0


def test_others_are_seen_and_given_way(version, busy, monkeypatch):
    assert pacing.others() > 0
    rests = []
    monkeypatch.setattr(archiving.time, "sleep", rests.append)
    story = told(version)
    assert archiving.archive([story.id]).archived == {story.id}
    assert rests
    assert max(rests) > 0


def test_the_rest_grows_with_the_work_and_the_others_up_to_a_bound():
    assert pacing.rest_for(0.1, 1) < pacing.rest_for(0.2, 1) < pacing.rest_for(0.2, 2)
    assert pacing.rest_for(60, 9) == pacing.LONGEST


def test_a_nice_thread_leaves_its_process_as_it_was():
    before, own = os.getpriority(os.PRIO_PROCESS, 0), []

    def nice():
        pacing.be_nice()
        own.append(os.getpriority(os.PRIO_PROCESS, threading.get_native_id()))

    thread = threading.Thread(target=nice)
    thread.start()
    thread.join()
    assert own[0] >= before
    assert own[0] >= pacing.NICENESS
    assert os.getpriority(os.PRIO_PROCESS, 0) == before
