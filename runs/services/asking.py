"""Asks several at once, and waits for none longer than is said.

Who does not answer in time is left alone, in a thread of its own that ends when it does; until
then it is not asked again, so that what hangs costs one thread and no more.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from typing import Generic, TypeVar

T = TypeVar("T")

_lock = threading.Lock()
_under_way: dict[str, Future[object]] = {}
os.register_at_fork(after_in_child=_under_way.clear)


class Silent(Exception):  # noqa: N818  (what came of a question, not an error)
    """There was no answer in time."""


class Questions(Generic[T]):
    """Put with `ask`, by name; an answer is waited for until `seconds` after this was made."""

    def __init__(self, seconds: float) -> None:
        self._end = time.monotonic() + seconds
        self._asked: dict[str, Future[T] | None] = {}

    def ask(self, questions: Mapping[str, Callable[[], T]]) -> None:
        for name, question in questions.items():
            self._asked[name] = _begun(name, question)

    def answer(self, name: str) -> T | Exception:
        future = self._asked[name]
        if future is None:
            return Silent()
        try:
            return future.result(timeout=max(0.0, self._end - time.monotonic()))
        except TimeoutError as error:
            return Silent() if not future.done() else error
        except Exception as error:  # whatever a library raises is what came of it
            return error


def _begun(name: str, question: Callable[[], T]) -> Future[T] | None:
    future: Future[T] = Future()
    with _lock:
        if name in _under_way:
            return None
        _under_way[name] = future  # type: ignore[assignment]

    def work() -> None:
        try:
            found = question()
        except BaseException as error:
            _over(name, future)
            future.set_exception(error)
        else:
            _over(name, future)
            future.set_result(found)

    threading.Thread(target=work, name=f"asks {name}", daemon=True).start()
    return future


def _over(name: str, future: Future[T]) -> None:
    with _lock:
        if _under_way.get(name) is future:
            del _under_way[name]
