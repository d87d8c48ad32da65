"""Acts on selected runs: asked first, with what will be skipped and why, then done."""

import html
import re

import pytest
from django.contrib.messages import get_messages

from runs import ids
from runs.models import AuditEntry, Run
from runs.states import RunState
from tests.runs.stories import Story, ago, failed_invoice, node, publish
from tests.runs.visitors import visitor

pytestmark = pytest.mark.django_db

LIST = "/admin/runs/run/"
ACT = f"{LIST}act/"
HTMX = {"HX-Request": "true"}


@pytest.fixture
def olga():
    return visitor("runs.view_run", "runs.retry_run", "runs.terminate_run")


@pytest.fixture
def some():
    """One of each kind, by the name of its state."""
    version = publish(node("first"), node("second", "first"))
    ended = Story(version, zero=ago(90)).active()
    ended.terminate("not needed")
    return {
        "failed": failed_invoice(zero=ago(400)),
        "queued": Story(version, zero=ago(30)),
        "running": Story(version, zero=ago(60)).active(),
        "terminated": ended,
    }


def named(some, *more):
    return ",".join([*(story.public_id for story in some.values()), *more])


def text_of(answer):
    bare = re.sub(r"<[^>]+>", " ", answer.content.decode())
    return re.sub(r"\s+", " ", html.unescape(bare))


def state_of(story):
    return Run.objects.get(pk=story.id).state


def test_it_asks_how_many_by_state_and_how_many_are_skipped_and_why(olga, some):
    gone = ids.encode("run", ids.new_id())
    data = {"act": "terminate", "runs": named(some, gone), "back": "?state=failed"}

    for headers in ({}, HTMX):
        answer = olga.post(ACT, data, headers=headers)
        said = text_of(answer)
        assert answer.status_code == 200
        assert "Terminate 2 runs?" in said
        assert re.search(r"1 queued will be terminated", said)
        assert re.search(r"1 running will be terminated", said)
        assert re.search(r"1 failed will be skipped: they have ended already", said)
        assert re.search(r"1 will be skipped: it is gone", said)
        assert "Terminate these 2" in said
        assert f'href="{LIST}?state=failed"' in answer.content.decode()
    assert b"<html" not in answer.content
    assert state_of(some["running"]) == RunState.ACTIVE


def test_terminating_wants_a_reason_then_ends_what_can_be_ended_and_says_so(olga, some):
    data = {"act": "terminate", "runs": named(some), "confirm": "1", "back": "?workflow=x"}
    unsaid = olga.post(ACT, data)
    assert unsaid.status_code == 422
    assert "Say why" in text_of(unsaid)
    assert state_of(some["running"]) == RunState.ACTIVE

    answer = olga.post(ACT, {**data, "reason": "wrong month"})

    assert answer["Location"] == f"{LIST}?workflow=x"
    said = [html.unescape(str(m)) for m in get_messages(answer.wsgi_request)]
    assert said[0].startswith("2 runs were terminated.")
    assert some["queued"].public_id in said[0]
    assert "1 run was not terminated: it is failed already." in said
    assert state_of(some["queued"]) == state_of(some["running"]) == RunState.TERMINATED
    assert Run.objects.get(pk=some["running"].id).reason == "wrong month"
    assert AuditEntry.objects.filter(action="terminate", actor="olga").count() == 2


def test_retrying_makes_new_runs_and_leads_to_them(olga, some):
    data = {"act": "retry", "runs": named(some), "confirm": "1", "reason": "disk was full"}

    answer = olga.post(ACT, data)

    new = Run.objects.get(retry_of=some["failed"].id)
    said = [str(m) for m in get_messages(answer.wsgi_request)]
    assert f"{LIST}{new.public_id}/" in said[0]
    assert said[0].startswith("1 run was retried. The new one: ")
    assert len(said) == 4
    assert AuditEntry.objects.get(action="retry").reason == "disk was full"


def test_a_dialog_is_told_where_to_go_and_the_words_wait_for_that_page(olga, some):
    data = {"act": "retry", "runs": named(some), "confirm": "1", "back": "?state=failed"}
    answer = olga.post(ACT, data, headers=HTMX)
    assert answer.status_code == 200
    assert answer["HX-Redirect"] == f"{LIST}?state=failed"
    assert "1 run was retried." in text_of(olga.get(answer["HX-Redirect"]))


def test_who_had_to_sign_in_first_is_told_that_nothing_was_done(olga, some):
    answer = olga.get(ACT, follow=True)
    assert answer.redirect_chain == [(LIST, 302)]
    assert "Nothing was done. Select the runs and choose again." in text_of(answer)
    assert state_of(some["running"]) == RunState.ACTIVE


def test_where_nothing_can_be_done_no_button_does_it(olga, some):
    answer = olga.post(ACT, {"act": "retry", "runs": some["queued"].public_id}, headers=HTMX)
    assert "None of them can be retried" in text_of(answer)
    assert "Retry these" not in text_of(answer)


def test_who_may_not_act_is_refused(some):
    nina = visitor("runs.view_run", name="nina")
    for act in ("retry", "terminate"):
        data = {"act": act, "runs": named(some), "confirm": "1", "reason": "x"}
        assert nina.post(ACT, data).status_code == 403
    assert state_of(some["running"]) == RunState.ACTIVE
    page = nina.get(LIST).content.decode()
    assert "Retry<span" not in page
    assert "Terminate<span" not in page


@pytest.mark.parametrize(
    "data", [{}, {"act": "explode", "runs": "run_x"}, {"act": "retry", "runs": "%00,,"}]
)
def test_nothing_selected_leads_back(olga, data):
    assert olga.post(ACT, {**data, "back": "//evil.example/"})["Location"] == LIST


def test_it_looks_at_no_more_runs_than_a_page_may_select(olga, some, django_assert_num_queries):
    more = [ids.encode("run", ids.new_id()) for _ in range(500)]
    olga.get(LIST)
    answer = olga.post(ACT, {"act": "retry", "runs": named(some, *more)}, headers=HTMX)
    assert "196 will be skipped" in text_of(answer)
    with django_assert_num_queries(5):
        olga.post(ACT, {"act": "retry", "runs": named(some)}, headers=HTMX)
