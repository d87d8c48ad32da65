"""A web process and a broker of the tests' own: they are killed, started again, cut off."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from signal import SIGTERM, Signals
from urllib.parse import quote

import psycopg
from django.conf import settings
from django.db import connection
from psycopg import sql

from config.embedded import locations, portal
from config.embedded.network import free_port
from config.embedded.processes import Child, stop, wait_until
from config.embedded.valkey import Valkey
from tests.runs.streams.client import Ended, Stream
from tests.servers import Server

QUICK = "tests.runs.streams.quick:application"
APPLICATION_NAME = "streams-under-test"


class Broker(Server):
    """A Valkey that keeps its port and its password."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        super().__init__(Valkey(folder))
        self.started_at = time.monotonic()

    @property
    def url(self) -> str:
        return locations.redis_url(self._folder)

    def start(self) -> None:
        if self._child.ended() is None:
            return
        before = self.url
        super().start()
        self.started_at = time.monotonic()
        assert self.url == before


class Web:
    """The web process of a portal on the tests' database."""

    def __init__(self, folder: Path, redis_url: str, *, application: str = QUICK) -> None:
        self.port = free_port()
        # When it was last known to be sure that it hears every bell.
        self.calm_since = 0.0
        environment = {
            **os.environ,
            "DATABASE_URL": database_url(),
            "REDIS_URL": redis_url,
            "SECRET_KEY": settings.SECRET_KEY,
            "PGAPPNAME": APPLICATION_NAME,
        }
        command = portal.web(folder, environment, self.port)
        argv = [application if word == "config.asgi:application" else word for word in command.argv]
        self._command = replace(command, argv=argv)
        self.start()

    def start(self) -> None:
        self._child = Child(self._command)
        self._child.start()
        assert wait_until(self._answers, 30), self.log()
        self.started_at = time.monotonic()

    def stop(self, number: Signals = SIGTERM) -> float:
        """End it; the seconds that took."""
        begun = time.monotonic()
        self._child.signal(number)
        assert wait_until(lambda: self._child.ended() is not None, 10), "does not stop"
        return time.monotonic() - begun

    def end(self) -> None:
        """End it, whether it runs or not and whatever it does."""
        stop([self._child], grace=3)

    def signal(self, number: Signals) -> None:
        self._child.signal(number)

    def open(self, path: str, session: str | None = None, **options: object) -> Stream:
        headers = dict(options.pop("headers", {}))
        if session is not None:
            headers["Cookie"] = f"other=1; {settings.SESSION_COOKIE_NAME}={session}"
        return Stream(self.port, path, headers, **options)

    def log(self) -> str:
        return self._command.log.read_text()

    def cpu_seconds(self) -> float:
        fields = (self._place / "stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def resident_bytes(self) -> int:
        status = (self._place / "status").read_text()
        line = next(line for line in status.splitlines() if line.startswith("VmRSS"))
        return int(line.split()[1]) * 1024

    @property
    def _place(self) -> Path:
        return Path(f"/proc/{self._child._process.pid}")

    def _answers(self) -> bool:
        try:
            with self.open("/api/sse-runs") as answer:
                return answer.status == 401
        except (OSError, Ended):
            return False


def database_url() -> str:
    at = connection.settings_dict
    password = quote(at["PASSWORD"], safe="")
    host, port = quote(at["HOST"] or "", safe=""), at["PORT"] or ""
    return f"postgresql://{at['USER']}:{password}@{host}:{port}/{at['NAME']}"


def cut_database_connections() -> int:
    """End what the web process has open to PostgreSQL; how many that were."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
            " WHERE application_name = %s",
            [APPLICATION_NAME],
        )
        return cursor.fetchone()[0]


def database_connections() -> int:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE application_name = %s",
            [APPLICATION_NAME],
        )
        return cursor.fetchone()[0]


@contextmanager
def database_away() -> Iterator[None]:
    """Cut the web process off; nobody gets a new connection meanwhile."""
    name = connection.settings_dict["NAME"]
    parameters = connection.get_connection_params() | {"dbname": "postgres"}
    parameters.pop("cursor_factory", None)
    allow = sql.SQL("ALTER DATABASE {} ALLOW_CONNECTIONS {}")
    with psycopg.connect(**parameters, autocommit=True) as other:
        other.execute(allow.format(sql.Identifier(name), sql.SQL("false")))
        try:
            cut_database_connections()
            yield
        finally:
            other.execute(allow.format(sql.Identifier(name), sql.SQL("true")))
