"""Nodes that wait for a person, asked by a real worker."""

import threading
from datetime import timedelta

import pytest
from django.contrib.auth.models import Group, Permission
from django.db import connection
from django.utils import timezone

from runs import lifecycle
from runs.engine import answers
from runs.models import AuditEntry, Decision, Run, User
from runs.states import DecisionAct
from tests.runs.conftest import ANNA, executor_node
from tests.runs.engine.conftest import node, wait_for, wait_for_end

pytestmark = pytest.mark.django_db(transaction=True)
FORM = {"type": "object", "required": ["total"], "properties": {"total": {"type": "number"}}}
APPROVED, REJECTED, CORRECTED = DecisionAct.APPROVED, DecisionAct.REJECTED, DecisionAct.CORRECTED


def human(**fields):
    return {
        "id": "review", "kind": "human", "title": "Invoice {{ number }}",
        "input": {"fields": "$.data.fields", "number": "$.data.number"},
        "correct": "fields", "form": FORM, **fields,
    }  # fmt: skip


AFTER = executor_node(
    "after", "probe.echo", needs=["review"], input={"x": "$.nodes.review.output.value.total"}
)
DATA = {"fields": {"total": 3}, "number": 17}


@pytest.fixture
def people(transactional_db):
    may = Permission.objects.get(codename="decide_decision")
    found = {}
    for name in ("carla", "dirk"):
        found[name] = User.objects.create_user(name, password="x", is_staff=True)
        found[name].user_permissions.add(may)
    return found


def waiting(run):
    return wait_for(
        lambda: Decision.objects.open().filter(run=run.pk).select_related("node__run").first(),
        "the question",
    )


def decide(decision, user, act, **fields):
    answers.answer(decision, act, by=user.as_actor(), user=user, **fields)


def output(run, key):
    return run.events.get(seq=node(run, key).output_seq).data["output"]


def test_an_approved_value_goes_on(worker, begin, people):
    run = begin(human(), AFTER, data=DATA)
    decision = waiting(run)
    assert decision.title == "Invoice 17"
    run.refresh_from_db()
    assert (run.state, run.current_node, node(run, "review").status) == (
        "active", "review", "waiting",
    )  # fmt: skip
    decide(decision, people["carla"], APPROVED, comment="fine")
    run = wait_for_end(run)
    assert run.state == "completed"
    assert output(run, "review") == {
        "decision": "approved", "value": {"total": 3}, "by": "carla", "comment": "fine",
    }  # fmt: skip
    assert output(run, "after") == {"x": 3}
    entry = AuditEntry.objects.get(action="approved")
    assert (entry.actor, entry.target_id, entry.reason) == ("carla", run.public_id, "fine")


def test_a_correction_fits_its_form_and_goes_on(worker, begin, people):
    run = begin(human(), AFTER, data=DATA)
    decision = waiting(run)
    with pytest.raises(answers.AnswerInvalid, match="total must be a number"):
        decide(decision, people["carla"], CORRECTED, value={"total": "three"})
    assert node(run, "review").status == "waiting"
    decide(decision, people["carla"], CORRECTED, value={"total": 5})
    run = wait_for_end(run)
    assert output(run, "after") == {"x": 5}
    asked, corrected = run.events.filter(kind="human_action").order_by("seq")
    assert asked.data["input"]["fields"] == {"total": 3}
    assert (corrected.actor, corrected.data["value"]) == ("carla", {"total": 5})


def test_a_rejection_is_an_output_or_fails_the_run_as_the_definition_says(worker, begin, people):
    run = begin(human(), data=DATA)
    decide(waiting(run), people["dirk"], REJECTED)
    assert output(wait_for_end(run), "review")["decision"] == "rejected"
    run = begin(human(on_reject="fail"), AFTER, data=DATA)
    decide(waiting(run), people["dirk"], REJECTED, comment="wrong supplier")
    run = wait_for_end(run)
    assert (run.state, run.error_node, run.error_kind) == ("failed", "review", "Rejected")
    assert run.error_message == "rejected by dirk: wrong supplier"
    assert node(run, "after").status == "skipped"


@pytest.mark.parametrize(
    ("on_timeout", "state", "decision"),
    [("approve", "completed", "approved"), ("reject", "completed", "rejected"),
     ("fail", "failed", None)],
)  # fmt: skip
def test_what_nobody_decides_in_time_is_decided_by_itself(
    worker, beat, begin, on_timeout, state, decision
):
    run = begin(human(timeout_seconds=0.5, on_timeout=on_timeout), data=DATA)
    run = wait_for_end(run)
    assert run.state == state
    if decision:
        assert output(run, "review")["decision"] == decision
    else:
        assert run.error_message == "nobody decided in time"
    assert not Decision.objects.open().exists()


def test_without_a_timeout_it_waits_for_ever(worker, begin):
    decision = waiting(begin(human(), data=DATA))
    assert decision.due_at is None
    assert answers.overdue(timezone.now() + timedelta(days=10_000)) == 0


def test_only_those_it_is_assigned_to_decide(worker, begin, people):
    people["dirk"].groups.add(Group.objects.create(name="accounting"))
    for assigned, may in (
        ({"people": ["carla"]}, {"carla"}),
        ({"groups": ["accounting"]}, {"dirk"}),
        ({"people": ["carla"], "groups": ["accounting"]}, {"carla", "dirk"}),
        ({}, {"carla", "dirk"}),
    ):
        decision = waiting(begin(human(assigned_to=assigned), data=DATA))
        assert {n for n, user in people.items() if answers.may_answer(decision, user)} == may
    stranger = User.objects.create_user("eve", password="x", is_staff=True)
    with pytest.raises(answers.NotYours):
        decide(decision, stranger, APPROVED)


def test_of_ten_who_answer_at_once_one_is_taken(worker, begin, people):
    run = begin(human(), AFTER, data=DATA)
    decision = waiting(run)
    outcomes = []

    def ask():
        try:
            decide(Decision.objects.select_related("node__run").get(pk=decision.pk),
                   people["carla"], APPROVED)  # fmt: skip
            outcomes.append("taken")
        except answers.NotOpen as error:
            outcomes.append(str(error))
        finally:
            connection.close()

    threads = [threading.Thread(target=ask) for _ in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert outcomes.count("taken") == 1
    assert set(outcomes) == {"taken", "It was approved by carla already."}
    run = wait_for_end(run)
    assert run.events.filter(kind="human_action").count() == 2


def test_a_run_that_is_terminated_withdraws_its_question(worker, begin, people):
    run = begin(human(), data=DATA)
    decision = waiting(run)
    lifecycle.terminate(Run.objects.filter(pk=run.pk), by=ANNA)
    decision.refresh_from_db()
    assert (decision.act, node(run, "review").status) == ("withdrawn", "terminated")
    with pytest.raises(answers.NotOpen, match="Its run has ended"):
        decide(decision, people["carla"], APPROVED)


def test_a_run_that_fails_beside_it_does_not_wait_for_the_answer(worker, begin, tmp_path):
    go = tmp_path / "go"
    run = begin(
        human(),
        executor_node("wait", "probe.wait_for", input={"path": str(go)}),
        executor_node("bad", "probe.fail", needs=["wait"]),
        data=DATA,
    )
    decision = waiting(run)
    go.touch()
    assert wait_for_end(run).state == "failed"
    decision.refresh_from_db()
    assert (decision.act, node(run, "review").status) == ("withdrawn", "skipped")


def test_an_input_that_leads_nowhere_fails_the_node(worker, begin):
    run = wait_for_end(begin(human(), data={"fields": {}}))
    assert (run.state, run.error_kind, run.error_node) == ("failed", "InputMissing", "review")


def test_one_overdue_question_that_cannot_be_decided_holds_up_no_other(worker, begin, monkeypatch):
    late = human(timeout_seconds=1, on_timeout="approve")
    bad, good = (waiting(begin(late, data=DATA)) for _ in range(2))
    Decision.objects.filter(pk=bad.pk).update(due_at=timezone.now() - timedelta(days=1))
    read = answers.question

    def break_at_the_first(decision):
        if decision.pk == bad.pk:
            raise KeyError("gone")
        return read(decision)

    monkeypatch.setattr(answers, "question", break_at_the_first)
    assert answers.overdue(timezone.now() + timedelta(seconds=5)) == 1
    good.refresh_from_db()
    assert good.act == "approved"


def test_a_question_that_would_be_far_too_long_fails_its_node(worker, begin):
    node = human(instructions="{{ fields }}" * 800)
    run = wait_for_end(begin(node, data={"fields": "x" * 100_000, "number": 1}))
    assert (run.state, run.error_node) == ("failed", "review")
    assert "is longer than" in run.error_message
