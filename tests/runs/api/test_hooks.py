"""Calls to webhooks: what is taken in, what is refused, and what stands at the trigger."""

import pytest
from django.conf import settings as portal_settings
from django.db import OperationalError
from rest_framework.test import APIClient

from runs.api import hooks, throttling
from runs.models import Firing, Run, Trigger
from runs.triggers import changes, firing, signatures
from tests.runs.triggers.conftest import ada, make_trigger, target  # noqa: F401
from tests.runs.triggers.signing import by_hand, github, standard, written

pytestmark = pytest.mark.django_db
BODY = {"event": "paid", "order": {"id": "4711"}}
START = [{"start": "target", "input": {"order": "$.body.order.id"}}]


@pytest.fixture
def hook(target, make_trigger):  # noqa: F811
    return make_trigger("webhook", {}, START, condition=None)


def call(trigger, value=BODY, *, body=None, sign=standard, path="", **headers):
    body = written(value) if body is None else body
    signed = sign(signatures.secret_of(trigger), body)
    given = {**signed, **{name.replace("_", "-"): text for name, text in headers.items()}}
    content_type = given.pop("content-type", "application/json")
    return APIClient(enforce_csrf_checks=True).generic(
        "POST", path or f"/api/hooks/{trigger.hook}", body, content_type, headers=given
    )


def refused(response, status):
    assert response.status_code == status, response.content
    assert response["Content-Type"] == "application/problem+json"
    assert not Run.objects.exists()
    return response.json()["detail"]


def test_a_signed_call_starts_a_run_without_login_or_csrf(hook):
    response = call(hook)
    run = Run.objects.get()
    assert response.status_code == 202
    assert response.json() == {
        "firing": Firing.objects.get().pk, "status": "started", "reason": "",
        "runs": [run.public_id], "repeated": False,
    }  # fmt: skip
    assert (run.trigger, run.triggered_by, run.ref_type) == ("webhook", "nightly", "webhook")
    assert run.events.get(seq=1).data["input"] == {"order": "4711"}


def test_the_address_holds_with_and_without_a_slash(hook):
    for number, slash in enumerate(("", "/")):
        answer = call(hook, {**BODY, "n": number}, sign=lambda *a, n=number: by_hand(*a, f"m{n}"),
                      path=f"/api/hooks/{hook.hook}{slash}")  # fmt: skip
        assert answer.status_code == 202


def test_a_repeated_call_is_told_what_came_of_it_and_starts_nothing(hook):
    first = call(hook).json()
    # Sent again later, and signed anew, as senders do.
    again = call(hook, sign=lambda *a: by_hand(*a, ago=100))
    assert again.status_code == 200
    assert again.json() == {**first, "repeated": True}
    assert Run.objects.count() == Firing.objects.count() == 1


def test_github_s_way_takes_the_same_body_once(target, make_trigger):  # noqa: F811
    trigger = make_trigger("webhook", {"scheme": "github"}, START)
    assert call(trigger, sign=github, X_GitHub_Delivery="1").status_code == 202
    assert call(trigger, sign=github, X_GitHub_Delivery="2").json()["repeated"] is True
    assert call(trigger, {**BODY, "n": 1}, sign=github).status_code == 202


def test_a_call_that_does_not_fit_or_comes_while_it_is_off_is_taken_in_and_starts_nothing(
    ada,  # noqa: F811
    target,  # noqa: F811
    make_trigger,  # noqa: F811
    hook,
):
    picky = make_trigger(
        "webhook", {}, START, name="picky", condition={"value": "$.body.event", "equals": "other"}
    )
    changes.switch(ada, hook, False, now=hook.enabled_at)
    for trigger, why in ((picky, "its condition did not hold"), (hook, "the trigger is off")):
        response = call(trigger)
        assert response.status_code == 202
        told = response.json()
        assert (told["status"], told["reason"], told["runs"]) == ("skipped", why, [])
    assert not Run.objects.exists()


@pytest.mark.parametrize("value", [None, [], "x", 5, {}, {"order": None}, {"order": [{}]}])
def test_json_of_another_shape_than_the_rule_wants_is_taken_in_and_told(
    target,  # noqa: F811
    make_trigger,  # noqa: F811
    hook,
    value,
):
    picky = make_trigger(
        "webhook", {}, START, name="picky",
        condition={"value": "$.body.order.id", "greater_than": 1},
    )  # fmt: skip
    assert call(picky, value).json()["status"] == "skipped"
    told = call(hook, value).json()
    assert (told["status"], told["runs"]) == ("failed", [])
    assert "$.body.order.id" in told["reason"]


def test_what_its_rule_sees_of_a_call_is_safe_and_bounded(hook):
    many = {f"X-N{number}": "x" for number in range(60)}
    call(
        hook, path=f"/api/hooks/{hook.hook}?a=1&a=2&b=%00&long={'x' * 2000}",
        Authorization="Bearer runs_x", Cookie="a=b", X_Forwarded_For="1.2.3.4", X_Api_Key="k",
        X_Gitlab_Token="t", X_Hub_Signature="s", X_Event="push", User_Agent="curl", Origin="x",
        X_Long="x" * 1001, **many,
    )  # fmt: skip
    payload = Firing.objects.get().payload
    assert payload["body"] == BODY
    assert payload["query"] == {"a": "2", "b": "�"}
    seen = payload["headers"]
    assert len(seen) == 50
    assert {name for name in seen if not name.startswith("x-n")} == {
        "content-type", "user-agent", "webhook-id", "webhook-timestamp", "x-event",
    }  # fmt: skip


def test_a_header_is_reached_by_a_path(target, make_trigger):  # noqa: F811
    trigger = make_trigger(
        "webhook", {"scheme": "github"}, START,
        condition={"value": "$.headers['x-github-event']", "equals": "push"},
    )  # fmt: skip
    assert call(trigger, sign=github, X_GitHub_Event="ping").json()["status"] == "skipped"
    pushed = call(trigger, {**BODY, "n": 1}, sign=github, X_GitHub_Event="push")
    assert pushed.json()["status"] == "started"


# -- What is refused -------------------------------------------------------------------------


def unsigned(secret, body):
    return {}


def wrong(secret, body):
    return standard("whsec_" + "A" * 44, body)


def old(secret, body):
    return standard(secret, body, ago=400)


def ahead(secret, body):
    return standard(secret, body, ago=-400)


@pytest.mark.parametrize(
    ("sign", "said"),
    [
        (unsigned, "No header webhook-id"),
        (wrong, "The signature is not right"),
        (old, "s ago; at most 300 s are allowed"),
        (ahead, "ahead of our time"),
    ],
)
def test_a_call_that_is_not_believed_starts_nothing_and_stands_at_the_trigger(hook, sign, said):
    response = call(hook, sign=sign)
    assert said in refused(response, 401)
    assert response["WWW-Authenticate"]
    row = hook.firings.get()
    assert row.status == "refused"
    assert row.reason in response.json()["detail"].lower()
    # The refusal of a call leaves the true one its chance.
    assert call(hook).status_code == 202


def test_a_flood_of_bad_calls_makes_one_row_a_minute_for_each_reason(hook, monkeypatch, caplog):
    monkeypatch.setattr(hooks, "NOTED_EVERY", 10**8)
    for _ in range(5):
        call(hook, sign=wrong)
        call(hook, sign=old)
        call(hook, body=b"{")
    assert sorted(hook.firings.values_list("count", flat=True)) == [5, 5, 5]
    assert not caplog.records


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"", "a value is expected"),
        (b"{", "double quotes"),
        (b'{"a": 1, "a": 2}', "stands twice"),
        (b'{"a": NaN}', "is not JSON"),
        (b'{"a": 1e999}', "too large"),
        (b'"\\u0000"', "NUL"),
        (b'"\\ud800"', "half a character"),
        (b'"\xff"', "not UTF-8"),
        (b"[" * 200 + b"]" * 200, "nested"),
        (b"[" * 400_000, "nested"),
        (b"9" * 5_000, "too many digits"),
    ],
)
def test_a_body_that_is_not_usable_json_is_refused(hook, body, said):
    assert said in refused(call(hook, body=body, sign=by_hand), 400)
    assert hook.firings.get().status == "refused"


@pytest.mark.parametrize(
    "headers",
    [
        {"content-type": "text/plain"},
        {"content-type": "application/x-www-form-urlencoded"},
        {"content-type": ""},
        {"Content-Encoding": "gzip"},
    ],
)
def test_only_plain_json_is_taken(hook, headers):
    refused(call(hook, **headers), 415)


def test_json_by_other_names_is_taken(hook):
    assert call(hook, **{"content-type": "application/cloudevents+json; charset=utf-8"}).json()


def test_a_body_over_the_limit_is_refused_unread(hook):
    most = b'"' + b"x" * (hooks.MAX_BYTES - 2) + b'"'
    assert "1,000,000" in refused(call(hook, body=most + b" ", sign=unsigned), 413)
    assert call(hook, body=most, sign=by_hand).status_code == 202
    assert "left out" in Firing.objects.get(status="failed").payload["body"]


def test_nothing_is_parsed_of_who_cannot_sign(hook, monkeypatch):
    def never(text):
        raise AssertionError("it was read")

    monkeypatch.setattr(hooks.json_text, "read", never)
    refused(call(hook, sign=wrong), 401)
    with pytest.raises(AssertionError):
        call(hook)


def test_an_unknown_address_is_not_found(hook):
    for path in ("/api/hooks/nothing", "/api/hooks/", f"/api/hooks/{hook.hook}x",
                 "/api/hooks/a%00b", f"/api/hooks/{'x' * 500}"):  # fmt: skip
        refused(call(hook, path=path), 404)
    assert not Firing.objects.exists()


@pytest.mark.parametrize("method", ["get", "put", "patch", "delete"])
def test_only_post_is_answered(hook, method):
    response = getattr(APIClient(), method)(f"/api/hooks/{hook.hook}")
    assert response.status_code == 405


def test_a_trigger_that_waits_for_something_else_has_no_address(target, make_trigger):  # noqa: F811
    assert make_trigger().hook is None


def test_what_an_accept_header_asks_for_does_not_matter(hook):
    assert call(hook, Accept="text/html").json()["status"] == "started"


def test_a_rule_that_no_longer_passes_the_checks_takes_nothing(hook):
    Trigger.objects.filter(pk=hook.pk).update(rule={"then": 1})
    refused(call(hook), 409)
    assert "no longer passes" in hook.firings.get().reason


# -- Too many, and when parts are away -------------------------------------------------------


def test_a_webhook_has_a_rate_of_its_own(hook, target, make_trigger, monkeypatch, settings):  # noqa: F811
    monkeypatch.setattr(throttling, "MINUTE", 10**8)
    monkeypatch.setattr(throttling, "counter", throttling.Counter())
    settings.WEBHOOK_RATE = 3
    other = make_trigger("webhook", {}, START, name="other")
    codes = [call(hook).status_code for _ in range(6)]
    assert codes == [202, 200, 200, 429, 429, 429]
    response = call(hook)
    assert 0 < int(response["Retry-After"]) <= 10**8
    assert "over 3 calls" in hook.firings.get(status="refused").reason
    assert call(other).status_code == 202


def test_while_the_database_does_not_answer_a_sender_is_told_when_to_come_back(hook, monkeypatch):
    def away(*args, **kwargs):
        raise OperationalError("server closed the connection")

    monkeypatch.setattr(firing, "fire", away)
    response = call(hook)
    refused(response, 503)
    assert int(response["Retry-After"]) > 0
    monkeypatch.undo()
    assert call(hook).json()["repeated"] is False


@pytest.mark.django_db(transaction=True)
def test_a_webhook_that_is_deleted_meanwhile_is_not_found(ada, hook, monkeypatch):  # noqa: F811
    check = signatures.check

    def and_delete(*args):
        changes.delete(ada, Trigger.objects.get())
        return check(*args)

    monkeypatch.setattr(signatures, "check", and_delete)
    refused(call(hook), 404)


def test_its_limits_are_read_from_the_environment():
    assert portal_settings.WEBHOOK_RATE == 600
    assert portal_settings.SECRET_KEY_FALLBACKS == []
