"""The thread beside an executor: stores what it tells, renews its lease, passes on a stop."""

from __future__ import annotations

import faulthandler
import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from functools import partial

from django.conf import settings
from django.db import connection, transaction
from structlog.contextvars import bind_contextvars

from runs.engine.clock import clock
from runs.engine.context import Context
from runs.engine.trouble import Trouble
from runs.states import FINAL_STATES

logger = logging.getLogger(__name__)

FLUSH_SECONDS = 0.05
# How often, at least, a lease is renewed and the run's state looked at.
RENEW_SECONDS = 1.0
# An executor that does not return so long after its timeout holds the process: it is ended.
GRACE_SECONDS = 10.0
# And so long after that where it does not even let the thread beside it run.
DEAF_SECONDS = 3.0
_RENEW = """
UPDATE leases SET renewed_at = %s, expires_at = least(%s, deadline)
WHERE node_id = %s AND attempt = %s
RETURNING (SELECT state FROM jobs WHERE jobs.id = leases.run_id)
"""


@dataclass(frozen=True, slots=True)
class Charge:
    """The attempt that is attended to; `deadline` by the monotonic clock."""

    node_id: int
    context: Context
    deadline: float


class Attendant:
    """One a process, started on first use. It has a database connection of its own."""

    def __init__(self) -> None:
        self._charge: Charge | None = None
        self._wake = threading.Event()
        self._told = threading.Event()
        self._thread: threading.Thread | None = None
        self._pid = 0
        self._ending = False
        self._trouble = Trouble(logger, "an executor's lines and lease wait for the database")

    def attend(self, charge: Charge) -> None:
        charge.context.on_tell = self._tell
        self._charge = charge
        _end_if_deaf_at(charge.deadline + GRACE_SECONDS + DEAF_SECONDS)
        self._start()
        self._wake.set()

    def leave(self) -> None:
        self._charge = None
        faulthandler.cancel_dump_traceback_later()
        self._wake.clear()

    def stop(self) -> None:
        """End the thread and give back its connection; the next charge starts it anew."""
        thread, self._thread = self._thread, None
        if thread is not None and self._pid == os.getpid():
            self._ending = True
            self._wake.set()
            thread.join()
            self._ending = False
            self._wake.clear()

    def _tell(self) -> None:
        self._told.set()

    def _start(self) -> None:
        # A pool's child inherits the object of its parent, but not the thread.
        alive = self._thread is not None and self._thread.is_alive()
        if not alive or self._pid != os.getpid():
            self._pid = os.getpid()
            self._thread = threading.Thread(target=self._run, name="attendant", daemon=True)
            self._thread.start()

    def _run(self) -> None:
        renew_at = 0.0
        seen: Charge | None = None
        while True:
            self._wake.wait()
            if self._ending:
                connection.close()
                return
            charge = self._charge
            if charge is None:
                continue
            if charge is not seen:
                seen, renew_at = charge, time.monotonic() + RENEW_SECONDS
                _tell_lines_of(charge.context)
            if self._told.wait(max(0.0, min(renew_at - time.monotonic(), RENEW_SECONDS))):
                self._told.clear()
                # Lines that come together go together.
                time.sleep(FLUSH_SECONDS)
            # Lines that the database refuses must not cost the lease.
            fine = self._do(charge.context.flush)
            fine = self._do(clock.keep) and fine
            if time.monotonic() >= renew_at and self._charge is charge:
                renew_at = time.monotonic() + RENEW_SECONDS
                fine = self._do(partial(self._renew, charge)) and fine
            self._end_if_stuck(charge)
            if fine:
                self._trouble.over()
            else:
                time.sleep(RENEW_SECONDS)

    def _do(self, act: Callable[[], None]) -> bool:
        """Whether it worked. The thread outlives whatever happens."""
        try:
            act()
        except Exception as error:
            self._trouble.met(error)
            with suppress(Exception):
                connection.close()
            return False
        return True

    def _renew(self, charge: Charge) -> None:
        now = clock.now()
        until = now + timedelta(seconds=settings.ENGINE_LEASE_SECONDS)
        with transaction.atomic(), connection.cursor() as cursor:
            # A renewal lost in a crash is made again by whoever still runs.
            cursor.execute("SET LOCAL synchronous_commit = off")
            cursor.execute(_RENEW, [now, until, charge.node_id, charge.context.attempt])
            row = cursor.fetchone()
        if row is None or row[0] in FINAL_STATES:
            charge.context.ask_to_stop()

    def _end_if_stuck(self, charge: Charge) -> None:
        if self._charge is charge and time.monotonic() > charge.deadline + GRACE_SECONDS:
            logger.error(
                "%s: %s did not return %.0f s after its timeout; this worker process ends",
                charge.context.run_id, charge.context.node, GRACE_SECONDS,
            )  # fmt: skip
            os.kill(os.getpid(), signal.SIGKILL)


def _tell_lines_of(context: Context) -> None:
    """This thread's lines in the log are about this attempt from now on."""
    bind_contextvars(run_id=context.run_id, node=context.node, attempt=context.attempt)


def _end_if_deaf_at(moment: float) -> None:
    """End this process then, from a thread that needs no interpreter: code that holds its lock
    stops all others. Where it hangs is written to the log."""
    if sys.__stderr__ is None:
        return
    with suppress(ValueError, OSError, RuntimeError):  # it is closed, or no file
        faulthandler.dump_traceback_later(
            max(moment - time.monotonic(), 0.1), exit=True, file=sys.__stderr__
        )


attendant = Attendant()
