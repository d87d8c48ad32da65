"""The servers that the portal brings along, and how one is brought up."""

import time
from collections.abc import Sequence
from typing import Protocol

from config.embedded.processes import Child, Command, StartError, last_lines, stop, wait_until

ATTEMPTS = 4
# Seconds; recovery after a crash takes its time.
PATIENCE = 60


class Service(Protocol):
    """A server whose data is under ``DATA_DIR``. No process works on that data when it starts."""

    name: str

    def prepare(self) -> Command:
        """Make its files and pick its port, and say how to start it."""

    def answers(self) -> bool:
        """Whether it takes connections by now."""

    def complete(self) -> None:
        """What is done once, on its first start, when it answers."""


def bring_up(service: Service, *, keep_open: Sequence[int] = ()) -> Child:
    """Start `service` and wait until it can be used."""
    for _ in range(ATTEMPTS):
        child = Child(service.prepare(), keep_open=keep_open)
        child.start()
        try:
            if _comes_up(service, child):
                service.complete()
                return child
        except BaseException:
            stop([child], grace=1)
            raise
        stop([child], grace=1)
        # Its port may have been taken since it was picked, or a server that was killed may
        # still be letting go of its shared memory.
        time.sleep(0.5)
    log = child.command.log
    raise StartError(f"{service.name} does not start. The end of {log}:\n{last_lines(log)}")


def _comes_up(service: Service, child: Child) -> bool:
    wait_until(lambda: child.ended() is not None or service.answers(), PATIENCE)
    # Whoever answers may be somebody else on the same port.
    return child.ended() is None and service.answers()
