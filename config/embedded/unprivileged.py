"""How a program that refuses to run as root is started by root."""

import os
import pwd
import subprocess
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from config.embedded.processes import Account, StartError

# Inside the namespace root is seen as an ordinary account; outside nothing changes.
NAMESPACE = ("unshare", "--user", "--map-user=65534", "--map-group=65534")


class Way(NamedTuple):
    """Words to put before the command, and the account to run it as (None: the present one)."""

    prefix: tuple[str, ...] = ()
    account: Account | None = None


def way(folders: Iterable[Path]) -> Way:
    """The way to run a program that has to get at `folders`."""
    if os.geteuid() != 0:
        return Way()
    closed = [folder for folder in folders if not _open_to_others(folder)]
    account = _nobody()
    if account and not closed:
        return Way(account=account)
    if _namespaces_work():
        return Way(prefix=NAMESPACE)
    reason = (
        f"{closed[0]} is in a folder that only root can enter"
        if closed
        else "this machine has no account 'nobody'"
    )
    raise StartError(
        f"PostgreSQL does not run as root, and {reason}.\n"
        "Start the portal from another account, put it and DATA_DIR elsewhere, "
        "or set DATABASE_URL to a server of your own."
    )


def give(path: Path, account: Account | None) -> None:
    """Make `path` and all in it belong to `account`, or to the present one, if root can."""
    if os.geteuid() != 0:
        return
    uid, gid = account or (0, 0)
    if path.stat().st_uid == uid:
        return
    for folder, _, files in os.walk(path):
        os.chown(folder, uid, gid)
        for name in files:
            os.chown(Path(folder) / name, uid, gid, follow_symlinks=False)
    os.chown(path, uid, gid)


def _open_to_others(folder: Path) -> bool:
    resolved = folder.resolve()
    return all(place.stat().st_mode & 0o001 for place in (resolved, *resolved.parents))


def _nobody() -> Account | None:
    try:
        entry = pwd.getpwnam("nobody")
    except KeyError:
        return None
    return Account(entry.pw_uid, entry.pw_gid)


def _namespaces_work() -> bool:
    try:
        probe = subprocess.run([*NAMESPACE, "true"], capture_output=True, timeout=5, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return probe.returncode == 0
