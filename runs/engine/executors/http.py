"""Kind ``http``: one request to a service; its answer is the node's output."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote, urlencode

from django.conf import settings

from runs import outbound, placeholders
from runs.engine.context import Context
from runs.engine.errors import HttpError, HttpRefused
from runs.engine.executors.calling import filled_headers, retry_after
from runs.engine.executors.result import Result
from runs.graph import NodeSpec

# Answers that another attempt may better: too early, too many, the service's own trouble.
PASSING = frozenset({408, 425, 429})
# Characters of an error's body that its message shows.
SHOWN = 500
_BODILESS = frozenset({"GET", "HEAD", "DELETE"})


def run(spec: NodeSpec, inputs: dict[str, Any], data: dict[str, Any], context: Context) -> Result:
    asked = spec.settings
    method, url = asked["method"], _address(asked, inputs)
    body = _body(asked, inputs)
    # What is sent twice because an attempt was lost can be recognised.
    headers = {"Accept": "application/json, */*;q=0.5", "Idempotency-Key": _key(context)}
    if body is not None:
        headers["Content-Type"] = "application/json"
    headers |= filled_headers(asked["headers"], inputs, url)
    try:
        with outbound.request(
            method, url, headers=headers, body=body, seconds=spec.timeout_seconds
        ) as answer:
            content = answer.read(settings.ENGINE_PAYLOAD_BYTES)
    except (outbound.Refused, outbound.TooLarge) as error:
        raise HttpRefused(str(error)) from error
    except outbound.OutboundError as error:
        raise HttpError(str(error)) from error
    value = outbound.json_of(content, answer.headers.get("content-type", ""))
    if answer.status >= 400:
        said = f"{method} {url} was answered {answer.status}: {placeholders.as_text(value)[:SHOWN]}"
        if answer.status >= 500 or answer.status in PASSING:
            raise HttpError(said, retry_after(answer.headers))
        raise HttpRefused(said)
    return Result({"status": answer.status, "headers": dict(answer.headers), "body": value})


def _key(context: Context) -> str:
    return f"{context.run_id}.{context.node}"


def _address(asked: Any, inputs: dict[str, Any]) -> str:
    url = placeholders.filled(
        asked["url"], lambda name, _: inputs[name], lambda text: quote(text, safe="")
    )
    query = placeholders.filled(asked["query"], lambda name, _: inputs[name])
    if not query:
        return str(url)
    pairs = [
        (name, placeholders.as_text(each))
        for name, value in query.items()
        for each in (value if isinstance(value, list) else [value])
    ]
    return f"{url}{'&' if '?' in str(url) else '?'}{urlencode(pairs)}"


def _body(asked: Any, inputs: dict[str, Any]) -> bytes | None:
    if asked["body"] is not None:
        value = placeholders.filled(asked["body"], lambda name, _: inputs[name])
    elif asked["method"] not in _BODILESS and inputs:
        value = inputs
    else:
        return None
    return json.dumps(value, ensure_ascii=False).encode()
