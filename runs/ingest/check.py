"""One event as it was sent → a Report, or what is wrong with it. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any

from runs import ids
from runs.ingest.body import NotAnEvent, holds_no_text
from runs.ingest.report import Report
from runs.payload import PayloadError, dump
from runs.rows import Refused
from runs.states import Kind, RunState, Trigger

EARLIEST = datetime(2000, 1, 1, tzinfo=UTC)
# A sender's clock may go ahead of ours by so much.
AHEAD = timedelta(hours=1)
MAX_ATTEMPT = 1_000
MAX_COUNT = 2**53
MAX_COST = 1_000_000
MAX_SELECTED = 1_000
MESSAGE = 10_000
REASON = 500

_EVENT_ID = re.compile(r"[!-~]{1,100}\Z")
_SOURCE = re.compile(r"[a-z0-9][a-z0-9_.-]{0,63}\Z")
_NODE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.:-]{0,63}\Z")
_WORKFLOW = re.compile(r"[a-z][a-z0-9_]{0,63}\Z")
_LEVELS = {
    "debug": "debug", "info": "info", "warning": "warning", "error": "error",
    "warn": "warning", "critical": "error", "fatal": "error",
}  # fmt: skip
_TRIGGERS = frozenset(Trigger)
_FIELDS = frozenset({
    "event_id", "run", "source", "external_id", "workflow", "type", "node", "attempt", "at",
    "data", "actor", "input", "trigger", "triggered_by", "ref_type", "ref_id",
})  # fmt: skip
# A kind, or how a change of the run's state is usually called.
TYPES: dict[str, tuple[Kind, RunState | None]] = {
    **{str(kind): (kind, None) for kind in Kind if kind is not Kind.LATE_RESULT},
    "run_started": (Kind.STATE_CHANGED, RunState.ACTIVE),
    "run_completed": (Kind.STATE_CHANGED, RunState.COMPLETED),
    "run_failed": (Kind.STATE_CHANGED, RunState.FAILED),
    "run_terminated": (Kind.STATE_CHANGED, RunState.TERMINATED),
}


def report_of(item: Any, index: int, now: datetime, limit: int, *, doubtful: bool) -> Report:
    """`limit` is the most bytes of an event's data; `doubtful` that strings are to be looked at
    closely. Raises Refused."""
    _check_object(item, doubtful)
    get = item.get
    report = Report(index)
    report.event_id = _matching(get("event_id"), _EVENT_ID, "event_id",
                                "1 to 100 printable ASCII characters without spaces")  # fmt: skip
    kind, to = _type(get("type"))
    report.kind = kind
    _run(report, get)
    if (node := get("node")) is not None:
        report.node = _matching(node, _NODE, "node",
                                "1 to 64 letters, digits, “_”, “.”, “:” or “-”")  # fmt: skip
    if (attempt := get("attempt")) is not None:
        report.attempt = _whole(attempt, "attempt", MAX_ATTEMPT, least=1)
    if (at := get("at")) is not None:
        report.at = _time(at, "at", now)
    if (actor := get("actor")) is not None:
        report.actor = _text(actor, "actor", 150)
    _creation(report, item)
    report.data = _data(report, item, to)
    try:
        report.json = dump(report.data, "data")
    except PayloadError as error:
        raise Refused("data", str(error)) from None
    if len(report.json) > limit or len(report.json.encode()) > limit:
        raise Refused("data", f"is over {limit:,} bytes of JSON")
    return report


def _check_object(item: Any, doubtful: bool) -> None:
    if not isinstance(item, dict):
        why = str(item) if isinstance(item, NotAnEvent) else "an event is a JSON object"
        raise Refused("", why)
    if not item.keys() <= _FIELDS:
        unknown = min(item.keys() - _FIELDS)
        raise Refused(_shown(unknown), "there is no such field")
    if doubtful and holds_no_text(item):
        raise Refused("", "a text holds a NUL character, half a character, or is not UTF-8")


def _data(report: Report, item: dict[str, Any], to: RunState | None) -> dict[str, Any]:
    data = item.get("data")
    data = {} if data is None else data
    if not isinstance(data, dict):
        raise Refused("data", "an object")
    if "input" in item:
        data["input"] = item["input"]
    if to is not None and data.setdefault("to", str(to)) != to:
        raise Refused("data.to", f"is {to} for this type")
    _CHECKS[report.kind](report, data)
    return data


def _type(value: Any) -> tuple[Kind, RunState | None]:
    known = TYPES.get(value) if isinstance(value, str) else None
    if known is not None:
        return known
    if value == Kind.LATE_RESULT:
        raise Refused("type", "report the result itself; the portal sees that it is late")
    raise Refused("type", f"one of {', '.join(TYPES)}")


def _run(report: Report, get: Callable[[str], Any]) -> None:
    run, source, external_id = get("run"), get("source"), get("external_id")
    if source is not None:
        report.source = _matching(source, _SOURCE, "source",
                                  "1 to 64 small letters, digits, “_”, “.” or “-”")  # fmt: skip
    if run is not None:
        if external_id is not None:
            raise Refused("external_id", "name the run once: by run, or by source and external_id")
        report.run = ids.decode("run", run) if isinstance(run, str) else None
        if report.run is None:
            raise Refused("run", "there is no such run")
    elif external_id is None:
        raise Refused("run", "name the run: by run, or by source and external_id")
    elif not report.source:
        raise Refused("source", "needed beside external_id")
    else:
        report.external_id = _text(external_id, "external_id", 200, least=1)


def _creation(report: Report, item: dict[str, Any]) -> None:
    """What the first event of a run says about it."""
    if (workflow := item.get("workflow")) is not None:
        report.workflow = _matching(workflow, _WORKFLOW, "workflow",
            "1 to 64 small letters, digits and underscores that begin with a letter")  # fmt: skip
    if (trigger := item.get("trigger")) is not None:
        if not isinstance(trigger, str) or trigger not in _TRIGGERS:
            raise Refused("trigger", f"one of {', '.join(Trigger)}")
        report.trigger = trigger
    if (by := item.get("triggered_by")) is not None:
        report.triggered_by = _text(by, "triggered_by", 150, least=1)
    if (ref_type := item.get("ref_type")) is not None:
        report.ref_type = _text(ref_type, "ref_type", 64)
    if (ref_id := item.get("ref_id")) is not None:
        report.ref_id = _text(ref_id, "ref_id", 200)
        if report.ref_id and not report.ref_type:
            raise Refused("ref_type", "say what the ref_id belongs to")
    if "input" in item and report.kind is not Kind.RUN_CREATED:
        raise Refused("input", f"only beside the type {Kind.RUN_CREATED}; a node's is data.input")


# -- Data ------------------------------------------------------------------------------------
# What pages and the fold read has the shape that the engine gives it; more may stand beside it.


def _created(report: Report, data: dict[str, Any]) -> None:
    data.setdefault("input", None)


def _state(report: Report, data: dict[str, Any]) -> None:
    if data.get("to") not in tuple(RunState):
        raise Refused("data.to", f"one of {', '.join(RunState)}")
    _optional(data, "reason", REASON)
    data.pop("started", None)
    if data["to"] == RunState.FAILED and data.get("error") is not None:
        error = data["error"] = _error(data["error"])
        if "node" in error:
            _text(error["node"], "data.error.node", 64)
    else:
        data.pop("error", None)


def _queued(report: Report, data: dict[str, Any]) -> None:
    if not report.node:
        raise Refused("node", "needed for this type")


_node = _queued


def _started(report: Report, data: dict[str, Any]) -> None:
    _node(report, data)
    data.setdefault("input", None)
    _optional(data, "worker", 128)


def _completed(report: Report, data: dict[str, Any]) -> None:
    _node(report, data)
    data.setdefault("output", None)


def _failed(report: Report, data: dict[str, Any]) -> None:
    _node(report, data)
    data["error"] = _error(data.get("error"))
    data.pop("lost", None)
    if (retry_at := data.get("retry_at")) is not None:
        ahead = timedelta(days=366)
        data["retry_at"] = _time(retry_at, "data.retry_at", datetime.now(UTC), ahead).isoformat()
    else:
        data.pop("retry_at", None)


def _skipped(report: Report, data: dict[str, Any]) -> None:
    _node(report, data)
    _optional(data, "reason", REASON)


def _selected(report: Report, data: dict[str, Any]) -> None:
    _node(report, data)
    selected = data.get("selected")
    if not isinstance(selected, list) or len(selected) > MAX_SELECTED:
        raise Refused("data.selected", f"a list of nodes, {MAX_SELECTED:,} at most")
    for key in selected:
        _text(key, "data.selected", 64, least=1)
    _optional(data, "path", REASON)


def _human(report: Report, data: dict[str, Any]) -> None:
    data["action"] = _text(data.get("action"), "data.action", 100, least=1)
    _optional(data, "comment", MESSAGE)


def _log(report: Report, data: dict[str, Any]) -> None:
    message = data.get("message")
    if not isinstance(message, str):
        raise Refused("data.message", "a text")
    if len(message) > MESSAGE:
        data["message"] = f"{message[: MESSAGE - 1]}…"
    level = data.get("level", "info")
    if not isinstance(level, str) or level.lower() not in _LEVELS:
        raise Refused("data.level", f"one of {', '.join(_LEVELS)}")
    data["level"] = _LEVELS[level.lower()]


def _progress(report: Report, data: dict[str, Any]) -> None:
    _node(report, data)
    data["done"] = _whole(data.get("done"), "data.done", MAX_COUNT)
    total = data.get("total")
    data["total"] = None if total is None else _whole(total, "data.total", MAX_COUNT)
    _optional(data, "message", MESSAGE)


def _llm_call(report: Report, data: dict[str, Any]) -> None:
    data["model"] = _text(data.get("model"), "data.model", 128, least=1)
    for name in ("input_tokens", "output_tokens", "cached_tokens"):
        data[name] = _whole(data.get(name, 0), f"data.{name}", MAX_COUNT)
    data["cost"] = _cost(data.get("cost", 0))


def _cost_update(report: Report, data: dict[str, Any]) -> None:
    data["cost"] = _cost(data.get("cost"))


_CHECKS: dict[Kind, Callable[[Report, dict[str, Any]], None]] = {
    Kind.RUN_CREATED: _created,
    Kind.STATE_CHANGED: _state,
    Kind.NODE_QUEUED: _queued,
    Kind.NODE_STARTED: _started,
    Kind.NODE_COMPLETED: _completed,
    Kind.NODE_FAILED: _failed,
    Kind.NODE_SKIPPED: _skipped,
    Kind.PATH_SELECTED: _selected,
    Kind.HUMAN_ACTION: _human,
    Kind.LOG: _log,
    Kind.PROGRESS: _progress,
    Kind.LLM_CALL: _llm_call,
    Kind.COST_UPDATE: _cost_update,
}


# -- Values ----------------------------------------------------------------------------------


def _shown(text: str) -> str:
    return "".join(char if char.isprintable() else "?" for char in text[:64])


def _matching(value: Any, pattern: re.Pattern[str], field: str, what: str) -> str:
    if not isinstance(value, str) or not pattern.match(value):
        raise Refused(field, what)
    return value


def _text(value: Any, field: str, most: int, least: int = 0) -> str:
    if not isinstance(value, str) or not least <= len(value) <= most:
        raise Refused(field, f"a text of {least} to {most:,} characters")
    return value


def _optional(data: dict[str, Any], name: str, most: int) -> None:
    if data.get(name) is None:
        data.pop(name, None)
    else:
        _text(data[name], f"data.{name}", most)


def _whole(value: Any, field: str, most: int, least: int = 0) -> int:
    if type(value) is not int or not least <= value <= most:
        raise Refused(field, f"a whole number from {least} to {most:,}")
    return value


def _cost(value: Any) -> str:
    try:
        if isinstance(value, bool) or not isinstance(value, int | float | str):
            raise InvalidOperation
        cost = Decimal(str(value)[:50])
        if not cost.is_finite() or not 0 <= cost <= MAX_COST:
            raise InvalidOperation
    except (InvalidOperation, ValueError):
        raise Refused("data.cost", f"US dollars from 0 to {MAX_COST:,}") from None
    return format(cost.quantize(Decimal("1e-10")).normalize(), "f")


def _error(value: Any) -> dict[str, Any]:
    """As the engine writes it: kind, message and trace."""
    if value is None or isinstance(value, str):
        value = {"message": value or ""}
    if not isinstance(value, dict):
        raise Refused("data.error", "an object with kind, message and trace, or a text")
    kind = _text(value.get("kind") or "Error", "data.error.kind", 100)
    message = value.get("message") or ""
    trace = value.get("trace") or ""
    if not isinstance(message, str) or not isinstance(trace, str):
        raise Refused("data.error", "message and trace are texts")
    return {**value, "kind": kind, "message": message or kind, "trace": trace}


def _time(value: Any, field: str, now: datetime, ahead: timedelta = AHEAD) -> datetime:
    what = "a time with its zone, such as 2026-01-31T23:59:59.123Z"
    if not isinstance(value, str) or len(value) > 40:
        raise Refused(field, what)
    try:
        found = datetime.fromisoformat(value)
    except ValueError:
        raise Refused(field, what) from None
    if found.tzinfo is None:
        raise Refused(field, what)
    if found < EARLIEST:
        raise Refused(field, f"is before {EARLIEST:%Y}: the sender's clock is wrong")
    if found > now + ahead:
        raise Refused(field, "is yet to come: the sender's clock is wrong")
    return found.astimezone(UTC)
