"""The workflows of the soak: of every kind of node, and of every way to hang together."""

from __future__ import annotations

import random
from typing import Any

# Seconds; a node as long as LONG has its lease renewed more than once.
LEASE = 3
LONG = 7.0
NEVER = "/nothing/comes"
FORM = {"type": "object", "required": ["total"], "properties": {"total": {"type": "number"}}}
# How often a node is tried again while what it calls is away.
PATIENT = {"retries": 12, "backoff_seconds": 0.3}
# Of a million tokens, so that a call of one token costs no round sum.
PRICES = {"input": 7, "cached": 1, "output": 3}
# In so many of 100 runs; the rest are chains.
SHARES = {
    "fan": 14,
    "branching": 10,
    "retrying": 10,
    "asking": 18,
    "calling": 8,
    "deciding": 12,
    "once": 8,
    "failing": 5,
    "long": 4,
    "mixed": 4,
}


def pick(dice: random.Random) -> str:
    names = [*SHARES, "chain"]
    return dice.choices(names, [*SHARES.values(), 100 - sum(SHARES.values())])[0]


def definitions(service: str, mark: str) -> dict[str, list[dict[str, Any]]]:
    """The nodes by workflow. `service` is the address of what nodes call; whoever begins an
    executor that leaves a mark, leaves it in the file `mark`."""
    return {
        "chain": [tell("a"), tell("b", "a"), tell("c", "b"), tell("d", "c")],
        "fan": [
            tell("split"),
            *(tell(f"part{n}", "split") for n in range(4)),
            act("join", needs=[f"part{n}" for n in range(4)]),
        ],
        "branching": _branching(),
        "retrying": [
            act("again", "probe.fail_until", input={"attempt": 3}, retries=3,
                          backoff_seconds=0.2),
            tell("after", "again"),
        ],
        "asking": [
            ask("first", service, stream=True),
            ask("second", service, "first", response="json", schema=FORM),
        ],
        "calling": [
            call("look", service),
            # Not to be sent twice, so it is tried once.
            call("send", service, "look", method="POST"),
        ],
        "deciding": [tell("prepare"), decide("review", "prepare"), tell("file", "review")],
        "once": [
            act("pay", "probe.wait_for", idempotent=False,
                          input={"path": NEVER, "mark": mark, "seconds": 0.6}),
            tell("after", "pay"),
        ],
        "failing": [
            act("bad", "probe.fail", retries=1, backoff_seconds=0.1),
            tell("beside"),
            tell("never", "bad", "beside"),
        ],
        "long": [
            act("work", "probe.wait_for",
                          input={"path": NEVER, "mark": mark, "seconds": LONG, "heed_stop": True}),
            tell("after", "work"),
        ],
        "mixed": [
            tell("begin"),
            ask("model", service, "begin", stream=True),
            call("service", service, "begin"),
            decide("person", "begin"),
            act("slow", "probe.wait_for", needs=["begin"],
                          input={"path": NEVER, "mark": mark, "seconds": 1.0}),
            tell("end", "model", "service", "person", "slow"),
        ],
    }  # fmt: skip


LINES = 6


def act(key: str, executor: str = "probe.noop", **fields: Any) -> dict[str, Any]:
    return {"id": key, "kind": "executor", "executor": executor, **fields}


def tell(key: str, *needs: str) -> dict[str, Any]:
    inputs = {"lines": LINES, "pause": 0.05}
    return act(key, "probe.tell", needs=list(needs), input=inputs)


def ask(key: str, service: str, *needs: str, **fields: Any) -> dict[str, Any]:
    return {
        "id": key, "kind": "llm", "needs": list(needs), "base_url": f"{service}/v1",
        "model": "tiny-1", "prompt": f"{{{{ n }}}} {key}", "input": {"n": "$.data.n"},
        "prices": PRICES, "timeout_seconds": 20, **PATIENT, **fields,
    }  # fmt: skip


def call(key: str, service: str, *needs: str, method: str = "GET") -> dict[str, Any]:
    tried = PATIENT if method == "GET" else {}
    return {
        "id": key, "kind": "http", "needs": list(needs), "method": method,
        "url": f"{service}/take/{{{{ n }}}}/{key}", "input": {"n": "$.data.n"},
        "timeout_seconds": 20, **tried,
    }  # fmt: skip


def decide(key: str, *needs: str) -> dict[str, Any]:
    return {
        "id": key, "kind": "human", "needs": list(needs), "title": "Run {{ n }}",
        "input": {"fields": "$.data.fields", "n": "$.data.n"}, "correct": "fields", "form": FORM,
    }  # fmt: skip


def _branching() -> list[dict[str, Any]]:
    when = {"value": "$.data.n", "greater_than": 50}
    return [
        tell("measure"),
        {
            "id": "route", "kind": "branch", "needs": ["measure"], "default": ["file"],
            "paths": [{"name": "large", "when": when, "to": ["approve"]}],
        },
        tell("approve", "route"),
        tell("sign", "approve"),
        tell("file", "route"),
        tell("report", "sign", "file"),
    ]  # fmt: skip
