"""How long a page waits for a database that says nothing at all.

`statement_timeout` is kept by the server; one that is frozen keeps nothing. A broken network or a
closed socket is noticed by the system, a server that is merely still is not.
"""

from __future__ import annotations

import time
from typing import Any, TypeVar

import psycopg
from psycopg.abc import PQGen

# Longer than any statement of a page is allowed to take.
SECONDS = 15.0

T = TypeVar("T")


class PatientConnection(psycopg.Connection[Any]):
    """Gives up, and is closed, when an answer takes longer than `seconds`."""

    seconds = SECONDS

    def wait(self, gen: PQGen[T], *args: Any, **kwargs: Any) -> T:
        return super().wait(self._bounded(gen), *args, **kwargs)

    def _bounded(self, gen: PQGen[T]) -> PQGen[T]:
        deadline = time.monotonic() + self.seconds
        try:
            wanted = next(gen)
            while True:
                ready = yield wanted
                if not ready and time.monotonic() >= deadline:
                    self.pgconn.finish()
                    raise psycopg.OperationalError(
                        f"the database has not answered for {self.seconds:g} seconds"
                    )
                wanted = gen.send(ready)
        except StopIteration as end:
            answer: T = end.value
            return answer
