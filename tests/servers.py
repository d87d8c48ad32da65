"""The PostgreSQL and the Valkey that the tests run on, and the environment that names them."""

import atexit
import os
import shutil
import tempfile
from pathlib import Path

from config.embedded.postgres import Postgres
from config.embedded.processes import Child, stop
from config.embedded.services import Service, bring_up
from config.embedded.valkey import Valkey


def start() -> None:
    """Start what ``DATABASE_URL`` and ``REDIS_URL`` do not name; all ends with this process."""
    data_dir = temporary_folder()
    os.environ |= {
        "DATA_DIR": str(data_dir),
        "DJANGO_SETTINGS_MODULE": "config.settings",
        "PORTAL_LOCAL": "1",
        "EXTRA_APPS": "tests.probe",
    }
    services: list[Service] = []
    if not os.environ.get("DATABASE_URL"):
        # Nothing of it is kept, so it need not wait for the disk.
        services.append(Postgres(data_dir, durable=False))
    if not os.environ.get("REDIS_URL"):
        services.append(Valkey(data_dir))
    running: list[Child] = []
    atexit.register(lambda: stop(running, grace=5))
    for service in services:
        running.append(bring_up(service))


def temporary_folder() -> Path:
    """A folder that is removed when this process exits, after what was started later has ended."""
    folder = Path(tempfile.mkdtemp(prefix="runs-tests-"))
    # PostgreSQL's account has to pass through it.
    folder.chmod(0o711)
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder
