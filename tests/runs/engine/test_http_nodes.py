"""Nodes of kind http, by a real worker against a real server."""

import json

import pytest

from runs import outbound
from runs.models import Event
from tests.runs.engine.conftest import node, wait_for_end
from tests.runs.engine.service import Service

pytestmark = pytest.mark.django_db(transaction=True)
KEY = "hunter2-and-more"


def http(url, **fields):
    return {"id": "call", "kind": "http", "url": url, **fields}


def output(run):
    return run.events.get(seq=node(run, "call").output_seq).data["output"]


def test_places_in_address_query_and_body_are_taken_by_the_inputs(calling_worker, service, begin):
    run = begin(
        http(
            service.url + "/echo/{{ name }}",
            method="POST",
            input={"name": "$.data.name", "lines": "$.data.lines"},
            query={"q": "{{name}}", "n": "{{ lines }}", "fixed": 7},
            body={"all": "{{ lines }}", "text": "{{name}} has {{lines}}"},
        ),
        data={"name": "a/b ü", "lines": [1, 2]},
    )
    run = wait_for_end(run)
    assert run.state == "completed", run.error_message
    found = output(run)
    assert found["status"] == 200
    assert found["body"] == {
        "path": "/echo/a%2Fb%20%C3%BC",
        "query": {"q": ["a/b ü"], "n": ["1", "2"], "fixed": ["7"]},
        "body": {"all": [1, 2], "text": "a/b ü has [1, 2]"},
    }


def test_inputs_are_the_body_where_none_is_given(calling_worker, service, begin):
    run = begin(http(service.url + "/echo", method="PUT", input={"x": "$.data.x"}), data={"x": 3})
    assert output(wait_for_end(run))["body"]["body"] == {"x": 3}


def test_a_repeated_request_can_be_recognised(calling_worker, service, begin):
    run = wait_for_end(begin(http(service.url + "/echo")))
    assert service.asked[-1][2]["Idempotency-Key"] == f"{run.public_id}.call"


def test_an_answer_of_refusal_fails_at_once(calling_worker, service, begin):
    run = wait_for_end(begin(http(service.url + "/status/404", retries=3)))
    assert (run.state, run.error_kind, node(run, "call").attempts) == ("failed", "HttpRefused", 1)
    assert "/status/404 was answered 404: " in run.error_message


def test_a_service_in_trouble_is_asked_again(calling_worker, service, begin):
    run = wait_for_end(begin(http(service.url + "/status/503", retries=1, backoff_seconds=0)))
    assert (run.state, run.error_kind, node(run, "call").attempts) == ("failed", "HttpError", 2)


def test_a_service_that_wants_to_be_left_is_left_as_long_as_it_says(
    calling_worker, beat, service, begin
):
    run = begin(http(service.url + "/busy_once", retries=1, backoff_seconds=0))
    run = wait_for_end(run)
    assert run.state == "completed", run.error_message
    first, second = node(run, "call").attempt_set.all()
    assert (second.started_at - first.completed_at).total_seconds() >= 2


def test_a_private_address_is_not_called(calling_worker, service, begin):
    allowed = f"127.0.0.1:{service.server_port}"
    for place in ("localhost", "[::1]", "169.254.169.254", "10.0.0.1", "0.0.0.0", "127.1"):
        run = wait_for_end(begin(http(f"http://{place}:{service.server_port}/echo", retries=3)))
        assert (run.error_kind, node(run, "call").attempts) == ("HttpRefused", 1), place
        assert "is a private address" in run.error_message
    assert wait_for_end(begin(http(f"http://{allowed}/echo"))).state == "completed"


def test_a_redirect_to_a_private_address_is_not_followed(calling_worker, service, begin):
    to = f"http://localhost:{service.server_port}/echo"
    run = wait_for_end(begin(http(service.url + "/elsewhere?to=" + to)))
    assert run.error_kind == "HttpRefused"
    run = wait_for_end(begin(http(f"{service.url}/elsewhere?to={service.url}/echo")))
    assert output(run)["body"]["path"] == "/echo"


def test_an_answer_that_is_too_large_or_broken_off_fails_the_node(calling_worker, service, begin):
    run = wait_for_end(begin(http(service.url + "/large")))
    assert (run.error_kind, "larger than" in run.error_message) == ("HttpRefused", True)
    run = wait_for_end(begin(http(service.url + "/broken")))
    assert (run.error_kind, "broke off" in run.error_message) == ("HttpError", True)


def test_a_service_that_does_not_answer_is_a_timeout(calling_worker, service, begin):
    run = wait_for_end(begin(http(service.url + "/slow", timeout_seconds=0.5)))
    assert run.error_kind in ("NodeTimeout", "HttpError")
    assert run.state == "failed"


def test_a_secret_reaches_the_service_and_stands_nowhere(calling_worker, service, begin):
    run = begin(http(service.url + "/secret", headers={"Authorization": "Bearer {{secret.SHOP}}"}))
    run = wait_for_end(run)
    assert service.asked[-1][2]["Authorization"] == f"Bearer {KEY}"
    assert output(run)["body"] == {"authorization": "Bearer •••"}
    told = json.dumps(list(Event.objects.filter(run=run).values_list("data", flat=True)))
    assert KEY not in told


def test_a_secret_that_is_missing_or_of_another_host_fails_the_node(calling_worker, service, begin):
    for name, why in (("NOBODY", "set NODE_SECRET_NOBODY"), ("BANK", "is not meant for 127.0.0.1")):
        headers = {"Authorization": f"{{{{secret.{name}}}}}"}
        run = wait_for_end(begin(http(service.url + "/secret", headers=headers)))
        assert run.error_kind == "HttpRefused"
        assert why in run.error_message


def test_a_value_cannot_add_a_header(calling_worker, service, begin):
    run = begin(
        http(service.url + "/echo", headers={"X-Name": "{{name}}"}, input={"name": "$.data.name"}),
        data={"name": "a\r\nX-Evil: 1"},
    )
    run = wait_for_end(run)
    assert (run.error_kind, "what no header can" in run.error_message) == ("HttpRefused", True)


def test_a_secret_in_any_header_is_not_sent_on_to_another_host(service, settings):
    other = Service()
    settings.PRIVATE_HOSTS = frozenset({"127.0.0.1"})
    try:
        url = f"{service.url}/elsewhere?to={other.url}/echo"
        headers = {"X-Api-Key": KEY, "Accept": "text/plain"}
        with outbound.request("GET", url, headers=headers, seconds=5) as answer:
            assert answer.status == 200
        assert service.asked[-1][2]["X-Api-Key"] == KEY
        assert other.asked[-1][2]["Accept"] == "text/plain"
        assert "X-Api-Key" not in other.asked[-1][2]
    finally:
        other.close()
