"""Webhooks in a real web process: two calls at once, and the line that docs/triggers.md gives."""

import http.client
import json
import re
import subprocess
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.conf import settings
from django.utils import timezone

from config.embedded.portal import PROJECT
from runs.api.document import document
from runs.models import Firing, Run
from runs.triggers import changes, signatures
from tests.runs.api.test_hooks import BODY, START
from tests.runs.conftest import executor_node
from tests.runs.streams.servers import Web, database_away
from tests.runs.triggers.conftest import ada, make_trigger, target  # noqa: F401
from tests.runs.triggers.signing import by_hand, github, written
from tests.servers import temporary_folder

pytestmark = pytest.mark.django_db(transaction=True)
AT_ONCE = 8


@pytest.fixture(scope="module")
def web(django_db_setup, django_db_blocker):
    folder = temporary_folder()
    (folder / "logs").mkdir()
    with django_db_blocker.unblock():
        started = Web(folder, settings.REDIS_URL, application="config.asgi:application")
    yield started
    started.stop()


@pytest.fixture
def hook(target, make_trigger):  # noqa: F811
    return make_trigger("webhook", {}, START)


def send(web, trigger, headers, body):
    connection = http.client.HTTPConnection("127.0.0.1", web.port, timeout=30)
    given = {"Content-Type": "application/json", **headers}
    connection.request("POST", f"/api/hooks/{trigger.hook}", body, given)
    with connection.getresponse() as answer:
        return answer.status, json.load(answer), answer.headers


@pytest.mark.parametrize("scheme", ["standard", "github"])
def test_the_same_call_many_times_at_once_starts_one_run(web, target, make_trigger, scheme):  # noqa: F811
    trigger = make_trigger("webhook", {"scheme": scheme}, START)
    body, ready = written(BODY), threading.Barrier(AT_ONCE)
    sign = by_hand if scheme == "standard" else github
    headers = sign(signatures.secret_of(trigger), body)

    def call(_):
        ready.wait()
        return send(web, trigger, headers, body)

    with ThreadPoolExecutor(AT_ONCE) as threads:
        answers = list(threads.map(call, range(AT_ONCE)))
    assert sorted(status for status, *_ in answers) == [200] * (AT_ONCE - 1) + [202]
    run = Run.objects.get()
    assert all(told["runs"] == [run.public_id] for _, told, _ in answers)
    assert len({told["firing"] for _, told, _ in answers}) == 1
    assert Firing.objects.count() == 1


def test_different_calls_at_once_start_a_run_each(web, hook):
    body, ready = written(BODY), threading.Barrier(AT_ONCE)
    secret = signatures.secret_of(hook)

    def call(number):
        ready.wait()
        return send(web, hook, by_hand(secret, body, f"msg_{number}"), body)[0]

    with ThreadPoolExecutor(AT_ONCE) as threads:
        assert list(threads.map(call, range(AT_ONCE))) == [202] * AT_ONCE
    assert Run.objects.count() == AT_ONCE


def page(language, word):
    """The block of code that has the word."""
    text = (PROJECT / "docs/triggers.md").read_text()
    [found] = [each for each in re.findall(rf"```{language}\n(.+?)```", text, re.S) if word in each]
    return found


def test_the_document_of_the_api_has_the_page_s_line():
    described = document()["paths"]["/api/hooks/{hook}/"]["post"]["description"]
    assert page("sh", "hexkey") in described


def test_the_page_s_rule_and_line_start_a_run(web, ada, publish):  # noqa: F811
    publish(executor_node("only"), slug="invoice_processing")
    rule = json.loads(page("json", "order.paid"))
    hook = changes.make(ada, "webhook", "Paid orders", rule, now=timezone.now())
    done = subprocess.run(
        ["sh", "-eu"], input=page("sh", "hexkey").replace("curl", "curl -sS"),
        capture_output=True, text=True, timeout=30, check=False,
        env={
            "PATH": "/usr/local/bin:/usr/bin:/bin",
            "SECRET": signatures.secret_of(hook),
            "HOOK_URL": f"http://127.0.0.1:{web.port}/api/hooks/{hook.hook}",
        },
    )  # fmt: skip
    assert done.stderr == ""
    run = Run.objects.get()
    assert json.loads(done.stdout)["runs"] == [run.public_id]
    assert (run.ref_type, run.ref_id) == ("order", "4711")
    given = run.events.get(seq=1).data["input"]
    assert given == {"document": "samples/invoices/inv-1002.pdf"}


def test_a_call_is_told_to_come_back_while_the_database_is_away_and_then_counts(web, hook):
    body = written(BODY)
    headers = by_hand(signatures.secret_of(hook), body)
    with database_away():
        status, told, given = send(web, hook, headers, body)
    assert (status, told["status"]) == (503, 503)
    assert int(given["Retry-After"]) > 0
    status, told, _ = send(web, hook, headers, body)
    assert (status, told["repeated"]) == (202, False)
    assert Run.objects.count() == 1
