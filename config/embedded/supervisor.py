"""Keeps children running: one that ends is started again, ever later if it keeps ending."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from signal import Signals

from config.embedded.processes import Child, stop

FIRST_PAUSE = 0.5
LONGEST_PAUSE = 30.0
# A child that ran this long has recovered from what made it end before.
SETTLED = 60.0


@dataclass
class _Kept:
    child: Child
    started: float = 0.0
    failures: int = 0
    due: float | None = None


class Supervisor:
    """All children of the portal: `servers` end after everything that uses them."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say
        self._servers: list[_Kept] = []
        self._users: list[_Kept] = []

    def keep_server(self, child: Child) -> None:
        self._servers.append(_Kept(child))

    def keep(self, child: Child) -> None:
        self._users.append(_Kept(child))

    def tend(self, now: float) -> None:
        """Start again what has ended, when its pause is over."""
        for kept in self._servers + self._users:
            if kept.due is None:
                code = kept.child.ended()
                if code is not None:
                    self._note_end(kept, code, now)
            elif now >= kept.due:
                kept.child.start()
                kept.started, kept.due = now, None

    def stop(self) -> None:
        """End everything, within five seconds."""
        # Work that a worker is still at is taken up again when its lease ends.
        stop([kept.child for kept in self._users], grace=3.3)
        stop([kept.child for kept in self._servers], grace=0.9)

    def _note_end(self, kept: _Kept, code: int, now: float) -> None:
        kept.failures = 1 if now - kept.started > SETTLED else kept.failures + 1
        pause = min(FIRST_PAUSE * 2 ** (kept.failures - 1), LONGEST_PAUSE)
        kept.due = now + pause
        command = kept.child.command
        self._say(
            f"{command.name} ended ({_reason(code)}) and is started again in {pause:g} s;"
            f" see {_short(command.log)}"
        )


def _reason(code: int) -> str:
    if code >= 0:
        return f"exit code {code}"
    name = Signals(-code).name if -code in set(Signals) else f"signal {-code}"
    return f"killed by {name}"


def _short(path: Path) -> str:
    return str(path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path)
