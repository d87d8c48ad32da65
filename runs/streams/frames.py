"""What goes over the wire, in the words of Server-Sent Events. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from runs.live import LoggedEvent, public_event
from runs.states import STREAM_NAMES

# Sent at once, so that a client sees that it is connected; it reconnects after two seconds.
OPENING = b"retry: 2000\n\n: open\n\n"
# Scripts do not see a comment, so an event goes with it: a page that hears nothing for long knows
# that its connection is dead.
KEEP_ALIVE = b": keep-alive\nevent: ping\ndata: {}\n\n"
# The client may have missed something and fetches anew. Browsers drop an event without data.
RESET = b"event: reset\ndata: {}\n\n"
# The run was deleted; the stream ends, and there will be no other one.
DELETED = b"event: deleted\ndata: {}\n\n"
# Some events are archived: the stream goes on behind them.
ARCHIVED = "archived"
_NAMES = {kind.value: name for kind, name in STREAM_NAMES.items()}


def event_frame(event: LoggedEvent) -> bytes:
    """One event, whose `data` is JSON text on one line, just as the database gives it.

    The text goes through unparsed: reading it would cost time and the digits of long numbers.
    """
    public = public_event(event)
    data = public.pop("data")
    head = _compact(public)[:-1]
    # A release that is being replaced may meet kinds of the next one.
    name = _NAMES.get(event.kind, "log")
    return f'id: {event.seq}\nevent: {name}\ndata: {head},"data":{data}}}\n\n'.encode()


def archived_frame(first: int, last: int) -> bytes:
    """These events have left the database for the archive, and are not told here. The id lets the
    client go on behind them."""
    told = {"first": first, "last": last}
    return f"id: {last}\nevent: {ARCHIVED}\ndata: {_compact(told)}\n\n".encode()


def is_archived_frame(frame: bytes) -> bool:
    return frame.split(b"\n", 2)[1] == b"event: archived"


def runs_frame(runs: Iterable[Mapping[str, Any]]) -> bytes:
    return f"event: runs\ndata: {_compact({'runs': list(runs)})}\n\n".encode()


def _compact(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
