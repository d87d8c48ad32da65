"""What an executor gets: a log, progress, the ledger of model calls, and a word when to stop."""

from __future__ import annotations

import os
import threading
import uuid
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any

from django.conf import settings
from django.db.models import Max

from runs import ids, recorder
from runs.engine.apart import engines_own
from runs.engine.clock import clock
from runs.engine.patience import persist
from runs.models import Event
from runs.payload import dump
from runs.rows import NewEvent
from runs.secret_values import masked
from runs.states import Kind

LEVELS = frozenset({"debug", "info", "warning", "error"})
MESSAGE_LIMIT = 10_000
MODEL_LIMIT = 128
# What the columns of the ledger and of a node's progress can hold.
MAX_COUNT = 2**63 - 1
MAX_COST = Decimal(10**10)
# Buffered lines at which an executor is made to wait until they are stored.
BUFFER = 1_000
_TOLD = (Kind.LOG, Kind.PROGRESS, Kind.LLM_CALL)
_RESULTS = (Kind.NODE_COMPLETED, Kind.NODE_FAILED, Kind.LATE_RESULT)
_TICK = timedelta(microseconds=1)


class Ended(RuntimeError):  # noqa: N818
    """Something is told after the attempt's end, or from another process: it is not stored."""


class Context:
    """One attempt of one node. What it is told is stored within 200 ms, and in any case before
    the node's own result, in the order of telling. It may be used from several threads.

    Every line has a time of its own, later than the one before. By these a line is recognised in
    the log when the answer to a commit was lost, so that it is not stored twice.
    """

    def __init__(self, run_id: uuid.UUID, node: str, attempt: int, since: int = 0) -> None:
        """`since` is the number of the event that began the attempt."""
        self._run = run_id
        self.run_id = ids.encode("run", run_id)
        self.node = node
        self.attempt = attempt
        self._since = since
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._buffer: list[NewEvent] = []
        self._newest = clock.now()
        # Held while lines are stored, so that the result waits for them.
        self._storing = threading.Lock()
        self._storer: int | None = None
        self._in_doubt = False
        self.on_tell: Callable[[], None] | None = None
        self._pid = os.getpid()
        self._over = False
        # Lines and progress that may still be told, and what was left out since there are none.
        self._room = settings.ENGINE_LINES
        self._left_out = 0

    def log(self, message: str, level: str = "info") -> None:
        if self._is_full():
            return
        if level not in LEVELS:
            raise ValueError(f"level is one of {', '.join(sorted(LEVELS))}, not {level!r}")
        self._tell(Kind.LOG, {"level": level, "message": masked(str(message))[:MESSAGE_LIMIT]})

    def progress(self, done: int, total: int | None = None, message: str = "") -> None:
        if self._is_full():
            return
        data = {
            "done": _count("done", done),
            "total": None if total is None else _count("total", total),
        }
        self._tell(Kind.PROGRESS, {**data, "message": masked(str(message))[:MESSAGE_LIMIT]})

    def llm_call(
        self,
        model: str,
        *,
        input_tokens: int,
        output_tokens: int,
        cached_tokens: int = 0,
        cost: Decimal | str,
    ) -> None:
        """Put a model call into the ledger; `cost` in US dollars."""
        data = {
            "model": str(model)[:MODEL_LIMIT],
            "input_tokens": _count("input_tokens", input_tokens),
            "output_tokens": _count("output_tokens", output_tokens),
            "cached_tokens": _count("cached_tokens", cached_tokens),
            "cost": str(_cost(cost)),
        }
        self._tell(Kind.LLM_CALL, data)

    @property
    def should_stop(self) -> bool:
        """Whether the run was ended, or this attempt taken from the worker: finish soon."""
        return self._stop.is_set()

    def ask_to_stop(self) -> None:
        self._stop.set()

    def remark(self, message: str) -> None:
        """A line of the engine's own, which there is always room for."""
        self._tell(Kind.LOG, {"level": "warning", "message": masked(message)[:MESSAGE_LIMIT]})

    def _is_full(self) -> bool:
        """Whether no further line is taken; this one is counted."""
        with self._lock:
            if self._room > 0:
                self._room -= 1
                return False
            self._left_out += 1
        return True

    def _tell(self, kind: Kind, data: dict[str, Any]) -> None:
        if os.getpid() != self._pid:
            raise Ended(
                "this is another process than the one that executes the node: tell it there"
            )
        dump(data)  # what cannot be stored fails here, at the caller's line
        with self._lock:
            if self._over:
                raise Ended(f"attempt {self.attempt} of {self.node} is over: this is not stored")
            event = NewEvent(kind, self.node, self.attempt, data=data, at=self._next_moment())
            self._buffer.append(event)
            full = len(self._buffer) >= BUFFER
        if full:
            with engines_own():
                persist(self.flush, "what an executor tells waits for the database")
        elif self.on_tell:
            self.on_tell()

    def _next_moment(self) -> datetime:
        self._newest = max(clock.now(), self._newest + _TICK)
        return self._newest

    # -- For the engine ----------------------------------------------------------------------

    @property
    def is_storing_here(self) -> bool:
        """Whether the current thread is in the midst of a transaction of this context."""
        return self._storer == threading.get_ident()

    def flush(self) -> None:
        """Store what was told so far."""
        with self._storing:
            with self._lock:
                events = list(self._buffer)
            if not events:
                return
            self._storer = threading.get_ident()
            try:
                if self._in_doubt:
                    recorder.transact(
                        [self._run],
                        lambda _: self.unstored(events),  # asked with the run locked
                        now=clock.now(),
                    )
                else:
                    recorder.record({self._run: events}, now=clock.now())
                with self._lock:
                    del self._buffer[: len(events)]
                self._in_doubt = False
            except BaseException:
                self._in_doubt = True
                raise
            finally:
                self._storer = None

    def drain(self) -> tuple[list[NewEvent], datetime]:
        """What is not stored yet, for the result's own transaction, and the result's time."""
        if self._left_out:
            self.remark(
                f"{self._left_out:,} more lines were left out: ENGINE_LINES allows an attempt"
                f" {settings.ENGINE_LINES:,}"
            )
        with self._storing, self._lock:
            self._over = True
            events, self._buffer = self._buffer, []
            return events, self._next_moment()

    def doubt(self) -> None:
        """A transaction's fate is not known: look into the log before the next one."""
        self._in_doubt = True

    def unstored(self, events: Sequence[NewEvent]) -> list[NewEvent]:
        """Those of these lines that the log does not have yet. Asked with the run locked."""
        if not self._in_doubt:
            return list(events)
        stored = self._own(_TOLD).aggregate(newest=Max("at"))["newest"]
        return [e for e in events if stored is None or (e.at is not None and e.at > stored)]

    def has_ended(self, at: datetime) -> bool:
        """Whether the log has the result with this time. Asked with the run locked."""
        return self._in_doubt and self._own(_RESULTS).filter(at=at).exists()

    def _own(self, kinds: Sequence[Kind]) -> Any:
        return Event.objects.filter(
            run=self._run, seq__gt=self._since, node=self.node, attempt=self.attempt, kind__in=kinds
        )


def _count(what: str, value: int) -> int:
    number = int(value)
    if not 0 <= number <= MAX_COUNT:
        raise ValueError(f"{what} is a number from 0 to {MAX_COUNT}, not {number}")
    return number


def _cost(value: Decimal | str) -> Decimal:
    try:
        cost = Decimal(value)
    except InvalidOperation as error:
        raise ValueError(f"cost is an amount in US dollars, not {value!r}") from error
    if not cost.is_finite() or not 0 <= cost < MAX_COST:
        raise ValueError(f"cost is an amount from 0 to below {MAX_COST} US dollars, not {value}")
    return cost
