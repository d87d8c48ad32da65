"""Kind ``llm``: one question to a model by OpenAI's chat API, and what it cost."""

from __future__ import annotations

import json
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from django.conf import settings

from runs import input_schema, llm, outbound, placeholders
from runs.engine.context import Context
from runs.engine.errors import LlmAnswerInvalid, LlmError, LlmRefused
from runs.engine.executors.calling import retry_after
from runs.engine.executors.http import PASSING, SHOWN
from runs.engine.executors.result import Result
from runs.graph import NodeSpec
from runs.secret_values import SecretMissing, value_of

_END = "[DONE]"


def run(spec: NodeSpec, inputs: dict[str, Any], data: dict[str, Any], context: Context) -> Result:
    asked = spec.settings
    call = _Call(spec, context)
    try:
        call.make(_body(spec, inputs), f"{asked['base_url']}/chat/completions")
    finally:
        # Also where the attempt fails afterwards: what was used is paid for.
        call.record()
    output = {
        "text": call.text,
        "model": call.model,
        "finish_reason": call.finish_reason,
        "usage": call.usage,
    }
    if asked["response"] == "json":
        output["json"] = _parsed(call, asked["schema"])
    return Result(output)


class _Call:
    """One request, and what came of it so far."""

    def __init__(self, spec: NodeSpec, context: Context) -> None:
        self._spec, self._context = spec, context
        self.model: str = spec.settings["model"]
        self.text = ""
        self.finish_reason: str | None = None
        self._tokens: llm.Tokens | None = None
        self._answered = False

    @property
    def usage(self) -> dict[str, int] | None:
        tokens = self._tokens
        if tokens is None:
            return None
        return {"input": tokens.input, "output": tokens.output, "cached": tokens.cached}

    def make(self, body: dict[str, Any], url: str) -> None:
        headers = {"Content-Type": "application/json", "Accept": "application/json"}
        if body.get("stream"):
            headers["Accept"] = "text/event-stream"
        if name := self._spec.settings["api_key"]:
            try:
                headers["Authorization"] = f"Bearer {value_of(name, url)}"
            except SecretMissing as error:
                raise LlmRefused(str(error.args[0])) from None
        content = json.dumps(body, ensure_ascii=False).encode()
        try:
            with outbound.request(
                "POST", url, headers=headers, body=content, seconds=self._spec.timeout_seconds
            ) as answer:
                if answer.status != 200:
                    _refuse(answer)
                self._answered = True
                if "event-stream" in answer.headers.get("content-type", ""):
                    self._stream(answer)
                else:
                    self._whole(answer)
        except (outbound.Refused, outbound.TooLarge) as error:
            raise LlmRefused(str(error)) from error
        except outbound.OutboundError as error:
            raise LlmError(str(error)) from error

    def _whole(self, answer: outbound.Answer) -> None:
        found = _json(answer.read(_most()))
        self._tokens = llm.Tokens.told(found.get("usage"))
        choice = _choice(found)
        message = choice.get("message")
        text = message.get("content") if isinstance(message, dict) else None
        if not isinstance(text, str):
            raise LlmAnswerInvalid("the answer has no text")
        self.text, self.finish_reason = text, choice.get("finish_reason")

    def _stream(self, answer: outbound.Answer) -> None:
        parts = []
        for line in _lines(answer):
            if not line.startswith("data:"):
                continue
            data = line[5:].strip()
            if data == _END:
                break
            found = _json(data.encode())
            if "error" in found:
                raise LlmError(f"the server broke off: {placeholders.as_text(found)[:SHOWN]}")
            self._tokens = llm.Tokens.told(found.get("usage")) or self._tokens
            if found.get("choices"):
                choice = _choice(found)
                delta = choice.get("delta")
                if isinstance(delta, dict) and isinstance(delta.get("content"), str):
                    parts.append(delta["content"])
                self.finish_reason = choice.get("finish_reason") or self.finish_reason
            if self._context.should_stop:
                break
        else:
            raise LlmError("the answer ended before it was whole")
        self.text = "".join(parts)

    def record(self) -> None:
        """The call's row in the ledger; none where the server took no question."""
        if not self._answered:
            return
        tokens, asked = self._tokens or llm.Tokens(), self._spec.settings
        if self._tokens is None:
            self._context.log("the server did not tell how many tokens were used", "warning")
        cost = llm.cost(self.model, tokens, base_url=asked["base_url"], prices=asked["prices"])
        if cost is None:
            self._context.log(
                f"no price is known for {self.model}, so its cost counts as 0; give the node"
                " “prices”",
                "warning",
            )
        self._context.llm_call(
            self.model,
            input_tokens=tokens.input,
            output_tokens=tokens.output,
            cached_tokens=tokens.cached,
            cost=cost or Decimal(0),
        )


def _body(spec: NodeSpec, inputs: dict[str, Any]) -> dict[str, Any]:
    asked = spec.settings
    body: dict[str, Any] = {
        "model": asked["model"],
        "messages": [
            {
                "role": each["role"],
                "content": placeholders.as_text(
                    placeholders.filled(each["content"], lambda name, _: inputs[name])
                ),
            }
            for each in asked["messages"]
        ],
    }
    if asked["max_tokens"] is not None:
        body["max_tokens"] = asked["max_tokens"]
    if asked["temperature"] is not None:
        body["temperature"] = asked["temperature"]
    if asked["schema"] is not None:
        schema = {"name": spec.id, "schema": asked["schema"]}
        body["response_format"] = {"type": "json_schema", "json_schema": schema}
    elif asked["response"] == "json":
        body["response_format"] = {"type": "json_object"}
    if asked["stream"]:
        body |= {"stream": True, "stream_options": {"include_usage": True}}
    return body | asked["options"]


def _refuse(answer: outbound.Answer) -> None:
    try:
        content = answer.read(_most())
    except outbound.OutboundError:
        content = b""
    said = outbound.json_of(content, answer.headers.get("content-type", ""))
    message = f"the server answered {answer.status}: {placeholders.as_text(said)[:SHOWN]}"
    if answer.status >= 500 or answer.status in PASSING:
        raise LlmError(message, retry_after(answer.headers))
    raise LlmRefused(message)


def _parsed(call: _Call, schema: Any) -> Any:
    text = call.text.strip()
    # Some models put a fence around it whatever they are told.
    if text.startswith("```") and text.endswith("```"):
        text = text[3:-3].removeprefix("json").strip()
    try:
        value = json.loads(text)
    except ValueError as error:
        cut = " (it was cut off at its limit of tokens)" if call.finish_reason == "length" else ""
        raise LlmAnswerInvalid(f"the answer is no JSON{cut}: {error}") from None
    if schema is not None and (problem := input_schema.violation(schema, value)):
        raise LlmAnswerInvalid(f"the answer does not fit the schema: {problem}")
    return value


def _json(content: bytes) -> dict[str, Any]:
    try:
        found = json.loads(content)
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise LlmAnswerInvalid(
            f"the answer is no JSON object: {content[:SHOWN].decode(errors='replace')}"
        )
    return found


def _choice(found: dict[str, Any]) -> dict[str, Any]:
    choices = found.get("choices")
    if not isinstance(choices, list) or not choices or not isinstance(choices[0], dict):
        raise LlmAnswerInvalid("the answer has no choice")
    return choices[0]


def _lines(answer: outbound.Answer) -> Iterator[str]:
    rest, total = b"", 0
    for chunk in answer.chunks():
        total += len(chunk)
        if total > _most():
            raise outbound.TooLarge(f"the answer is larger than {_most():,} bytes")
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            yield line.decode("utf-8", "replace").rstrip("\r")
    if rest:
        yield rest.decode("utf-8", "replace")


def _most() -> int:
    """Bytes of an answer: a stream's frames are many times what they say."""
    return 20 * int(settings.ENGINE_PAYLOAD_BYTES)
