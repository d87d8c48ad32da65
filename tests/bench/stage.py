"""What benchmarks run on: a PostgreSQL and a Valkey of their own, as durable as in production."""

import argparse
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from config.embedded import instance
from config.embedded.postgres import Postgres
from config.embedded.valkey import Valkey
from tests.servers import Server


class Stage(NamedTuple):
    folder: Path
    postgres: Server
    valkey: Server


@contextmanager
def stage(kept: Path | None = None) -> Iterator[Path]:
    """Servers and migrated database; the environment names them. Gives the data folder."""
    with standing(kept) as at:
        yield at.folder


@contextmanager
def standing(kept: Path | None = None) -> Iterator[Stage]:
    """The same, with the servers themselves.

    With `kept`, a portal's DATA_DIR, its data is worked on (no portal may run on it) and stays.
    """
    folder = kept or Path(tempfile.mkdtemp(prefix="runs-bench-"))
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o711)
    lock = [instance.claim(folder)] if kept else []
    os.environ |= {
        "DATA_DIR": str(folder),
        "DJANGO_SETTINGS_MODULE": "config.settings",
        "PORTAL_LOCAL": "1",
        "EXTRA_APPS": "tests.probe",
    }
    running: list[Server] = []
    try:
        running.append(Server(Postgres(folder), keep_open=lock))
        running.append(Server(Valkey(folder), keep_open=lock))

        import django
        from django.core.management import call_command

        django.setup()
        call_command("migrate", verbosity=0)
        yield Stage(folder, *running)
    finally:
        from django.db import connections

        connections.close_all()
        for server in running:
            server.stop()
        for handle in lock:
            os.close(handle)
        if not kept:
            shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def loaded(about: str, **load: int) -> Iterator[tuple[Path, argparse.Namespace]]:
    """The stage with runs and their rollups, as the command line says: of the store that it
    names, or loaded for it with `load`. With the options, `rounds` among them."""
    parser = argparse.ArgumentParser(description=about)
    parser.add_argument("--store", type=Path, default=os.environ.get("STORE"))
    parser.add_argument("--runs", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=15)
    options = parser.parse_args()
    with stage(Path(options.store) if options.store else None) as folder:
        from django.core.management import call_command

        if not options.store:
            call_command("load_runs", runs=options.runs, stdout=sys.stderr, **load)
            call_command("rebuild_rollups", stdout=sys.stderr)
        yield folder, options
