"""Kind ``llm``: one question to a language model, at any server with OpenAI's chat API. Pure.

Settings of the node: ``base_url`` (to which /chat/completions is added), ``model``, ``api_key``
(the name of a secret; empty for a server that wants none), ``system`` and ``prompt``, or
``messages``, whose texts may hold places for the node's inputs; ``response`` ("text" or "json"),
``schema`` (what the JSON must fit), ``stream``, ``max_tokens``, ``temperature``, ``options`` (sent
as they are) and ``prices``: US dollars for a million input, output and cached tokens.
"""

from __future__ import annotations

import re
from typing import Any

from runs.graph.fields import Fields
from runs.graph.kinds import attempted
from runs.graph.kinds.http import address

FIELDS = attempted.FIELDS | {
    "base_url", "model", "api_key", "system", "prompt", "messages", "response", "schema", "stream",
    "max_tokens", "temperature", "options", "prices",
}  # fmt: skip
ROLES = ("system", "user", "assistant")
_SECRET = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}\Z")
# What has a field of its own, or is the node's own affair.
_OWN_OPTIONS = frozenset({"model", "messages", "stream", "stream_options", "n"})
_PRICES = frozenset({"input", "output", "cached"})
MAX_MESSAGES = 100


def read(fields: Fields) -> dict[str, Any]:
    spec = attempted.read(fields, retries=3, backoff=2.0)
    raw = fields.raw
    spec["settings"] = {
        "base_url": address(fields, "base_url", {}).rstrip("/"),
        "model": fields.text("model", needed=True, most=128),
        "api_key": _secret(fields),
        "messages": _messages(fields, spec["input"]),
        "response": fields.choice("response", ("text", "json"), "text"),
        "schema": fields.schema("schema"),
        "stream": fields.flag("stream", default=False),
        "max_tokens": int(fields.number("max_tokens", 1, 10_000_000, above=0, whole=True))
        if "max_tokens" in raw
        else None,
        "temperature": fields.number("temperature", 1, 2) if "temperature" in raw else None,
        "options": _options(fields),
        "prices": _prices(fields),
    }
    if spec["settings"]["schema"] is not None and spec["settings"]["response"] != "json":
        fields.say('“schema” is for “response”: "json"')
    return spec


def _secret(fields: Fields) -> str:
    name = fields.text("api_key", most=64)
    if name and not _SECRET.match(name):
        fields.say("“api_key” is the name of a secret in the portal's settings, not the key itself")
        return ""
    return name


def _messages(fields: Fields, inputs: dict[str, Any]) -> list[dict[str, str]]:
    if "messages" not in fields.raw:
        system, prompt = fields.text("system"), fields.text("prompt", needed=True)
        for name, text in (("system", system), ("prompt", prompt)):
            fields.places(name, text, inputs)
        found = [("system", system), ("user", prompt)]
        return [{"role": role, "content": text} for role, text in found if text]
    if "prompt" in fields.raw or "system" in fields.raw:
        fields.say("has “messages” or “prompt” and “system”, not both")
    rows = fields.raw["messages"]
    fitting = isinstance(rows, list) and all(
        isinstance(row, dict)
        and row.keys() == {"role", "content"}
        and row["role"] in ROLES
        and isinstance(row["content"], str)
        for row in rows
    )
    if not fitting or not 1 <= len(rows) <= MAX_MESSAGES:
        fields.say(
            f"“messages” is a list of objects with a “role” ({', '.join(ROLES)}) and a text as"
            " “content”"
        )
        return []
    fields.places("messages", rows, inputs)
    return rows


def _options(fields: Fields) -> dict[str, Any]:
    value = fields.raw.get("options", {})
    if not isinstance(value, dict):
        fields.say("“options” maps names to values")
        return {}
    for name in sorted(_OWN_OPTIONS & value.keys()):
        fields.say(f"“options”: “{name}” cannot be given there")
    return value


def _prices(fields: Fields) -> dict[str, float] | None:
    value = fields.raw.get("prices")
    if value is None:
        return None
    numbers = isinstance(value, dict) and all(
        isinstance(v, int | float) and not isinstance(v, bool) and 0 <= v <= 1_000_000
        for v in value.values()
    )
    if not numbers or not {"input", "output"} <= value.keys() <= _PRICES:
        fields.say("“prices” has “input”, “output” and, if need be, “cached”: US dollars a million")
        return None
    return value
