"""What its sender calls an event, once the event was archived."""

import pytest

from runs import archiving, restoring
from runs.bulk import tasks
from runs.models import Event
from tests.runs.api.reports import PERMISSIONS, URL, the_run, told
from tests.runs.archives import in_folder, restore
from tests.runs.bulk.test_work import begin

pytestmark = pytest.mark.django_db(transaction=True)


class Reported:
    def __init__(self, run):
        self.id, self.run = run.pk, run


@pytest.fixture
def again(login, settings, tmp_path):
    """The archived first one of three runs, of which the second has an event with an id of the
    first one's, reported when the portal did not know it any more."""
    in_folder(settings, tmp_path)
    client = login(*PERMISSIONS)
    for run in ("r1", "r2", "r3"):
        said = told("log", run, data={"message": run}, id_="else" if run == "r3" else "again")
        events = [told("run_created", run), told("run_started", run), said]
        answer = client.post(URL, [*events, told("run_completed", run)], format="json")
        assert (answer.status_code, answer.json()["stored"]) == (200, 4), answer.content
        if run != "r2":
            archiving.archive([the_run(run).pk])
    return Reported(the_run("r1"))


@pytest.mark.parametrize("is_long", [False, True])
def test_a_log_whose_sender_has_used_an_id_again_says_what_keeps_it_away(
    again, monkeypatch, is_long
):
    if is_long:
        monkeypatch.setattr(restoring, "FETCHED_EVENTS", 1)
    other = the_run("r2")
    told = restore(again).skipped[again.id]
    assert told == (
        f"its sender has used the id “again” of one of its events for {other.public_id} too:"
        " archive or delete that one first"
    )
    archiving.archive([other.pk, again.id])
    assert restore(again).done
    assert Event.objects.filter(run=again.id).count() == 4


@pytest.mark.parametrize("is_long", [False, True])
def test_a_log_that_does_not_come_back_for_that_keeps_no_other_from_it(again, monkeypatch, is_long):
    if is_long:
        monkeypatch.setattr(restoring, "FETCHED_EVENTS", 1)
    operation = begin("restore")
    for _ in range(20):
        tasks.bulk_work(str(operation.pk))
    operation.refresh_from_db()
    assert (operation.state, operation.trouble) == ("finished", "")
    assert Event.objects.filter(run=the_run("r3").pk).count() == 4
