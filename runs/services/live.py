"""Looking oneself, where nobody else does: shared by all who ask this process within seconds."""

from __future__ import annotations

import os
import threading
from datetime import datetime, timedelta

from runs.services import probing
from runs.services.probing import Seen

FRESH = timedelta(seconds=4)

_lock = threading.Lock()
_last: list[Seen] = []


def _forget() -> None:
    global _lock  # noqa: PLW0603 (a child must not wait for a thread that its parent had)
    _lock = threading.Lock()


os.register_at_fork(after_in_child=_forget)


def look(now: datetime) -> Seen:
    with _lock:
        if not _last or not timedelta(0) <= now - _last[0].at < FRESH:
            _last[:] = [probing.look(now)]
        return _last[0]
