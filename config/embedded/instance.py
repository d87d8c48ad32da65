"""One portal per ``DATA_DIR``."""

import fcntl
import os
from pathlib import Path

from config.embedded import locations
from config.embedded.processes import StartError, wait_until

# Seconds for what a killed portal left behind to end.
PATIENCE = 15


def claim(data_dir: Path) -> int:
    """Make `data_dir` this process's own; the answer is a lock to be handed down to every child.

    The kernel releases a lock when the last process that holds it open is gone. So who gets both
    knows that nothing of an earlier portal, however it ended, still works on the data.
    """
    own = _open(data_dir / "runner.lock")
    if not _locked(own):
        owner = locations.read(data_dir / "runner.lock")
        raise StartError(
            f"A portal already runs on {data_dir} (process {owner}).\n"
            "For another one beside it: make run PORT=8001 DATA_DIR=var2"
        )
    os.truncate(own, 0)
    os.write(own, f"{os.getpid()}\n".encode())
    shared = _open(data_dir / "children.lock")
    if not _locked(shared):
        print("Waiting for the end of what an earlier portal left running.", flush=True)
        if not wait_until(lambda: _locked(shared), PATIENCE):
            raise StartError(f"Processes of an earlier portal still work on {data_dir}.")
    return shared


def _open(path: Path) -> int:
    return os.open(path, os.O_RDWR | os.O_CREAT, 0o600)


def _locked(lock: int) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
