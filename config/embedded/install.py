"""Installs what a lock file names into ``.venv``: ``python3 config/embedded/install.py LOCK``.

Run by any Python from 3.11 that has ``venv``; uses the standard library only. Nothing is done
when the lock is the one that was installed last.
"""

import hashlib
import shutil
import subprocess
import sys
import time
import venv
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2]
VENV = PROJECT / ".venv"
PYTHON = VENV / "bin" / "python"
INSTALLER = PROJECT / "requirements-install.lock"


def main(lock: Path) -> None:
    stamp = VENV / f"{lock.name}.installed"
    wanted = _fingerprint(lock)
    if PYTHON.exists() and stamp.exists() and stamp.read_text() == wanted:
        return
    begun = time.monotonic()
    print(f"Installing {lock.name} into .venv (once per change of it).", flush=True)
    if not (PYTHON.exists() and _run("-m", "pip", "--version", quiet=True)):
        _make_venv()
    _install(lock)
    stamp.write_text(wanted)
    print(f"Installed in {time.monotonic() - begun:.0f} s.", flush=True)


def _fingerprint(lock: Path) -> str:
    # The interpreter too: a .venv made anew has nothing in it.
    return hashlib.sha256(lock.read_bytes() + sys.version.encode()).hexdigest()


def _make_venv() -> None:
    try:
        venv.create(VENV, clear=True, symlinks=True, with_pip=True)
    except (subprocess.CalledProcessError, ImportError):
        shutil.rmtree(VENV, ignore_errors=True)
        sys.exit(
            f"{sys.executable} cannot make a virtual environment: it lacks ensurepip.\n"
            "Debian and Ubuntu have it in the package python3-venv."
        )


def _install(lock: Path) -> None:
    """With uv, which is fast; with pip where uv cannot be had or finds no package index."""
    pip = ("-m", "pip", "--disable-pip-version-check", "install", "--quiet")
    uv = ("-m", "uv", "pip", "install", "--quiet", "--compile-bytecode", "--python", str(PYTHON))
    locked = ("--require-hashes", "--requirement")
    if _run(*pip, *locked, str(INSTALLER)) and _run(*uv, *locked, str(lock)):
        return
    print("Without uv, which did not work: pip takes a little longer.", flush=True)
    if not _run(*pip, *locked, str(lock)):
        sys.exit(f"{lock.name} could not be installed; the reason stands above.")


def _run(*arguments: str, quiet: bool = False) -> bool:
    sink = subprocess.DEVNULL if quiet else None
    command = [str(PYTHON), *arguments]
    return subprocess.run(command, stdout=sink, stderr=sink, check=False).returncode == 0


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve())
