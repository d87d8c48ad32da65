"""Bodies on their way to Django: one that never comes, or never ends, is refused."""

import asyncio
import json

import pytest

from config import bodies


async def sink(scope, receive, send):
    """Reads as Django does, and answers with how much came."""
    size, more = 0, True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            return
        size += len(message["body"])
        more = message["more_body"]
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": str(size).encode()})


def answer_to(*messages, path="/api/runs/", headers=()):
    """Status and body of the answer; after `messages` nothing comes any more."""
    left, sent = list(messages), []

    async def receive():
        if not left:
            await asyncio.Event().wait()
        return left.pop(0)

    async def send(message):
        sent.append(message)

    scope = {"type": "http", "path": path, "headers": list(headers)}
    asyncio.run(bodies.Bounded(sink)(scope, receive, send))
    return (sent[0]["status"], sent[1]["body"]) if sent else None


def piece(size, more=True):
    return {"type": "http.request", "body": b"x" * size, "more_body": more}


def test_a_body_goes_through_in_its_pieces():
    assert answer_to(piece(70_000), piece(0), piece(5, more=False)) == (200, b"70005")
    assert answer_to(piece(bodies.MAX_BYTES, more=False))[0] == 200


def test_a_body_that_never_comes_is_refused(monkeypatch):
    monkeypatch.setattr(bodies, "PATIENCE", 0.01)
    status, said = answer_to(piece(5))
    assert (status, json.loads(said)["status"]) == (408, 408)


def test_a_body_that_is_too_large_is_refused():
    status, said = answer_to(piece(bodies.MAX_BYTES), piece(1, more=False))
    assert (status, json.loads(said)["status"]) == (413, 413)
    status, said = answer_to(path="/admin/login/", headers=[(b"content-length", b"99999999")])
    assert (status, said[:13]) == (413, b"Request Entit")


@pytest.mark.parametrize("sent", [0, 1])
def test_who_goes_away_gets_no_answer(sent):
    assert answer_to(*[piece(5)] * sent, {"type": "http.disconnect"}) is None
