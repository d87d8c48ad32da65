"""What benchmarks run on: a PostgreSQL and a Valkey of their own, as durable as in production."""

import os
import shutil
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
