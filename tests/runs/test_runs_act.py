"""Acts on selected runs: asked first, with what will be skipped and why, then done."""

import html
import re

import pytest
from django.contrib.messages import get_messages
from django.db import OperationalError
from django.utils import timezone

from runs import ids
from runs.bulk import tasks
from runs.models import AuditEntry, BulkOperation, Run
from runs.states import RunState
from tests.runs.stories import Story, ago, failed_invoice, node, publish
from tests.runs.visitors import visitor

pytestmark = pytest.mark.django_db

LIST = "/admin/runs/run/"
ACT = f"{LIST}act/"
HTMX = {"HX-Request": "true"}


@pytest.fixture
def olga():
    return visitor(
        "runs.view_run", "runs.retry_run", "runs.terminate_run", "runs.delete_run",
        "runs.hold_run", "runs.export_run",
    )  # fmt: skip


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
    operation = BulkOperation.objects.get()
    entry = AuditEntry.objects.get(action="bulk terminate", actor="olga")
    assert (entry.target_id, entry.reason, entry.count) == (operation.public_id, "wrong month", 4)
    assert (operation.state, operation.done, operation.skipped) == ("finished", 2, 2)


def test_retrying_makes_new_runs_and_leads_to_them(olga, some):
    data = {"act": "retry", "runs": named(some), "confirm": "1", "reason": "disk was full"}

    answer = olga.post(ACT, data)

    new = Run.objects.get(retry_of=some["failed"].id)
    said = [str(m) for m in get_messages(answer.wsgi_request)]
    assert f"{LIST}{new.public_id}/" in said[0]
    assert said[0].startswith("1 run was retried. The new one: ")
    assert len(said) == 4
    assert AuditEntry.objects.get(action="bulk retry").reason == "disk was full"


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


def test_it_looks_at_no_more_runs_than_may_be_named(olga, some, django_assert_num_queries):
    more = [ids.encode("run", ids.new_id()) for _ in range(10_500)]
    olga.get(LIST)
    answer = olga.post(ACT, {"act": "retry", "runs": named(some, *more)}, headers=HTMX)
    assert "9996 will be skipped" in text_of(answer)
    with django_assert_num_queries(5):
        olga.post(ACT, {"act": "retry", "runs": named(some)}, headers=HTMX)


@pytest.fixture
def begun(monkeypatch):
    """Operations that workers were told of."""
    found = []
    monkeypatch.setattr(tasks, "begin", lambda operation: found.append(operation.pk))
    return found


def test_all_that_match_a_filter_are_asked_about_then_left_to_workers(olga, some, begun):
    data = {"act": "terminate", "all": "1", "filter": "?workflow=invoice_processing"}
    said = text_of(olga.post(ACT, {**data, "back": "?workflow=invoice_processing"}))
    assert "Terminate 2 runs?" in said
    assert "All runs of invoice_processing, as of now" in said
    assert "1 failed will be left out" in said

    answer = olga.post(ACT, {**data, "confirm": "1", "reason": "wrong", "rate": "50"})

    operation = BulkOperation.objects.get()
    assert answer["Location"] == f"/admin/bulk/{operation.public_id}/"
    assert begun == [operation.pk]
    assert operation.filter == {"workflow": "invoice_processing"}
    assert (operation.rate, operation.at_least, operation.total) == (50, 4, None)
    assert state_of(some["running"]) == RunState.ACTIVE


def test_of_all_runs_only_failed_ones_are_visited_to_be_retried(olga, some, begun):
    data = {"act": "retry", "all": "1", "filter": "?", "confirm": "1", "begin": "failed"}
    olga.post(ACT, data)
    operation = BulkOperation.objects.get()
    assert operation.filter == {"state": "failed"}
    assert operation.options == {"from_failed": True}
    assert operation.at_least == 1


def test_a_filter_that_is_not_understood_means_no_runs(olga, some):
    data = {"act": "terminate", "all": "1", "filter": "?state=runnning", "confirm": "1"}
    assert olga.post(ACT, {**data, "reason": "x", "back": "?"})["Location"] == f"{LIST}?"
    assert not BulkOperation.objects.exists()


@pytest.mark.parametrize("rate", ["0", "many", "1000000"])
def test_a_limit_that_cannot_be_is_said(olga, some, rate):
    data = {"act": "retry", "all": "1", "filter": "?", "confirm": "1", "rate": rate}
    assert olga.post(ACT, data).status_code == 422
    assert not BulkOperation.objects.exists()


def test_deleting_wants_the_shown_figure_typed_and_offers_to_export_first(olga, some):
    data = {"act": "delete", "runs": named(some), "back": "?"}
    asked = text_of(olga.post(ACT, data))
    assert "Delete 2 runs?" in asked
    assert "Export them first" in asked
    assert "1 running will be skipped: only runs that have ended are deleted" in asked

    data |= {"confirm": "1", "reason": "test data", "shown": "2"}
    for typed in ("", "3", "two"):
        refused = olga.post(ACT, {**data, "typed": typed})
        assert refused.status_code == 422
        assert "Type 2" in text_of(refused)
    assert Run.objects.count() == 4

    answer = olga.post(ACT, {**data, "typed": " 2 "})
    said = [html.unescape(str(m)) for m in get_messages(answer.wsgi_request)]
    assert said[0].startswith("2 runs were deleted.")
    assert not Run.objects.filter(pk__in=[some["failed"].id, some["terminated"].id]).exists()


def test_a_figure_that_was_capped_may_be_typed_without_its_signs(olga, some):
    data = {"act": "delete", "runs": some["failed"].public_id, "confirm": "1", "reason": "x"}
    olga.post(ACT, {**data, "shown": "10,000+", "typed": "10000"})
    assert not Run.objects.filter(pk=some["failed"].id).exists()


def test_held_runs_are_held_back_from_deletion_and_said_so(olga, some):
    held = {"act": "hold", "runs": some["failed"].public_id, "confirm": "1"}
    assert olga.post(ACT, held).status_code == 422
    olga.post(ACT, {**held, "reason": "court"})
    assert Run.objects.get(pk=some["failed"].id).held_by == "olga"

    asked = text_of(olga.post(ACT, {"act": "delete", "runs": named(some), "back": "?"}))
    assert "Delete 1 run?" in asked
    assert "1 failed will be skipped: under legal hold" in asked
    again = text_of(olga.post(ACT, {"act": "hold", "runs": some["failed"].public_id}))
    assert "None of them can be put under legal hold" in again

    olga.post(ACT, {"act": "release", "runs": some["failed"].public_id, "confirm": "1"})
    assert Run.objects.get(pk=some["failed"].id).held_at is None


def test_counts_that_were_capped_say_at_least(olga, some, monkeypatch):
    monkeypatch.setattr("runs.views.bulk.counted.COUNT_CAP", 1)
    Story(Run.objects.get(pk=some["queued"].id).version, zero=ago(20))
    answer = olga.post(ACT, {"act": "terminate", "all": "1", "filter": "?state=queued"})
    said = text_of(answer)
    assert "Terminate at least 1 runs?" in said
    assert "1+ queued will be terminated" in said
    assert "Terminate these 1+" in said


def test_what_cannot_be_counted_in_time_is_asked_about_all_the_same(olga, some, monkeypatch):
    monkeypatch.setattr("runs.views.runs_act.count_matching", _stopped)
    said = text_of(olga.post(ACT, {"act": "delete", "all": "1", "filter": "?"}))
    assert "Delete all of these runs?" in said
    assert "could not be counted in time" in said
    assert "Type all" in said


def _stopped(*_):
    raise OperationalError("canceling statement due to statement timeout")


def test_what_is_not_done_within_a_moment_is_left_to_workers(olga, some, begun, monkeypatch):
    monkeypatch.setattr("runs.bulk.work.work", lambda *_: True)
    data = {"act": "retry", "runs": some["failed"].public_id, "confirm": "1"}
    answer = olga.post(ACT, data)
    assert answer["Location"].startswith("/admin/bulk/bulk_")
    assert len(begun) == 1


def test_held_runs_are_found_behind_many_others_and_others_behind_many_held(
    olga, some, monkeypatch
):
    monkeypatch.setattr("runs.views.bulk.counted.COUNT_CAP", 1)
    version = Run.objects.get(pk=some["terminated"].id).version
    for _ in range(2):
        Story(version, zero=ago(20)).active().terminate("not needed")
    ended = Run.objects.filter(state="terminated").order_by("created_at")
    ask = {"all": "1", "filter": "?state=terminated"}

    Run.objects.filter(pk=ended[2].pk).update(held_at=timezone.now())
    said = text_of(olga.post(ACT, {**ask, "act": "release"}))
    assert "End the legal hold of 1 run?" in said
    assert "1+ terminated will be skipped: not under legal hold" in said

    Run.objects.filter(pk__in=[run.pk for run in ended[:2]]).update(held_at=timezone.now())
    Run.objects.filter(pk=ended[2].pk).update(held_at=None)
    said = text_of(olga.post(ACT, {**ask, "act": "delete"}))
    assert "Delete 1 run?" in said
    assert "1+ terminated will be skipped: under legal hold" in said
