"""The PostgreSQL and the Valkey that the tests run on, and the environment that names them."""

import atexit
import os
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path
from signal import SIGKILL, Signals

from config.embedded.postgres import Postgres
from config.embedded.processes import Child, stop, wait_until
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


class Server:
    """A service that is killed and started again on its data, at its old address."""

    def __init__(self, service: Service, *, keep_open: Sequence[int] = ()) -> None:
        self._service, self._keep_open = service, keep_open
        self._child = self._bring_up()

    def kill(self, number: Signals = SIGKILL) -> None:
        self._child.signal(number)
        assert wait_until(lambda: self._child.ended() is not None, 10), "does not end"

    def start(self) -> None:
        if self._child.ended() is not None:
            self._child = self._bring_up()

    def stop(self) -> None:
        stop([self._child], grace=5)

    def _bring_up(self) -> Child:
        return bring_up(self._service, keep_open=self._keep_open)
