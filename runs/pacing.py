"""Work that nobody waits for gives way to work that somebody waits for."""

from __future__ import annotations

import os
import threading
import time
from contextlib import suppress

from django.db import connection

# Looks at the database, and seconds between two of them.
LOOKS, APART = 4, 0.01
# Seconds of rest for a second of work and each statement that others have under way; and at most.
SHARE, LONGEST = 6.0, 5.0
NICENESS = 10
_OTHERS = """
SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND backend_type = 'client backend'
    AND datname = current_database() AND pid <> pg_backend_pid()
"""


def others() -> float:
    """How many statements others have under way, on average over a moment."""
    seen = 0
    for look in range(LOOKS):
        if look:
            time.sleep(APART)
        with connection.cursor() as cursor:
            cursor.execute(_OTHERS)
            seen += cursor.fetchone()[0]
    return seen / LOOKS


def rest_for(worked: float, busy: float) -> float:
    """Seconds of rest after so many of work: none where nobody else is at the database."""
    return min(LONGEST, worked * busy * SHARE)


def be_nice() -> None:
    """Let this thread have what others leave of the processor. There is no way back: for threads
    that end with their work."""
    with suppress(OSError, AttributeError):  # not on every system
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICENESS)
