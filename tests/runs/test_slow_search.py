"""A search of a run's history that takes too long is stopped, and the page lives on."""

import re

import pytest

from runs.rows import NewEvent
from runs.states import Kind
from runs.views import run_history
from tests.runs import stories
from tests.runs.visitors import visitor

pytestmark = pytest.mark.django_db(transaction=True)

# Nearly everywhere in the events, and never quite: it is compared at every character of them.
NEARLY = "a" * 199 + "b"
STOPPED = f"This search was stopped after {run_history.SECONDS} seconds."


@pytest.fixture
def run():
    """A run whose log takes tens of seconds to search for NEARLY."""
    told = stories.Story(stories.publish(stories.node("read"), slug="wordy"), zero=stories.ago(60))
    told.queue("read").active().start("read")
    for _ in range(8):
        line = NewEvent(Kind.LOG, "read", 1, data={"level": "info", "message": "a" * 900_000})
        told.tell(*[line] * 5)
    return told.log("read", "the last line")


def shown(client, run, query):
    answer = client.get(f"/admin/runs/run/{run.public_id}/{query}")
    assert answer.status_code == 200
    return answer.content.decode()


def seqs(page):
    return [int(seq) for seq in re.findall(r'<li data-seq="(\d+)"', page)]


def test_it_says_so_in_its_place_and_the_rest_of_the_page_is_there(run):
    page = shown(visitor("runs.view_run"), run, f"?find={NEARLY}")
    assert STOPPED in page
    assert 'role="alert"' in page
    assert "No events" not in page
    assert seqs(page) == []
    # The run above it, what was looked for, and the ways on.
    assert "wordy" in page
    assert 'id="run-lanes"' in page
    assert f'value="{NEARLY}"' in page
    assert "All events" in page


def test_its_part_alone_says_the_same_and_the_next_request_is_answered(run):
    client = visitor("runs.view_run")
    assert STOPPED in shown(client, run, f"?fragment=events&find={NEARLY}")
    page = shown(client, run, "?fragment=events&before=")
    assert STOPPED not in page
    assert seqs(page)[-1] == run.run.last_seq


def test_with_a_kind_as_it_says_it_finishes(run):
    client = visitor("runs.view_run")
    page = shown(client, run, f"?fragment=events&kind=state_changed&find={NEARLY}")
    assert STOPPED not in page
    assert "No events with this text" in page
    assert seqs(shown(client, run, "?fragment=events&kind=state_changed&find=active")) == [3]
