"""Questions to people over the API, and their answers."""

import pytest
from django.utils import timezone

from runs.models import Decision, Node
from tests.runs.api.conftest import INPUT, waiting

pytestmark = pytest.mark.django_db


@pytest.fixture
def run(publish):
    return waiting(publish)


def address(run):
    return f"/api/decisions/{run.public_id}/review/"


def test_a_question_says_what_it_shows_and_what_may_be_answered(client, run):
    found = client.get(address(run)).json()
    assert (found["title"], found["input"], found["value"]) == ("Check it", INPUT, "a.pdf")
    assert found["form"] == {"type": "string", "minLength": 1}
    assert (found["decided_at"], found["act"], found["due_at"]) == (None, "", None)
    (listed,) = client.get("/api/decisions/?show=mine").json()["results"]
    assert (listed["run"], listed["node"], listed["workflow_id"]) == (
        run.public_id, "review", "reviewed",
    )  # fmt: skip


def test_a_correction_is_checked_and_then_taken_once(client, run):
    answer = client.post(address(run), {"act": "corrected", "value": ""}, format="json")
    assert answer.status_code == 422
    assert "does not fit" in answer.json()["detail"]
    given = {"act": "corrected", "value": "b.pdf", "comment": "wrong file"}
    answer = client.post(address(run), given, format="json")
    assert answer.status_code == 200
    assert (answer.json()["act"], answer.json()["decided_by"]) == ("corrected", "olga")
    node = Node.objects.get(run=run)
    assert run.events.get(seq=node.output_seq).data["output"] == {
        "decision": "corrected", "value": "b.pdf", "by": "olga", "comment": "wrong file",
    }  # fmt: skip
    again = client.post(address(run), {"act": "approved"}, format="json")
    assert (again.status_code, again.json()["detail"]) == (409, "It was corrected by olga already.")
    assert client.get("/api/decisions/").json()["results"] == []
    assert len(client.get("/api/decisions/?show=past").json()["results"]) == 1


def test_what_is_assigned_to_others_is_seen_and_not_decided(client, run):
    Decision.objects.update(people=["maria"])
    assert client.get("/api/decisions/?show=mine").json()["results"] == []
    assert len(client.get("/api/decisions/?show=open").json()["results"]) == 1
    assert client.post(address(run), {"act": "approved"}, format="json").status_code == 403


@pytest.mark.parametrize(
    "body", [{}, {"act": "withdrawn"}, {"act": "approved", "why": "x"}, [], {"act": 7}]
)
def test_an_answer_that_is_none_is_refused(client, run, body):
    assert client.post(address(run), body, format="json").status_code == 400
    assert Decision.objects.open().count() == 1


def test_pages_of_questions_follow_each_other(client, publish):
    runs = [waiting(publish).public_id for _ in range(5)]
    Decision.objects.update(asked_at=timezone.now())
    seen, url = [], "/api/decisions/?limit=2"
    while url:
        page = client.get(url).json()
        seen += [each["run"] for each in page["results"]]
        url = page["next"]
    assert seen == runs
    assert client.get("/api/decisions/?cursor=after.x").status_code == 400
    assert client.get("/api/decisions/?show=all").status_code == 400
