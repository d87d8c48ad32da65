"""Whatever is sent: it is refused clearly, with bounded memory, and never a 5xx."""

import gzip
import json
import tracemalloc

import pytest

from runs.ingest import body
from runs.models import Event, Run, Source, Workflow
from tests.runs.api.conftest import stored
from tests.runs.api.reports import PERMISSIONS, URL, told

pytestmark = pytest.mark.django_db
GOOD = {"data": {"message": "good"}}
NDJSON = "application/x-ndjson"


@pytest.fixture
def client(login):
    return login(*PERMISSIONS)


def post(client, content, content_type="application/json", **headers):
    return client.post(URL, content, content_type=content_type, headers=headers)


def without(event, *names):
    return {name: value for name, value in event.items() if name not in names}


WRONG = {
    "no object": (7, ""),
    "a list": ([told("log", **GOOD)], ""),
    "an unknown field": (told("log", **GOOD, evnt="x"), "evnt"),
    "no id": (without(told("log", **GOOD), "event_id"), "event_id"),
    "a number for an id": (told("log", **GOOD) | {"event_id": 7}, "event_id"),
    "too long an id": (told("log", id_="x" * 101, **GOOD), "event_id"),
    "an id with a space": (told("log", id_="a b", **GOOD), "event_id"),
    "no type": (without(told("log", **GOOD), "type"), "type"),
    "an unknown type": (told("exploded"), "type"),
    "a list for a type": (told(["log"]), "type"),
    "what only the portal sees": (told("late_result", node="a"), "type"),
    "no run": (without(told("log", **GOOD), "external_id"), "run"),
    "no source": (without(told("log", **GOOD), "source"), "source"),
    "a source in capitals": (told("log", **GOOD, source="Airflow"), "source"),
    "the portal's own word for a source": (told("log", **GOOD, source="user"), "source"),
    "no workflow": (without(told("log", **GOOD), "workflow"), "workflow"),
    "a wrong workflow": (told("log", **GOOD, workflow="No such"), "workflow"),
    "an unknown run": (
        without(told("log", **GOOD), "external_id")
        | {"run": "run_01jc0000000000000000000000"}, "run",
    ),
    "no run id": (without(told("log", **GOOD), "external_id") | {"run": "x"}, "run"),
    "a number for a run": (without(told("log", **GOOD), "external_id") | {"run": 7}, "run"),
    "two names of the run": (told("log", **GOOD) | {"run": "run_01jc0000000000000000000000"},
                             "external_id"),
    "an external id of nothing": (told("log", "", **GOOD), "external_id"),
    "an external id too long": (told("log", "x" * 201, **GOOD), "external_id"),
    "a node with a slash": (told("log", node="a/b", **GOOD), "node"),
    "a node too long": (told("log", node="a" * 65, **GOOD), "node"),
    "no node": (told("node_started"), "node"),
    "attempt 0": (told("node_started", node="a", attempt=0), "attempt"),
    "a huge attempt": (told("node_started", node="a", attempt=10**30), "attempt"),
    "true for an attempt": (told("node_started", node="a", attempt=True), "attempt"),
    "a clock in 1970": (told("log", **GOOD, at="1970-01-01T00:00:00Z"), "at"),
    "a clock in 9999": (told("log", **GOOD, at="9999-12-31T23:59:59-12:00"), "at"),
    "a clock in year 1": (told("log", **GOOD, at="0001-01-01T00:00:00+14:00"), "at"),
    "a time without a zone": (told("log", **GOOD, at="2026-01-31T02:00:00"), "at"),
    "a number for a time": (told("log", **GOOD, at=1_700_000_000), "at"),
    "no time": (told("log", **GOOD, at="yesterday"), "at"),
    "a list for data": (told("log", data=[]), "data"),
    "no message": (told("log", data={}), "data.message"),
    "an unknown level": (told("log", data={"message": "x", "level": "loud"}), "data.level"),
    "a state that is none": (told("state_changed", data={"to": "tired"}), "data.to"),
    "a list for a state": (told("state_changed", data={"to": []}), "data.to"),
    "two states": (told("run_completed", data={"to": "failed"}), "data.to"),
    "an error that is none": (told("node_failed", node="a", data={"error": 7}), "data.error"),
    "a wrong retry": (told("node_failed", node="a", data={"retry_at": "x"}), "data.retry_at"),
    "half a page": (told("progress", node="a", data={"done": 0.5}), "data.done"),
    "huge progress": (told("progress", node="a", data={"done": 10**40}), "data.done"),
    "no model": (told("llm_call", data={"cost": 1}), "data.model"),
    "negative tokens": (told("llm_call", data={"model": "m", "input_tokens": -1}),
                        "data.input_tokens"),
    "a cost that is none": (told("cost_update", data={"cost": "NaN"}), "data.cost"),
    "a negative cost": (told("cost_update", data={"cost": -1}), "data.cost"),
    "a huge cost": (told("cost_update", data={"cost": "1e300"}), "data.cost"),
    "a word for what was selected": (told("path_selected", node="a", data={"selected": "b"}),
                                     "data.selected"),
    "an unknown trigger": (told("log", **GOOD, trigger="moon"), "trigger"),
    "a reference to nothing": (told("log", **GOOD, ref_id="7"), "ref_type"),
    "a NUL": (told("log", data={"message": "a\0b"}), ""),
    "half a character": (told("log", data={"message": "a\ud800b"}), ""),
    "a NUL in a name": (told("log", data={"message": "x", "a\0": 1}), ""),
    "a NUL in the external id": (told("log", "a\0", **GOOD), ""),
    "too much data": (told("log", data={"message": "x", "more": "y" * 1_000_001}), "data"),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
@pytest.mark.parametrize("form", ["array", "ndjson"])
def test_a_bad_event_is_refused_and_the_good_ones_are_stored(client, name, form):
    bad, field = WRONG[name]
    events = [told("log", "good", **GOOD), bad, told("log", "good", **GOOD)]
    if form == "array":
        answer = post(client, json.dumps(events))
    else:
        answer = post(client, "\n".join(map(json.dumps, events)), NDJSON)
    assert answer.status_code == 200, answer.content
    said = answer.json()
    assert (said["stored"], said["refused"]) == (2, 1)
    refusal = said["refusals"][0]
    assert (refusal["index"], refusal["field"]) == (1, field)
    assert refusal["reason"]
    assert Run.objects.get().external_id == "good"
    assert Source.objects.count() == Workflow.objects.count() == 1
    assert Event.objects.filter(sender_id__isnull=False).count() == 2


@pytest.mark.parametrize("name", WRONG)
def test_a_bad_event_alone_is_refused_and_makes_nothing(client, name):
    bad, field = WRONG[name]
    before = stored()
    answer = post(client, json.dumps([bad]))
    assert answer.status_code == 200, answer.content
    said = answer.json()
    assert (said["stored"], said["refused"]) == (0, 1)
    # Without a workflow the source is not made either.
    assert said["refusals"][0]["field"] == ("source" if name == "no workflow" else field)
    assert stored() == before


def test_a_source_that_nothing_makes_is_refused(client):
    events = [without(told("log", source=source, **GOOD), "workflow") for source in ("a", "b")]
    said = post(client, json.dumps(events)).json()
    assert [refusal["field"] for refusal in said["refusals"]] == ["source", "source"]
    assert not Source.objects.exists()


ODD = {
    "deep": b'{"a":' * 50_000 + b"1" + b"}" * 50_000,
    "deeper than is stored": b'{"a":' * 120 + b"1" + b"}" * 120,
    "many digits": b'{"a":' + b"9" * 5_000 + b"}",
    "no finite number": b'{"a":1e999}',
    "NaN": b'{"a":NaN}',
    "Infinity": b'{"a":[1,-Infinity]}',
    "too long": b'{"a":"' + b"x" * 2_500_000 + b'"}',
    "too long and full of objects": b'{"a":[' + b"{}," * 1_000_000 + b"{}]}",
    "not UTF-8": b'{"message":"\xff\xfe"}',
    "a surrogate": b'{"message":"\xed\xa0\x80"}',
}


@pytest.mark.parametrize("name", ODD)
@pytest.mark.parametrize("form", ["array", "ndjson"])
def test_an_event_that_cannot_be_read_is_refused_alone(client, name, form):
    head, tail = json.dumps(told("log", data="DATA")).encode().split(b'"DATA"')
    good = [json.dumps(told("log", "good", **GOOD)).encode() for _ in range(2)]
    parts = [good[0], head + ODD[name] + tail, good[1]]
    if form == "array":
        answer = post(client, b" [ " + b" , ".join(parts) + b" ] ")
    else:
        answer = post(client, b"\n".join(parts), NDJSON)
    assert answer.status_code == 200, answer.content[:500]
    said = answer.json()
    assert (said["stored"], said["refused"]) == (2, 1)
    assert said["refusals"][0]["index"] == 1


@pytest.mark.parametrize(
    "content",
    [
        b"", b"   ", b"[", b"[{]", b'[{"a":1}', b"[1,]", b"[1 2]", b"[]x", b"{}", b"7", b"null",
        b"\0", b"\xff", b'"', b'[{"a":"\n"}]', b'[{"a' * 1_000, b"[" * 100_000, b"[NaN]",
        b"nonsense",
    ],
)  # fmt: skip
def test_what_is_no_json_array_is_a_problem(client, content):
    before = stored()
    answer = post(client, content)
    assert answer.status_code == 400, answer.content
    assert answer["Content-Type"] == "application/problem+json"
    assert answer.json()["status"] == 400
    assert stored() == before


def test_no_events_are_no_problem(client):
    nothing = {"stored": 0, "duplicates": 0, "refused": 0, "refusals": []}
    assert post(client, b"[]").json() == nothing
    assert post(client, b"\n\n", NDJSON).json() == nothing


@pytest.mark.parametrize("content", [b"\0", b"{", b"nonsense", b"\xff", b'{"a":1}x', b"[{}]"])
def test_a_line_that_is_no_event_is_refused(client, content):
    said = post(client, content, NDJSON).json()
    assert (said["stored"], said["refused"]) == (0, 1)


def test_one_event_too_many(client):
    before = stored()
    line = b'{"a":1}'
    array = b"[" + b",".join([line] * 10_001) + b"]"
    for content, kind in ((b"\n".join([line] * 10_001), NDJSON), (array, "application/json")):
        answer = post(client, content, kind)
        assert answer.status_code == 413
        assert "10,000 events" in answer.json()["detail"]
    assert stored() == before
    said = post(client, b"\n".join([line] * 10_000), NDJSON).json()
    assert (said["refused"], len(said["refusals"])) == (10_000, 100)


def test_a_body_too_large(client):
    answer = post(client, b"[" + b" " * body.MAX_BYTES + b"]")
    assert answer.status_code == 413


@pytest.mark.long
def test_a_gzip_bomb_is_stopped_at_the_limit(client):
    bomb = gzip.compress(b"[" + b" " * 1_000_000_000 + b"]", 1, mtime=0)
    assert len(bomb) < body.MAX_BYTES
    tracemalloc.start()
    try:
        answer = post(client, bomb, **{"Content-Encoding": "gzip"})
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert answer.status_code == 413
    assert peak < 5 * body.MAX_BYTES


def test_a_body_that_describes_much_is_read_with_bounded_memory():
    text = "[" + "{}," * 3_000_000 + "{}]"
    tracemalloc.start()
    try:
        for number, _ in enumerate(body.array(text)):
            if number == body.MAX_EVENTS:
                break
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert number == body.MAX_EVENTS
    assert peak < 10_000_000


@pytest.mark.parametrize(
    "content",
    [b"[]", gzip.compress(b"[]", mtime=0)[:-4], gzip.compress(b"[]", mtime=0) + b"x", b""],
)
def test_what_is_no_gzip(client, content):
    answer = post(client, content, **{"Content-Encoding": "gzip"})
    assert answer.status_code == 400


@pytest.mark.parametrize(
    ("kind", "encoding"),
    [("text/plain", "identity"), ("application/json", "br"), ("multipart/form-data", "gzip"),
     ("application/x-www-form-urlencoded", "identity")],
)  # fmt: skip
def test_another_format(client, kind, encoding):
    answer = post(client, b"[]", kind, **{"Content-Encoding": encoding})
    assert answer.status_code == 415
    assert answer["Content-Type"] == "application/problem+json"


def test_new_workflows_and_nodes_have_bounds(client, monkeypatch):
    monkeypatch.setattr("runs.ingest.places.MAX_NEW_WORKFLOWS", 3)
    events = [told("log", f"r{n}", workflow=f"w{n}", **GOOD) for n in range(5)]
    said = post(client, json.dumps(events)).json()
    assert (said["stored"], said["refused"]) == (3, 2)
    monkeypatch.setattr("runs.ingest.report.MAX_NODES", 2)
    events = [told("node_started", "r0", node=f"n{n}") for n in range(4)]
    said = post(client, json.dumps(events)).json()
    assert (said["stored"], said["refused"]) == (2, 2)
    assert said["refusals"][0]["field"] == "node"


def test_sources_have_bounds(client, monkeypatch):
    monkeypatch.setattr("runs.ingest.places.MAX_SOURCES", 2)
    events = [told("log", source=f"s{n}", **GOOD) for n in range(4)]
    said = post(client, json.dumps(events)).json()
    assert (said["stored"], said["refused"]) == (2, 2)
    assert said["refusals"][0]["field"] == "source"


def test_a_ledger_that_runs_over_is_refused(client):
    call = {"model": "m", "cost": 1_000_000, "input_tokens": 2**53}
    events = [told("llm_call", data=call | {"input_tokens": 1}) for _ in range(1_002)]
    said = post(client, json.dumps(events)).json()
    assert (said["stored"], said["refused"]) == (1_000, 2)
    assert said["refusals"][0]["field"] == "data.cost"
    events = [told("llm_call", "r2", data=call | {"cost": 0}) for _ in range(600)]
    said = post(client, json.dumps(events)).json()
    assert said["refusals"][0]["field"] == "data.input_tokens"
    assert said["stored"] + said["refused"] == 600
