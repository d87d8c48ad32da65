"""Each event of a run's history in words. Every text from data is escaped here."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any

from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe

from runs import ids
from runs.fold import ASKED
from runs.graph import Graph
from runs.states import Kind
from runs.templatetags.runs_ui import duration_words, full_words, look, money_words, short

# A payload of at most this many bytes of JSON stands in the page; a larger one is fetched.
INLINE_BYTES = 4_000
# Characters of a message that stand in its line; the rest is folded.
LINE_CHARS = 400
NOTHING = mark_safe("")


@dataclass(frozen=True, slots=True)
class Entry:
    """An event as the history reads it: a large payload is left out, its size is known."""

    seq: int
    kind: str
    node: str
    attempt: int | None
    actor: str
    at: datetime
    data: dict[str, Any]
    # Bytes of the input or output as JSON text; None where it has none.
    payload_bytes: int | None
    payload_is_at_least: bool


@dataclass(frozen=True, slots=True)
class Fold:
    """Something long, folded. Without `text` it is fetched when opened."""

    name: str
    size: int
    text: str | None
    # The size is that of the compressed value: the true one is larger.
    at_least: bool = False
    is_json: bool = True


@dataclass(slots=True)
class Line:
    seq: int
    at: datetime
    clock: str
    full: str
    offset: str
    icon: str
    state: str
    kind: str
    node: str
    what: SafeString
    folds: list[Fold] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Teller:
    """What must be known beside an event to tell it."""

    created_at: datetime
    # Whether the history crosses midnight in the person's zone: times then carry their day.
    dated: bool
    graph: Graph | None = None
    retry_of_url: str = ""
    # By (node, attempt): when that attempt began.
    started: Mapping[tuple[str, int], datetime] = field(default_factory=dict)

    def line(self, event: Entry) -> Line:
        icon, state, label, tell = _KINDS.get(event.kind, _UNKNOWN)
        local = timezone.localtime(event.at)
        clock = f"{local:%H:%M:%S}.{local.microsecond // 1000:03}"
        line = Line(
            seq=event.seq,
            at=event.at,
            clock=f"{local.day} {local:%b} {clock}" if self.dated else clock,
            full=full_words(event.at),
            offset=offset_words((event.at - self.created_at).total_seconds()),
            icon=icon,
            state=state,
            kind=label,
            node=event.node,
            what=NOTHING,
        )
        line.what = tell(_Telling(self, event, line))
        return line


def offset_words(seconds: float) -> str:
    """``+0.21``: seconds after the run's creation, in at most seven characters for eleven days."""
    if abs(seconds) < 0.005:
        return "0.00"
    places = 2 if abs(seconds) < 1_000 else 1 if abs(seconds) < 10_000 else 0
    return f"{'+' if seconds > 0 else '−'}{abs(seconds):.{places}f}"


def kind_words(kind: str) -> str:
    return _KINDS[Kind(kind)][2]


# -- Kinds -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Telling:
    """One event being told; folds are added to its line."""

    teller: Teller
    event: Entry
    line: Line


def _run_created(t: _Telling) -> SafeString:
    data = t.event.data
    _fold_payload(t.line, t.event, "input")
    words = format_html("by <b>{}</b>, {}", t.event.actor or "unknown", data.get("trigger", ""))
    original = str(data.get("retry_of") or "")
    if not original:
        return words
    name = short(original)
    if t.teller.retry_of_url:
        link = format_html('<a class="op-link" href="{}">{}</a>', t.teller.retry_of_url, name)
        words = format_html("{}, as a retry of {}", words, link)
    else:
        words = format_html("{}, as a retry of {}", words, name)
    reused = data.get("reused")
    if isinstance(reused, int):
        what = f"{reused:,} {'result' if reused == 1 else 'results'}" if reused else "no result"
        words = format_html("{} from the failed node, reusing {}", words, what)
    return words


def _state_changed(t: _Telling) -> SafeString:
    before, after = str(t.event.data.get("from", "")), str(t.event.data.get("to", ""))
    t.line.state = look(after).state
    words = format_html("<b>{}</b> → <b>{}</b>", before, after)
    if t.event.actor:
        words = format_html("{} by <b>{}</b>", words, t.event.actor)
    reason = str(t.event.data.get("reason") or "")
    return (
        format_html("{}: <bdi>{}</bdi>", words, _long(t.line, "reason", reason))
        if reason
        else words
    )


def _node_started(t: _Telling) -> SafeString:
    _fold_payload(t.line, t.event, "input")
    words = format_html("attempt {}", t.event.attempt or 1)
    worker = t.event.data.get("worker")
    return format_html("{} on <bdi>{}</bdi>", words, worker) if worker else words


def _node_completed(t: _Telling) -> SafeString:
    _fold_payload(t.line, t.event, "output")
    if reused := _reused(t.event):
        return reused
    began = t.teller.started.get((t.event.node, t.event.attempt or 1))
    return format_html("in {}", duration_words(t.event.at - began)) if began else NOTHING


def _node_failed(t: _Telling) -> SafeString:
    error = _mapping(t.event.data.get("error"))
    parts = [_error(t.line, error)]
    if t.event.attempt is not None:
        spec = t.teller.graph.nodes.get(t.event.node) if t.teller.graph else None
        most = spec.retries + 1 if spec else 0
        # Attempts lost with their worker come on top of those that the definition allows.
        of = f" of {most}" if most > 1 and t.event.attempt <= most else ""
        parts.append(format_html("attempt {}{}", t.event.attempt, of))
    pause = _pause(t.event)
    if pause is not None and pause.total_seconds() >= 0.1:
        parts.append(format_html("again after {}", duration_words(pause)))
    if trace := str(error.get("trace") or ""):
        size = len(trace.encode())
        t.line.folds.append(Fold("stack trace", size, trace, is_json=False))
    return _dotted(parts)


def _node_skipped(t: _Telling) -> SafeString:
    return format_html("{}", t.event.data.get("reason") or "")


def _path_selected(t: _Telling) -> SafeString:
    selected = t.event.data.get("selected") or []
    names = ", ".join(str(key) for key in selected) or "nothing"
    path = t.event.data.get("path")
    if path:
        return format_html("<b>{}</b>, so {}", path, names)
    return format_html("no condition held, so {}", names)


def _human_action(t: _Telling) -> SafeString:
    data = t.event.data
    if data.get("action") == ASKED:
        return format_html(
            "waits for a person: <bdi>{}</bdi>",
            _long(t.line, "title", str(data.get("title") or "")),
        )
    words = format_html("<b>{}</b> {}", t.event.actor or "somebody", data.get("action") or "acted")
    comment = str(data.get("comment") or "")
    return (
        format_html("{}: <bdi>{}</bdi>", words, _long(t.line, "comment", comment))
        if comment
        else words
    )


def _log(t: _Telling) -> SafeString:
    level = str(t.event.data.get("level") or "info")
    words = _long(t.line, "message", str(t.event.data.get("message") or ""))
    if level == "error":
        t.line.icon, t.line.state = "error", "failed"
        return format_html('<span class="is-error">{}</span>', words)
    if level == "info":
        return format_html("{}", words)
    if level == "warning":
        t.line.icon = "warning"
    return format_html('<span class="op-tag">{}</span> {}', level, words)


def _progress(t: _Telling) -> SafeString:
    done, total = t.event.data.get("done"), t.event.data.get("total")
    words = format_html("{} of {}", done, total) if total else format_html("{}", done)
    message = str(t.event.data.get("message") or "")
    return (
        format_html("{} · <bdi>{}</bdi>", words, _long(t.line, "message", message))
        if message
        else words
    )


def _llm_call(t: _Telling) -> SafeString:
    data = t.event.data
    cached = data.get("cached_tokens")
    counts = [
        f"{_count(data.get('input_tokens'))} in, {_count(data.get('output_tokens'))} out",
        f"{_count(cached)} cached" if cached else "",
        _money(data.get("cost")),
    ]
    parts = [format_html("{}", part) for part in (data.get("model") or "", *counts) if part]
    return _dotted(parts)


def _cost_update(t: _Telling) -> SafeString:
    return format_html("{}", _money(t.event.data.get("cost")))


def _late_result(t: _Telling) -> SafeString:
    outcome = str(t.event.data.get("outcome") or "")
    words = format_html("attempt {} {} too late: nothing follows from it", t.event.attempt, outcome)
    if outcome == "lost":
        return format_html("attempt {} was lost with its worker", t.event.attempt)
    if error := _mapping(t.event.data.get("error")):
        if trace := str(error.get("trace") or ""):
            t.line.folds.append(Fold("stack trace", len(trace.encode()), trace, is_json=False))
        return _dotted([words, _error(t.line, error)])
    _fold_payload(t.line, t.event, "output")
    return words


def _nothing(_: _Telling) -> SafeString:
    return NOTHING


Tell = Callable[[_Telling], SafeString]
_KINDS: dict[str, tuple[str, str, str, Tell]] = {
    Kind.RUN_CREATED: ("add_circle", "", "run created", _run_created),
    Kind.STATE_CHANGED: ("sync_alt", "", "state changed", _state_changed),
    Kind.NODE_QUEUED: ("schedule", "queued", "node queued", _nothing),
    Kind.NODE_STARTED: ("play_arrow", "running", "node started", _node_started),
    Kind.NODE_COMPLETED: ("check_circle", "completed", "node completed", _node_completed),
    Kind.NODE_FAILED: ("error", "failed", "node failed", _node_failed),
    Kind.NODE_SKIPPED: ("skip_next", "skipped", "node skipped", _node_skipped),
    Kind.PATH_SELECTED: ("alt_route", "", "path selected", _path_selected),
    Kind.HUMAN_ACTION: ("how_to_reg", "waiting", "human action", _human_action),
    Kind.LOG: ("notes", "", "log line", _log),
    Kind.PROGRESS: ("timelapse", "", "progress", _progress),
    Kind.LLM_CALL: ("data_usage", "", "LLM call", _llm_call),
    Kind.COST_UPDATE: ("payments", "", "cost update", _cost_update),
    Kind.LATE_RESULT: ("history", "terminated", "late result", _late_result),
}
# A release that is being replaced may meet kinds of the next one.
_UNKNOWN: tuple[str, str, str, Tell] = ("help", "", "unknown", _nothing)


# -- Parts -----------------------------------------------------------------------------------


def pretty(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, indent=2)


def _dotted(parts: list[SafeString]) -> SafeString:
    return format_html_join(" · ", "{}", ((part,) for part in parts if part))


def _error(line: Line, error: Mapping[str, Any]) -> SafeString:
    kind, message = str(error.get("kind") or "error"), str(error.get("message") or "")
    words = _long(line, "message", message)
    named = f"{kind}: " if message else kind
    return format_html('<span class="is-error">{}{}</span>', named, words)


def _long(line: Line, name: str, text: str) -> str:
    """`text`, or its beginning with the whole of it folded."""
    if len(text) <= LINE_CHARS and text.count("\n") < 4:
        return text
    line.folds.append(Fold(f"whole {name}", len(text.encode()), text, is_json=False))
    return "\n".join(text[:LINE_CHARS].split("\n")[:4]).rstrip() + "…"


def _fold_payload(line: Line, event: Entry, name: str) -> None:
    if event.payload_bytes is None:
        return
    inline = name in event.data and event.payload_bytes <= INLINE_BYTES
    line.folds.append(
        Fold(
            name,
            event.payload_bytes,
            pretty(event.data[name]) if inline else None,
            at_least=event.payload_is_at_least,
        )
    )


def _reused(event: Entry) -> SafeString:
    """Which run's result it is, where that is not this one."""
    source = str(event.data.get("reused_from") or "")
    if ids.decode("run", source) is None:
        return NOTHING
    url = reverse("admin:runs_run_page", args=[source])
    return format_html('reused from <a class="op-link" href="{}">{}</a>', url, short(source))


def _mapping(value: Any) -> Mapping[str, Any]:
    """An error as the engine writes it; what others report may be anything."""
    if isinstance(value, dict):
        return value
    return {"kind": "error", "message": str(value)} if value else {}


def _count(value: Any) -> str:
    try:
        return f"{int(value or 0):,}"
    except (TypeError, ValueError):
        return str(value)


def _pause(event: Entry) -> timedelta | None:
    """Until the next attempt; None where there is none, or its time says no zone."""
    try:
        return datetime.fromisoformat(str(event.data.get("retry_at"))) - event.at
    except (TypeError, ValueError):
        return None


def _money(value: Any) -> str:
    try:
        return money_words(Decimal(str(value)))
    except InvalidOperation:
        return ""
