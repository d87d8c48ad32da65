"""Kind ``human``: waits until a person approves, rejects or corrects. Pure.

Settings of the node: ``title`` and ``instructions`` (texts with places for the inputs), ``form``
(the JSON Schema of a correction; without it nothing can be corrected), ``correct`` (the input that
a correction starts from and replaces), ``assigned_to`` (``{"people": […], "groups": […]}``; empty:
whoever may decide), ``on_timeout`` ("approve", "reject" or "fail"; without it the node waits for
ever) after ``timeout_seconds``, and ``on_reject`` ("continue", with the decision as output, or
"fail").
"""

from __future__ import annotations

from typing import Any

from runs.graph.fields import Fields

FIELDS = frozenset(
    {"input", "title", "instructions", "form", "correct", "assigned_to", "timeout_seconds",
     "on_timeout", "on_reject"}
)  # fmt: skip
# A year.
MAX_SECONDS = 366 * 86_400.0
ON_TIMEOUT = ("approve", "reject", "fail")
ON_REJECT = ("continue", "fail")


def read(fields: Fields) -> dict[str, Any]:
    raw, inputs = fields.raw, fields.input()
    if ("timeout_seconds" in raw) != ("on_timeout" in raw):
        fields.say("“timeout_seconds” and “on_timeout” (what is done then) stand together")
    timeout = fields.number("timeout_seconds", 86_400, MAX_SECONDS, above=0)
    settings = {
        "title": fields.text("title", most=200),
        "instructions": fields.text("instructions", most=10_000),
        "form": fields.schema("form"),
        "correct": _corrected(fields, inputs),
        "assigned_to": _assigned(fields),
        "on_timeout": fields.choice("on_timeout", ON_TIMEOUT, "fail")
        if "on_timeout" in raw
        else None,
        "on_reject": fields.choice("on_reject", ON_REJECT, "continue"),
    }
    for name in ("title", "instructions"):
        fields.places(name, settings[name], inputs)
    return {"input": inputs, "timeout_seconds": timeout, "settings": settings}


def _corrected(fields: Fields, inputs: dict[str, Any]) -> str:
    """The name of the input that is approved or corrected."""
    name = fields.text("correct", most=64)
    if name and name not in inputs:
        fields.say(f"“correct” names the input “{name}”, which the node does not have")
    elif not name and fields.raw.get("form") is not None:
        if len(inputs) == 1:
            return next(iter(inputs))
        fields.say("has a “form”, so “correct” says which input it corrects")
    return name


def _assigned(fields: Fields) -> dict[str, list[str]]:
    value = fields.raw.get("assigned_to", {})
    if not isinstance(value, dict) or not value.keys() <= {"people", "groups"}:
        fields.say("“assigned_to” has “people” (user names) or “groups”")
        return {"people": [], "groups": []}
    return {
        name: fields.names(f"assigned_to.{name}", value.get(name, []))
        for name in ("people", "groups")
    }
