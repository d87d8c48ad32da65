"""Nodes of kind llm, by a real worker against a server that speaks the protocol."""

import json
from decimal import Decimal

import pytest

from runs.models import Event, LLMCall
from tests.runs.engine.conftest import node, wait_for_end
from tests.runs.engine.test_http_nodes import KEY

pytestmark = pytest.mark.django_db(transaction=True)
# 600 fresh tokens at 2 dollars a million, 400 cached at 0.5, 200 made at 10.
PRICES = {"input": 2, "cached": 0.5, "output": 10}
COST = Decimal("0.0034")


@pytest.fixture
def ask(service, begin, calling_worker):
    def start(prompt, **fields):
        spec = {
            "id": "ask", "kind": "llm", "base_url": service.url + "/v1", "model": "tiny-1",
            "prompt": prompt, "prices": PRICES, "retries": 0, **fields,
        }  # fmt: skip
        data = fields.pop("data", {})
        spec.pop("data", None)
        return wait_for_end(begin(spec, data=data))

    return start


def output(run):
    return run.events.get(seq=node(run, "ask").output_seq).data["output"]


@pytest.mark.parametrize("stream", [False, True])
def test_an_answer_its_tokens_and_its_cost_are_kept(ask, stream):
    run = ask("say Good morning.", stream=stream)
    assert run.state == "completed", run.error_message
    assert output(run) == {
        "text": "Good morning.",
        "model": "tiny-1",
        "finish_reason": "stop",
        "usage": {"input": 1000, "output": 200, "cached": 400},
    }
    call = LLMCall.objects.get(run=run)
    assert (call.input_tokens, call.output_tokens, call.cached_tokens) == (1000, 200, 400)
    assert (call.cost, run.cost, node(run, "ask").cost) == (COST, COST, COST)


def test_inputs_stand_in_the_question(ask, service):
    ask("Read {{ text }}: {{fields}}", system="You read {{ kind }}.",
        input={"text": "$.data.text", "fields": "$.data.fields", "kind": "invoices"},
        data={"text": "Rechnung", "fields": ["total"]})  # fmt: skip
    assert service.asked[-1][3]["messages"] == [
        {"role": "system", "content": "You read invoices."},
        {"role": "user", "content": 'Read Rechnung: ["total"]'},
    ]


def test_a_known_model_is_priced_by_the_list(ask):
    run = ask("say Hi", model="gpt-4o-mini", prices=None)
    # By OpenAI's list: 0.15 for a million fresh, 0.075 cached, 0.60 made.
    assert run.cost == Decimal("0.00024")


def test_an_unknown_model_costs_nothing_and_the_log_says_so(ask):
    run = ask("say Hi", model="nobodys-model-9", prices=None)
    assert (run.state, run.cost) == ("completed", 0)
    assert LLMCall.objects.filter(run=run).count() == 1
    assert "no price is known" in run.events.get(kind="log").data["message"]


def test_json_is_read_and_checked(ask, service):
    schema = {"type": "object", "required": ["total"]}
    run = ask('say ```json\n{"total": 3}\n```', response="json", schema=schema)
    assert output(run)["json"] == {"total": 3}
    assert service.asked[-1][3]["response_format"]["json_schema"]["schema"] == schema
    run = ask('say {"sum": 3}', response="json", schema=schema)
    assert (run.error_kind, "does not fit the schema" in run.error_message) == (
        "LlmAnswerInvalid", True,
    )  # fmt: skip


def test_what_a_failed_attempt_used_is_in_the_ledger(ask):
    run = ask("say no json at all", response="json", retries=1, backoff_seconds=0)
    assert (run.state, run.error_kind) == ("failed", "LlmAnswerInvalid")
    calls = LLMCall.objects.filter(run=run).order_by("attempt")
    assert [call.attempt for call in calls] == [1, 2]
    assert run.cost == 2 * COST


def test_a_busy_server_is_asked_again_later(ask, beat, service):
    service.times.clear()
    run = ask("busy, say At last", retries=1, backoff_seconds=0)
    assert run.state == "completed", run.error_message
    first, second = node(run, "ask").attempt_set.all()
    assert first.error_kind == "LlmError"
    assert (second.started_at - first.completed_at).total_seconds() >= 1
    assert LLMCall.objects.filter(run=run).count() == 1


def test_a_refused_question_is_not_asked_again(ask):
    run = ask("refuse", retries=3)
    assert (run.error_kind, node(run, "ask").attempts) == ("LlmRefused", 1)
    assert "no such model" in run.error_message
    assert not LLMCall.objects.filter(run=run).exists()


def test_a_stream_that_breaks_off_fails_and_is_in_the_ledger(ask):
    run = ask("cut, say Hello there", stream=True)
    assert (run.state, run.error_kind) == ("failed", "LlmError")
    assert LLMCall.objects.get(run=run).output_tokens == 0


def test_a_server_that_tells_no_usage_has_a_row_of_zeros_and_a_warning(ask):
    run = ask("mum, say Hi")
    assert run.state == "completed"
    assert LLMCall.objects.get(run=run).input_tokens == 0
    assert "did not tell how many tokens" in run.events.get(kind="log").data["message"]


def test_a_server_that_hangs_is_a_timeout(ask):
    run = ask("hang", timeout_seconds=0.5)
    assert run.state == "failed"
    assert run.error_kind in ("NodeTimeout", "LlmError")


def test_the_key_reaches_the_server_and_stands_nowhere(ask, service):
    run = ask(f"say my key is {KEY}", api_key="SHOP")
    assert service.asked[-1][2]["Authorization"] == f"Bearer {KEY}"
    assert output(run)["text"] == "my key is •••"
    told = Event.objects.filter(run=run).exclude(kind="run_created")
    assert KEY not in json.dumps(list(told.values_list("data", flat=True)))
