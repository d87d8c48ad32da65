"""OPERATE → Decisions: the list, a question and its answer."""

import pytest
from django.urls import reverse

from runs.models import AuditEntry, Decision, Node
from tests.runs.api.conftest import REVIEW, waiting
from tests.runs.visitors import visitor

pytestmark = pytest.mark.django_db
LIST = reverse("decisions")
MAY = ("runs.view_run", "runs.decide_decision")


@pytest.fixture
def run(publish):
    return waiting(publish)


def address(run):
    return reverse("decide", args=[run.public_id, "review"])


def test_what_waits_for_me_is_listed_and_leads_to_its_question(run):
    client = visitor(*MAY)
    assert address(run) in client.get(LIST).content.decode()
    page = client.get(address(run)).content.decode()
    assert "Check it" in page
    assert "Approve as it is" in page
    assert "a.pdf" in page


def test_what_is_for_others_is_seen_and_not_decided(run):
    Decision.objects.update(people=["maria"])
    client = visitor(*MAY)
    assert "Nothing waits for you" in client.get(LIST).content.decode()
    assert address(run) in client.get(LIST + "?show=open").content.decode()
    page = client.get(address(run)).content.decode()
    assert "not yours to decide" in page
    assert "Approve as it is" not in page
    assert client.post(address(run), {"act": "approved"}).status_code == 403
    assert Decision.objects.open().exists()


def test_who_may_only_see_runs_decides_nothing(run):
    client = visitor("runs.view_run")
    assert "not yours to decide" in client.get(address(run)).content.decode()
    assert client.post(address(run), {"act": "approved"}).status_code == 403
    assert visitor(name="nobody").get(LIST).status_code == 403


def test_a_correction_is_typed_into_a_form(run):
    client = visitor(*MAY)
    answer = client.post(address(run), {"act": "corrected", "value.": ""})
    assert answer.status_code == 422
    assert "does not fit" in answer.content.decode()
    answer = client.post(address(run), {"act": "corrected", "value.": "b.pdf", "comment": "so"})
    assert answer.url == LIST
    node = Node.objects.get(run=run)
    assert run.events.get(seq=node.output_seq).data["output"]["value"] == "b.pdf"
    assert AuditEntry.objects.get(action="corrected").actor == "olga"
    page = client.get(address(run)).content.decode()
    assert "corrected by olga" in page
    again = client.post(address(run), {"act": "rejected"})
    assert again.status_code == 409
    assert "It was corrected by olga already." in again.content.decode()
    assert "corrected by olga" in client.get(LIST + "?show=past").content.decode()


def test_an_answer_that_is_none_is_refused(run):
    client = visitor(*MAY)
    for given in ({}, {"act": "withdrawn"}, {"act": "x" * 1000}):
        assert client.post(address(run), given).status_code == 422
    assert client.get(LIST + "?show=all").status_code == 404
    assert client.get(reverse("decide", args=["run_x", "review"])).status_code == 404
    assert client.get(reverse("decide", args=[run.public_id, "other"])).status_code == 404


def test_what_a_question_shows_is_never_markup(publish):
    evil = "<script>alert(1)</script>"
    node = {**REVIEW, "title": "{{ document }}", "instructions": "{{ document }}"}
    run = waiting(publish, node, {"document": evil})
    client = visitor(*MAY)
    for path in (LIST, address(run)):
        page = client.get(path).content.decode()
        assert evil not in page
        assert "&lt;script&gt;" in page
    assert client.post(address(run), {"act": "approved", "comment": evil}, follow=True)
    assert evil not in client.get(LIST + "?show=past").content.decode()


def test_the_list_asks_the_database_as_often_for_many_as_for_one(
    publish, django_assert_max_num_queries
):
    client = visitor(*MAY)
    for _ in range(5):
        waiting(publish)
    with django_assert_max_num_queries(14):
        client.get(LIST)


def test_the_run_leads_to_what_it_waits_for(run):
    client = visitor(*MAY)
    page = client.get(f"/admin/runs/run/{run.public_id}/?node=review").content.decode()
    assert page.count(f'href="{address(run)}"') == 2
    assert "review waits for a person." in page
