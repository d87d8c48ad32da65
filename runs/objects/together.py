"""Acts on many objects, some at a time, that do not wait for each other in vain."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from runs.objects.errors import StorageAway

T = TypeVar("T")
# Seconds from the beginning within which storage may be away for one object, and is asked for
# the others all the same: a disk may fail at one file. Storage that hangs takes longer than that.
PATIENCE = 10.0


def together(
    tasks: Sequence[Callable[[], T]],
    threads: int,
    *,
    begin: Callable[[], object] = lambda: None,
) -> Iterator[T | Exception]:
    """What each of them gives or raises, in their order. Once storage was away for one, and
    patience is over, those that have not begun give that StorageAway at once: all of it takes
    little longer than one of them. `begin` is called by each thread first."""
    until = time.monotonic() + PATIENCE
    lock = threading.Lock()
    away: StorageAway | None = None

    def tried(task: Callable[[], T]) -> T | Exception:
        nonlocal away
        with lock:
            if away is not None and time.monotonic() >= until:
                return away
        try:
            return task()
        except StorageAway as error:
            with lock:
                away = away or error
            return error
        except Exception as error:
            return error

    with ThreadPoolExecutor(threads, initializer=begin) as pool:
        yield from pool.map(tried, tasks)
