"""Report the runs of your own programs to a Runs portal. One file, no dependencies.

    client = Client("https://runs.example.com", token="runs_…", source="nightly-scripts")

    with client.run("import_orders", input={"day": "2026-01-30"}) as run:
        with run.step("download") as step:
            step.log("fetching 3 files")
            step.progress(1, 3)
            step.output = {"files": 3}

An exception fails the step and the run, with its stack trace, and goes on its way. Reporting is
done by a thread in the background: events are gathered, packed, sent, and sent again while the
portal is away, each with an id of its own, so that none is stored twice. Your program is held up
only where the buffer is full, and then not for long; it never fails because of the portal. What
could not be delivered is counted and logged. Python 3.9 or later.
"""

from __future__ import annotations

import atexit
import gzip
import http.client
import itertools
import json
import logging
import os
import random
import secrets
import threading
import time
import traceback
import urllib.error
import urllib.request
import weakref
from collections import deque
from datetime import datetime, timezone
from typing import Any

__all__ = ["Client", "Run", "Step"]

logger = logging.getLogger("runs_client")

# What the portal takes in one call, less some room for what stands around the events.
MAX_EVENTS = 10_000
MAX_BYTES = 9_000_000
# Of one input, output or the like; a larger one is left out, and its size told.
MAX_VALUE = 900_000
_MESSAGE = 10_000
_FIRST_PAUSE = 0.5
_LONGEST_PAUSE = 30.0
# Longer than a portal that counts by the minute ever asks for.
_LONGEST_WAIT = 300.0
# Answers after which the same may be sent again.
_PASSING = frozenset({408, 425, 429, 500, 502, 503, 504})


class Client:
    """Sends events from a buffer. It may be used from several threads."""

    # Somebody waited for room in vain, and none was made since: nobody else waits.
    _stuck: bool

    def __init__(
        self,
        url: str,
        token: str,
        source: str,
        *,
        batch: int = 500,
        every: float = 1.0,
        buffer: int = 20_000,
        patience: float = 5.0,
        timeout: float = 15.0,
        farewell: float = 10.0,
    ) -> None:
        """`every`: seconds that an event waits at most for others to go with it. `buffer`: events
        that are held; where it is full, reporting waits `patience` seconds for room, and from then
        on drops events at once until there is some. `farewell`: seconds for the last events when
        the program exits.
        """
        self._url = f"{url.rstrip('/')}/api/events"
        self._token = token
        self.source = source
        self._batch = max(1, min(batch, MAX_EVENTS))
        self._every = every
        self._room = buffer
        self._patience = patience
        self._timeout = timeout
        self._farewell = farewell
        self.stored = 0
        self.refused = 0
        self.dropped = 0
        self._ready()
        _clients.add(self)

    # -- Reporting ---------------------------------------------------------------------------

    def run(
        self,
        workflow: str,
        external_id: str | None = None,
        *,
        input: Any = None,  # noqa: A002  (as the portal calls it)
        trigger: str | None = None,
        triggered_by: str | None = None,
        ref_type: str | None = None,
        ref_id: str | None = None,
    ) -> Run:
        """A run, to be entered by ``with``. `external_id` is your own id of it; without it, one is
        made up."""
        told = {
            "trigger": trigger, "triggered_by": triggered_by, "ref_type": ref_type,
            "ref_id": ref_id, "input": _fitting(input),
        }  # fmt: skip
        return Run(self, workflow, external_id or secrets.token_hex(12), told)

    def send(self, event: dict[str, Any]) -> bool:
        """Report one event as the API takes it; what identifies it is added. False: dropped."""
        event.setdefault("at", _now())
        event.setdefault("source", self.source)
        event.setdefault("event_id", f"{self._mark}-{next(self._numbers):08x}")
        line = _line(event)
        with self._changed:
            end = time.monotonic() + self._patience
            while len(self._lines) >= self._room and not (self._closed or self._stuck):
                if not self._changed.wait(end - time.monotonic()):
                    self._stuck = True
            if self._closed or len(self._lines) >= self._room:
                self._lose(1, "the buffer is full" if not self._closed else "the client is closed")
                return False
            self._lines.append(line)
            self._begin()
            if len(self._lines) >= self._batch or self._flushing:
                self._changed.notify_all()
        return True

    def flush(self, timeout: float | None = None) -> bool:
        """Wait until all that was reported so far is delivered; False where time was up."""
        end = None if timeout is None else time.monotonic() + timeout
        with self._changed:
            self._flushing += 1
            self._changed.notify_all()
            try:
                while self._lines or self._sending:
                    left = None if end is None else end - time.monotonic()
                    if (left is not None and left <= 0) or not self._changed.wait(left):
                        return False
                return True
            finally:
                self._flushing -= 1

    def close(self, timeout: float | None = None) -> bool:
        """Deliver the rest and end; False where some of it could not be delivered in time."""
        done = self.flush(self._farewell if timeout is None else timeout)
        with self._changed:
            self._closed = True
            if self._lines or self._sending:
                self._lose(len(self._lines) + self._sending, "the program ended")
                self._lines.clear()
            self._changed.notify_all()
        return done

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # -- The thread --------------------------------------------------------------------------

    def _ready(self) -> None:
        """Begin with nothing; also in a process that was forked off, whose thread is not there."""
        self._lines: deque[bytes] = deque()
        self._changed = threading.Condition()
        self._numbers = itertools.count()
        # Ids rise with time, which keeps the portal's index of them small.
        self._mark = f"{time.time_ns() // 1_000_000:012x}-{secrets.token_hex(6)}"
        self._thread: threading.Thread | None = None
        self._sending = 0
        self._flushing = 0
        self._closed = False
        self._stuck = False
        self._last_loss = 0.0

    def _begin(self) -> None:
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, name="runs-client", daemon=True)
            self._thread.start()

    def _work(self) -> None:
        while (lines := self._next()) is not None:
            try:
                self._deliver(lines)
            except Exception:  # whatever it is, the next ones are to be sent
                logger.exception("events could not be reported")
            with self._changed:
                self._sending = 0
                self._changed.notify_all()

    def _next(self) -> list[bytes] | None:
        """The next events to be sent; None when there will be no more."""
        with self._changed:
            while not self._lines:
                if self._closed:
                    return None
                self._changed.wait()
            end = time.monotonic() + self._every
            while len(self._lines) < self._batch and not (self._flushing or self._closed):
                if not self._changed.wait(end - time.monotonic()):
                    break
            lines: list[bytes] = []
            size = 0
            while self._lines and len(lines) < self._batch:
                size += len(self._lines[0]) + 1
                if lines and size > MAX_BYTES:
                    break
                lines.append(self._lines.popleft())
            self._sending = len(lines)
            self._stuck = False
            self._changed.notify_all()
            return lines or None

    def _deliver(self, lines: list[bytes]) -> None:
        body = gzip.compress(b"\n".join(lines), 3)
        pause = _FIRST_PAUSE
        while not self._closed:
            status, answer, wait = self._post(body)
            # Others answer 200 too, such as a proxy with its page to sign in.
            if status == 200 and "stored" in answer:
                self._note(answer)
                return
            if status == 413 and len(lines) > 1:
                half = len(lines) // 2
                self._deliver(lines[:half])
                self._deliver(lines[half:])
                return
            if status not in (0, 200) and status not in _PASSING:
                why = answer.get("detail") or f"status {status}"
                with self._changed:
                    self._lose(len(lines), f"the portal refused them: {why}")
                return
            logger.info("the portal does not answer (%s); %d events wait", status, len(lines))
            # Jitter: those who were cut off together must not all come back together.
            self._rest(max(wait * random.uniform(1.0, 1.1), pause * random.uniform(0.5, 1.5)))
            pause = min(2 * pause, _LONGEST_PAUSE)

    def _rest(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        with self._changed:
            while not self._closed and (left := end - time.monotonic()) > 0:
                self._changed.wait(left)

    def _post(self, body: bytes) -> tuple[int, dict[str, Any], float]:
        """Status, answer, and for how many seconds the portal wants to be left alone."""
        headers = {
            "Authorization": f"Bearer {self._token}",
            "Content-Type": "application/x-ndjson",
            "Content-Encoding": "gzip",
        }
        request = urllib.request.Request(self._url, body, headers, method="POST")
        try:
            try:
                with _opener.open(request, timeout=self._timeout) as answer:
                    return answer.status, _object(answer.read()), 0.0
            except urllib.error.HTTPError as error:
                with error:
                    said, wait = _object(error.read()), _seconds(error.headers["Retry-After"])
                    if 300 <= error.code < 400:
                        said = {"detail": f"it is at {error.headers['Location']}"}
                    return error.code, said, wait
        # Also where an answer breaks off in the middle.
        except (OSError, http.client.HTTPException) as error:
            logger.debug("%s", error)
            return 0, {}, 0.0

    def _note(self, answer: dict[str, Any]) -> None:
        self.stored += answer.get("stored", 0) + answer.get("duplicates", 0)
        self.refused += answer.get("refused", 0)
        for refusal in answer.get("refusals", [])[:5]:
            logger.warning("the portal refused an event: %(field)s: %(reason)s", refusal)

    def _lose(self, count: int, why: str) -> None:
        self.dropped += count
        if time.monotonic() - self._last_loss > 60:
            self._last_loss = time.monotonic()
            logger.error("%d events are lost (%d so far): %s", count, self.dropped, why)


class Run:
    """One run, reported from its beginning to its end."""

    def __init__(
        self, client: Client, workflow: str, external_id: str, told: dict[str, Any]
    ) -> None:
        self.external_id = external_id
        self.workflow = workflow
        self._client = client
        self._told = {name: value for name, value in told.items() if value is not None}
        self._attempts: dict[str, int] = {}
        self._lock = threading.Lock()
        self._failed_step: str | None = None

    def __enter__(self) -> Run:
        self.report("run_created", **self._told)
        self.report("run_started")
        return self

    def __exit__(self, _: Any, error: BaseException | None, __: Any) -> None:
        if error is None:
            self.report("run_completed")
        elif isinstance(error, Exception):
            told = _error(error)
            told.pop("trace")
            data = {"reason": told["message"][:500], "error": told}
            if self._failed_step is not None:
                told["node"] = self._failed_step
            self.report("run_failed", data=data)
        else:  # an interrupt, or an exit on purpose
            self.report("run_terminated", data={"reason": type(error).__name__})

    def step(self, name: str, input: Any = None) -> Step:  # noqa: A002
        """A step, to be entered by ``with``; the same name again is its next attempt."""
        return Step(self, name, input)

    def log(self, message: str, level: str = "info") -> None:
        self.report("log", data={"level": level, "message": str(message)[:_MESSAGE]})

    def report(self, type: str, **fields: Any) -> bool:  # noqa: A002
        return self._client.send(
            {"type": type, "external_id": self.external_id, "workflow": self.workflow, **fields}
        )

    def _next_attempt(self, name: str) -> int:
        with self._lock:
            self._attempts[name] = self._attempts.get(name, 0) + 1
            return self._attempts[name]


class Step:
    """One attempt of one step. Set `output` before it ends."""

    def __init__(self, run: Run, name: str, input: Any) -> None:  # noqa: A002
        self.name = name
        self.output: Any = None
        self._run = run
        self._input = input
        self._attempt = 0

    def __enter__(self) -> Step:
        self._attempt = self._run._next_attempt(self.name)
        self._report("node_started", {"input": _fitting(self._input)})
        return self

    def __exit__(self, _: Any, error: BaseException | None, __: Any) -> None:
        if error is None:
            self._run._failed_step = None
            self._report("node_completed", {"output": _fitting(self.output)})
        else:
            self._run._failed_step = self.name
            self._report("node_failed", {"error": _error(error)})

    def log(self, message: str, level: str = "info") -> None:
        self._report("log", {"level": level, "message": str(message)[:_MESSAGE]})

    def progress(self, done: int, total: int | None = None, message: str = "") -> None:
        data: dict[str, Any] = {"done": done, "total": total}
        if message:
            data["message"] = message[:_MESSAGE]
        self._report("progress", data)

    def llm_call(
        self,
        model: str,
        *,
        input_tokens: int,
        output_tokens: int,
        cached_tokens: int = 0,
        cost: Any = 0,
    ) -> None:
        """`cost` in US dollars; a Decimal or a text keeps every digit."""
        data = {
            "model": model, "input_tokens": input_tokens, "output_tokens": output_tokens,
            "cached_tokens": cached_tokens, "cost": str(cost),
        }  # fmt: skip
        self._report("llm_call", data)

    def _report(self, type: str, data: dict[str, Any]) -> None:  # noqa: A002
        self._run.report(type, node=self.name, attempt=self._attempt, data=data)


# -- Parts -----------------------------------------------------------------------------------


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """Python's own would take the token along, wherever it is sent to, and lose the body."""

    def redirect_request(self, *_: Any) -> None:
        return None


_opener = urllib.request.build_opener(_NoRedirects)


def _now() -> str:
    return datetime.now(timezone.utc).isoformat()


def _error(error: BaseException) -> dict[str, Any]:
    trace = "".join(traceback.format_exception(type(error), error, error.__traceback__))
    kind = type(error).__name__
    message = str(error)[:_MESSAGE] or kind
    return {"kind": kind[:100], "message": message, "trace": trace[-100_000:]}


def _json(value: Any) -> str:
    try:
        return json.dumps(value, default=str, allow_nan=False, ensure_ascii=False)
    except (TypeError, ValueError, RecursionError):
        return json.dumps({"not JSON": repr(value)[:_MESSAGE]})


def _fitting(value: Any) -> Any:
    """`value`, as it is now, where the portal can store it."""
    text = _json(value)
    if len(text) > MAX_VALUE:
        return {"omitted": f"{len(text):,} bytes of JSON"}
    return json.loads(text)


def _line(event: dict[str, Any]) -> bytes:
    """What JSON can say and the portal cannot store is replaced: NUL, and half characters."""
    return _json(event).replace("\\u0000", "\\ufffd").encode("utf-8", "replace")


def _object(body: bytes) -> dict[str, Any]:
    try:
        found = json.loads(body)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _seconds(header: str | None) -> float:
    return min(float(header), _LONGEST_WAIT) if header and header.isdigit() else 0.0


_clients: weakref.WeakSet[Client] = weakref.WeakSet()


def _farewell() -> None:
    for client in list(_clients):
        client.close()


def _in_child() -> None:
    for client in list(_clients):
        client._ready()


atexit.register(_farewell)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_in_child)
