"""What an executor gets: a log, progress, the ledger of model calls, and a word when to stop."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.utils import timezone

from runs import ids, recorder
from runs.payload import dump
from runs.rows import NewEvent
from runs.states import Kind

LEVELS = frozenset({"debug", "info", "warning", "error"})
MESSAGE_LIMIT = 10_000
# Buffered lines at which an executor is made to wait until they are stored.
BUFFER = 1_000


class Context:
    """One attempt of one node. What it is told is stored within 200 ms, and in any case before
    the node's own result, in the order of telling. It may be used from several threads."""

    def __init__(self, run_id: uuid.UUID, node: str, attempt: int) -> None:
        self._run = run_id
        self.run_id = ids.encode("run", run_id)
        self.node = node
        self.attempt = attempt
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._buffer: list[NewEvent] = []
        # Held while lines are stored, so that the result waits for them.
        self._storing = threading.Lock()
        self.on_tell: Callable[[], None] | None = None

    def log(self, message: str, level: str = "info") -> None:
        if level not in LEVELS:
            raise ValueError(f"level is one of {', '.join(sorted(LEVELS))}, not {level!r}")
        self._tell(Kind.LOG, {"level": level, "message": str(message)[:MESSAGE_LIMIT]})

    def progress(self, done: int, total: int | None = None, message: str = "") -> None:
        data = {"done": int(done), "total": total if total is None else int(total)}
        self._tell(Kind.PROGRESS, {**data, "message": str(message)[:MESSAGE_LIMIT]})

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
        price = Decimal(cost)
        if min(input_tokens, output_tokens, cached_tokens) < 0 or not price >= 0:
            raise ValueError("tokens and cost cannot be negative")
        data = {
            "model": model,
            "input_tokens": int(input_tokens),
            "output_tokens": int(output_tokens),
            "cached_tokens": int(cached_tokens),
            "cost": str(price),
        }
        self._tell(Kind.LLM_CALL, data)

    @property
    def should_stop(self) -> bool:
        """Whether the run was ended, or this attempt taken from the worker: finish soon."""
        return self._stop.is_set()

    def ask_to_stop(self) -> None:
        self._stop.set()

    def _tell(self, kind: Kind, data: dict[str, Any]) -> None:
        dump(data)  # what cannot be stored fails here, at the caller's line
        event = NewEvent(kind, self.node, self.attempt, data=data, at=timezone.now())
        with self._lock:
            self._buffer.append(event)
            full = len(self._buffer) >= BUFFER
        if full:
            self.flush()
        elif self.on_tell:
            self.on_tell()

    def flush(self, now: datetime | None = None) -> None:
        """Store what was told so far."""
        with self._storing:
            with self._lock:
                events, self._buffer = self._buffer, []
            if not events:
                return
            try:
                recorder.record({self._run: events}, now=now or timezone.now())
            except Exception:
                with self._lock:
                    self._buffer = events + self._buffer
                raise

    def drain(self) -> list[NewEvent]:
        """What is not stored yet, for the result's own transaction, after a flush under way."""
        with self._storing, self._lock:
            events, self._buffer = self._buffer, []
            return events
