"""The official client's subscription to the list: what changed, and when to fetch anew."""

from signal import SIGKILL

import pytest

from runs import ids
from runs.models import Run
from tests.clients.node import Failed
from tests.runs.api.conftest import record
from tests.runs.conftest import changed

pytestmark = pytest.mark.django_db(transaction=True)

RESET = {"runs": [], "reset": True}


def tells(run, state):
    said = {"id": ids.encode("run", run), "state": state}
    return lambda notice: any(said.items() <= each.items() for each in notice["runs"])


def test_it_says_which_runs_changed(client, make_run):
    subscription = client.subscribe_to_list()
    subscription.until_given(lambda notice: notice == RESET)
    run = make_run()
    subscription.until_given(tells(run, "created"))
    assert subscription.given[-1]["reset"] is False
    record(Run.objects.get(pk=run), changed("created", "active"))
    subscription.until_given(tells(run, "active"))
    assert len(client.fetched) == 1


def test_who_comes_back_is_told_to_fetch_anew(client, web, make_run):
    subscription = client.subscribe_to_list()
    subscription.until_given(lambda notice: notice == RESET)
    web.stop(SIGKILL)
    run = make_run()  # unheard
    web.start()
    subscription.until_state("connecting")
    subscription.given.clear()
    subscription.until_given(lambda notice: notice == RESET)
    record(Run.objects.get(pk=run), changed("created", "active"))
    subscription.until_given(tells(run, "active"))


def test_it_is_for_those_who_may_see_runs(client_of, person):
    for client, code in (
        (client_of(), "UNAUTHORIZED"), (client_of(person("view_workflow")), "FORBIDDEN"),
    ):  # fmt: skip
        with pytest.raises(Failed) as refused:
            client.subscribe_to_list().until_end()
        assert refused.value.data["code"] == code
        assert refused.value.data["path"] == "runs.stream"
        assert len(client.fetched) == 1
