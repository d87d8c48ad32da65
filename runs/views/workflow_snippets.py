"""What the editor offers to insert: a node of each kind, and the executors that there are."""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from typing import Any

from runs import json_text
from runs.engine import registry

# Executors that are listed.
MOST_EXECUTORS = 200
_STEP = {"id": "step", "needs": []}


@dataclass(frozen=True, slots=True)
class Snippet:
    """A node as text; the editor gives it an id that is free, and the node that it follows."""

    name: str
    icon: str
    what: str
    text: str


@dataclass(frozen=True, slots=True)
class ExecutorDoc:
    name: str
    # Its inputs as they are written, such as “document, limit=10”.
    inputs: str
    doc: str
    snippet: str


def snippets() -> list[Snippet]:
    first = min(registry.names(), default="my_app.do_something")
    return [
        Snippet(name, icon, what, json_text.write({**_STEP, **node}))
        for name, icon, what, node in (
            (
                "Executor",
                "play_circle",
                "calls a Python function of the workers",
                {
                    "kind": "executor", "executor": first, "input": {},
                    "retries": 1, "timeout_seconds": 60,
                },
            ),
            (
                "Branch",
                "alt_route",
                "goes on along the first path whose condition holds",
                {
                    "kind": "branch",
                    "paths": [
                        {
                            "name": "large", "to": [],
                            "when": {"value": "$.data.amount", "greater_than": 1000},
                        }
                    ],
                    "default": [],
                },
            ),
            (
                "HTTP request",
                "language",
                "calls a service",
                {
                    "kind": "http", "method": "POST", "url": "https://service.example/items",
                    "input": {"item": "$.data.item"},
                    "headers": {"Authorization": "Bearer {{ secret.SERVICE_TOKEN }}"},
                    "body": {"item": "{{ item }}"}, "timeout_seconds": 30,
                },
            ),
            (
                "LLM call",
                "neurology",
                "asks a language model",
                {
                    "kind": "llm", "base_url": "https://llm.example/v1", "model": "model-name",
                    "api_key": "LLM_API_KEY", "input": {"text": "$.data.text"},
                    "system": "Answer in one sentence.", "prompt": "Summarise: {{ text }}",
                },
            ),
            (
                "Person",
                "person",
                "waits until somebody approves, rejects or corrects",
                {
                    "kind": "human", "title": "Is this right?", "input": {"fields": "$.data"},
                    "correct": "fields",
                    "form": {
                        "type": "object", "required": ["amount"],
                        "properties": {"amount": {"type": "number"}},
                    },
                    "timeout_seconds": 86400, "on_timeout": "reject",
                },
            ),
        )
    ]  # fmt: skip


def executors() -> list[ExecutorDoc]:
    """By name."""
    return [_described(name) for name in sorted(registry.names())[:MOST_EXECUTORS]]


def _described(name: str) -> ExecutorDoc:
    function = registry.find(name)
    inputs = _inputs(function)
    node = {**_STEP, "kind": "executor", "executor": name}
    values = {each.name: "$.data" for each in inputs if each.default is each.empty}
    return ExecutorDoc(
        name=name,
        inputs=", ".join(map(_input, inputs)),
        doc=(inspect.getdoc(function) or "").partition("\n\n")[0].replace("\n", " "),
        snippet=json_text.write({**node, "input": values, "timeout_seconds": 60}),
    )


def _inputs(function: Any) -> list[inspect.Parameter]:
    """All but the context."""
    try:
        return list(inspect.signature(function).parameters.values())[1:]
    except (TypeError, ValueError):  # a callable that tells nothing of itself
        return []


def _input(parameter: inspect.Parameter) -> str:
    if parameter.kind is parameter.VAR_KEYWORD:
        return "any others"
    if parameter.default is parameter.empty:
        return parameter.name
    return f"{parameter.name}={parameter.default!r}"


def offered() -> dict[str, Any]:
    """For the template of a page with the editor."""
    return {"snippets": snippets(), "executors": executors()}
