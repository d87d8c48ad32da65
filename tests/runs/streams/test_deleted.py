"""What streams say of a run that is deleted."""

import pytest

from runs import ids, lifecycle
from runs.actors import Actor
from runs.models import Run
from tests.runs.conftest import changed
from tests.runs.streams.client import Ended
from tests.runs.streams.conftest import log

pytestmark = pytest.mark.django_db(transaction=True)
ANNA = Actor(name="anna", ref_type="user", ref_id="user_anna")


def delete(run):
    outcome = lifecycle.delete(Run.objects.filter(pk=run), by=ANNA)
    assert outcome.done == {run: run}


def test_a_runs_stream_gives_what_it_has_says_that_it_is_deleted_and_ends(
    listen, make_run, web, session
):
    run = make_run(changed("created", "failed"))
    stream = listen(run, after=0)
    assert [event.id for event in stream.take(2)] == [1, 2]
    delete(run)
    [last] = stream.take(1)
    assert (last.name, last.data) == ("deleted", {})
    with pytest.raises(Ended):
        stream.take(1)
    again = web.open(f"/api/sse-logs/{ids.encode('run', run)}", session)
    assert again.status == 404


def test_the_deletion_is_noticed_where_no_bell_told_of_it(listen, make_run, mortal_broker):
    run = make_run(changed("created", "failed"))
    log(run, "one")
    stream = listen(run, after=0)
    assert [event.id for event in stream.take(3)] == [1, 2, 3]
    mortal_broker.kill()
    delete(run)
    [last] = stream.take(1, seconds=30)
    assert last.name == "deleted"


def test_the_lists_stream_tells_of_it(listen_to_list, make_run):
    run = make_run(changed("created", "failed"))
    stream = listen_to_list()
    list(stream.events(0.5))
    delete(run)
    told = {"id": ids.encode("run", run), "state": "deleted", "new": False}
    found = []
    while told not in found:
        for event in stream.take(1):
            if event.name == "runs":
                found += event.data["runs"]
