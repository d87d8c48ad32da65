"""What benchmarks run on: a PostgreSQL and a Valkey of their own, as durable as in production."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from config.embedded.postgres import Postgres
from config.embedded.processes import Child, stop
from config.embedded.services import bring_up
from config.embedded.valkey import Valkey


@contextmanager
def stage() -> Iterator[Path]:
    """Servers and migrated database; the environment names them. Gives the data folder."""
    folder = Path(tempfile.mkdtemp(prefix="runs-bench-"))
    folder.chmod(0o711)
    os.environ |= {
        "DATA_DIR": str(folder),
        "DJANGO_SETTINGS_MODULE": "config.settings",
        "PORTAL_LOCAL": "1",
        "EXTRA_APPS": "tests.probe",
    }
    running: list[Child] = []
    try:
        running.append(bring_up(Postgres(folder)))
        running.append(bring_up(Valkey(folder)))

        import django
        from django.core.management import call_command

        django.setup()
        call_command("migrate", verbosity=0)
        yield folder
    finally:
        from django.db import connections

        connections.close_all()
        stop(running, grace=5)
        shutil.rmtree(folder, ignore_errors=True)
