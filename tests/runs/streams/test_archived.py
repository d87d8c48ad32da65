"""What streams say of a log that is archived."""

import json
from urllib.parse import quote

import pytest

from runs import ids
from runs.models import Run
from runs.states import LogState
from runs.streams import log
from runs.streams.frames import archived_frame, is_archived_frame
from tests.runs.archives import archive, in_folder, restore
from tests.runs.conftest import changed
from tests.runs.streams.conftest import log as say

pytestmark = pytest.mark.django_db(transaction=True)


class Told:
    """A run, as the makers of archives take one."""

    def __init__(self, run_id):
        self.id = run_id

    @property
    def run(self):
        return Run.objects.get(pk=self.id)


@pytest.fixture(autouse=True)
def folder(settings, tmp_path):
    in_folder(settings, tmp_path)


@pytest.fixture
def told(make_run):
    """Six events: created, failed, and four lines."""
    made = Told(make_run(changed("created", "failed")))
    for number in range(4):
        say(made.id, f"line {number}")
    assert made.run.last_seq == 6
    return made


def test_an_archived_log_is_refused_with_what_to_do(told, web, session):
    archive(told)
    public_id = ids.encode("run", told.id)
    answer = web.open(f"/api/sse-logs/{public_id}?lastEventId=2", session)
    assert answer.status == 409
    found = answer.body()
    assert found["type"] == "urn:problem-type:runs:log-archived"
    assert (found["log_state"], found["restore"]) == (
        "archived", f"/api/runs/{public_id}/restore/",
    )  # fmt: skip
    assert "Events 3 to 6 are archived" in found["detail"]


def test_who_has_it_all_waits_for_what_comes_late(told, listen):
    archive(told)
    stream = listen(told.id, after=6)
    say(told.id, "late")
    [event] = stream.take(1)
    assert (event.id, event.data["data"]["message"]) == (7, "late")
    assert told.run.logs == LogState.PARTLY


def test_of_a_log_that_is_partly_here_the_rest_follows_a_note(told, listen):
    archive(told)
    say(told.id, "late")
    say(told.id, "later")
    note, *rest = listen(told.id, after=2).take(3)
    assert (note.name, note.id, note.data) == ("archived", 6, {"first": 3, "last": 6})
    assert [event.id for event in rest] == [7, 8]


def test_a_stream_stays_when_its_run_is_archived_and_restored(told, listen):
    stream = listen(told.id, after=0)
    assert [event.id for event in stream.take(6)] == [1, 2, 3, 4, 5, 6]
    archive(told)
    say(told.id, "late")
    restore(told)
    say(told.id, "later")
    assert [event.id for event in stream.take(2)] == [7, 8]


def test_a_restored_log_is_streamed_as_before(told, listen):
    before = [(event.id, event.data) for event in listen(told.id, after=0).take(6)]
    archive(told)
    restore(told)
    assert [(event.id, event.data) for event in listen(told.id, after=0).take(6)] == before


def test_how_far_a_log_goes(told):
    assert log.extent_of(told.id) == (6, 0, "live")
    archive(told)
    assert log.extent_of(told.id) == (6, 6, "archived")
    say(told.id, "late")
    assert log.extent_of(told.id) == (7, 6, "partly")
    restore(told)
    assert log.extent_of(told.id) == (7, 0, "restored")
    assert log.extent_of(ids.new_id()) is None


def test_trpc_refuses_it_with_what_to_do(told, web, session):
    archive(told)
    public_id = ids.encode("run", told.id)
    given = quote(json.dumps({"runId": public_id}))
    answer = web.open(f"/api/trpc/runs.streamLogs?input={given}", session)
    told_of = next(event for event in answer.events(10) if event.name == "serialized-error")
    assert told_of.data["data"]["code"] == "CONFLICT"
    assert told_of.data["data"]["restore"] == f"/api/runs/{public_id}/restore/"
    assert "Events 1 to 6 are archived" in told_of.data["message"]


def test_a_note_is_told_from_an_event():
    assert is_archived_frame(archived_frame(1, 5))
    assert not is_archived_frame(b"id: 5\nevent: log\ndata: {}\n\n")
