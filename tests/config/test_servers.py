"""The embedded PostgreSQL and Valkey: what they survive, and what they refuse."""

import os
import socket
from pathlib import Path
from signal import SIGKILL

import psycopg
import pytest

from config.embedded import instance, locations, network
from config.embedded.postgres import CONFIGURATION, Postgres
from config.embedded.processes import Child, StartError, stop, wait_until
from config.embedded.services import bring_up
from config.embedded.valkey import Valkey
from tests.servers import temporary_folder


@pytest.fixture
def data_dir() -> Path:
    return temporary_folder()


@pytest.fixture
def started():
    """Brings a service up; what is up is stopped in the end."""
    children: list[Child] = []

    def start(service) -> Child:
        children.append(bring_up(service))
        return children[-1]

    yield start
    stop(children, grace=5)


def hasty(data_dir: Path) -> Postgres:
    return Postgres(data_dir, durable=False)


def query(data_dir: Path, statement: str) -> list[tuple]:
    with psycopg.connect(locations.database_url(data_dir)) as connection:
        cursor = connection.execute(statement)
        return cursor.fetchall() if cursor.description else []


def test_a_killed_server_starts_again_on_its_port_with_its_data(data_dir, started):
    first = started(hasty(data_dir))
    url = locations.database_url(data_dir)
    query(data_dir, "CREATE TABLE kept AS SELECT 1 AS one")
    first.signal(SIGKILL)
    # What it leaves behind listens for a moment more.
    port = int(locations.read(data_dir / "postgres" / "port"))
    assert wait_until(lambda: network.is_free(port), 10)
    started(hasty(data_dir))
    assert locations.database_url(data_dir) == url
    assert query(data_dir, "SELECT one FROM kept") == [(1,)]


def test_a_number_left_behind_that_is_somebody_elses_does_not_matter(data_dir, started):
    stop([started(hasty(data_dir))], grace=5)
    pid_file = data_dir / "postgres" / "data" / "postmaster.pid"
    pid_file.write_text(f"{os.getpid()}\n{pid_file.parent}\n0\n1\n\n127.0.0.1\n")
    started(hasty(data_dir))
    assert query(data_dir, "SELECT 1") == [(1,)]


def test_a_port_that_was_taken_meanwhile_is_replaced(data_dir, started):
    stop([started(hasty(data_dir))], grace=5)
    before = int(locations.read(data_dir / "postgres" / "port"))
    with socket.create_server(("127.0.0.1", before)):
        started(hasty(data_dir))
    assert int(locations.read(data_dir / "postgres" / "port")) != before
    assert query(data_dir, "SELECT 1") == [(1,)]


def test_a_first_start_that_was_cut_off_is_made_anew(data_dir, started):
    draft = data_dir / "postgres" / "data.new"
    draft.mkdir(parents=True)
    draft.joinpath("PG_VERSION").write_text("18\n")
    started(hasty(data_dir))
    assert query(data_dir, "SELECT 1") == [(1,)]
    assert not draft.exists()


def test_data_in_a_folder_that_only_its_owner_may_enter(data_dir, started):
    closed = data_dir / "closed"
    closed.mkdir(mode=0o700)
    try:
        started(hasty(closed))
    except StartError as error:
        # Root, on a machine that forbids user namespaces, is told what to do instead.
        assert "only root can enter" in str(error)  # noqa: PT017
    else:
        assert query(closed, "SELECT 1") == [(1,)]


def test_data_of_another_version_is_refused_with_a_way_out(data_dir):
    data = data_dir / "postgres" / "data"
    data.mkdir(parents=True)
    data.joinpath("PG_VERSION").write_text("12\n")
    with pytest.raises(StartError, match="written by PostgreSQL 12"):
        hasty(data_dir).prepare()


def test_a_server_that_cannot_start_says_why(data_dir, started, monkeypatch):
    monkeypatch.setattr("config.embedded.postgres.CONFIGURATION", "port = {port}\nno_such = on\n")
    with pytest.raises(StartError, match=r"(?s)postgres does not start.*no_such"):
        started(hasty(data_dir))


def test_nobody_gets_in_without_the_password(data_dir, started):
    started(hasty(data_dir))
    started(Valkey(data_dir))
    port = locations.read(data_dir / "postgres" / "port")
    with pytest.raises(psycopg.OperationalError, match="password"):
        psycopg.connect(f"postgresql://portal:guess@127.0.0.1:{port}/portal")
    port = int(locations.read(data_dir / "valkey" / "port"))
    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.sendall(b"PING\r\n")
        assert connection.recv(100).startswith(b"-NOAUTH")


def test_a_folder_is_free_only_when_every_process_of_the_last_portal_is_gone(
    data_dir, monkeypatch, capsys
):
    monkeypatch.setattr(instance, "PATIENCE", 0.2)
    leftover = os.open(data_dir / "children.lock", os.O_RDWR | os.O_CREAT)
    assert instance._locked(leftover)
    with pytest.raises(StartError, match="still work on"):
        instance.claim(data_dir)
    assert "Waiting for the end" in capsys.readouterr().out


def test_a_secret_is_made_once(data_dir):
    path = data_dir / "deep" / "secret"
    made = locations.kept_secret(path)
    assert len(made) > 20
    assert locations.kept_secret(path) == made
    assert path.stat().st_mode & 0o077 == 0
    assert os.listdir(path.parent) == ["secret"]


def test_ports_are_not_those_the_kernel_gives_to_outgoing_connections():
    first = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    assert all(network.free_port() < max(first, 32_000) for _ in range(20))


SECRET = "a-word-that-no-log-may-hold"


def log_after_trouble(data_dir: Path) -> str:
    """The server's log after errors that quote statements, parameters, rows and hashes."""
    url = locations.database_url(data_dir)
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("CREATE TABLE kept (name text PRIMARY KEY)")
        connection.execute("INSERT INTO kept VALUES (%s)", [SECRET])
        for statement, values in (
            ("INSERT INTO kept VALUES (%s)", [SECRET]),
            ("SELECT %s::text::int", [SECRET]),
            (f"SELECT '{SECRET}' FROM nowhere", None),
            (f"ALTER ROLE nobody_here PASSWORD '{SECRET}'", None),
        ):
            with pytest.raises(psycopg.Error):
                connection.execute(statement, values)
        wait_in_vain(url)
    return (data_dir / "logs" / "postgres.log").read_text()


def wait_in_vain(url: str) -> None:
    """Wait for a row that another transaction holds until the server says so in its log."""
    change = f"UPDATE kept SET name = '{SECRET}!'"
    with psycopg.connect(url) as holder, psycopg.connect(url) as waiter:
        holder.execute(change)
        waiter.execute("SET deadlock_timeout = '10ms'")
        waiter.execute("SET lock_timeout = '300ms'")
        with pytest.raises(psycopg.errors.LockNotAvailable):
            waiter.execute(change)


def test_the_log_tells_of_errors_and_waits_but_no_statement_parameter_or_row(data_dir, started):
    started(hasty(data_dir))
    log = log_after_trouble(data_dir)
    for said in (
        "duplicate key value violates unique constraint",
        'relation "nowhere" does not exist',
        'role "nobody_here" does not exist',
        "still waiting for ShareLock",
        "canceling statement due to lock timeout",
    ):
        assert said in log, said
    # The words of an error may hold the value that it is about; nothing else does.
    assert log.count(SECRET) == log.count(f'invalid input syntax for type integer: "{SECRET}"')
    assert "STATEMENT:" not in log
    assert "DETAIL:" not in log


def test_a_log_as_postgresql_keeps_it_by_itself_would_quote_them(data_dir, started, monkeypatch):
    lines = CONFIGURATION.splitlines(keepends=True)
    quiet = ("log_min_error_statement", "log_error_verbosity", "log_parameter_max_length")
    usual = "".join(line for line in lines if not line.startswith(quiet))
    monkeypatch.setattr("config.embedded.postgres.CONFIGURATION", usual)
    started(hasty(data_dir))
    log = log_after_trouble(data_dir)
    assert f"Key (name)=({SECRET}) already exists" in log
    assert f"STATEMENT:  ALTER ROLE nobody_here PASSWORD '{SECRET}'" in log


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("log_min_duration_statement", "-1"),
        ("log_statement", "none"),
        ("log_duration", "off"),
        ("log_min_error_statement", "panic"),
        ("log_error_verbosity", "terse"),
        ("log_parameter_max_length", "0"),
        ("log_parameter_max_length_on_error", "0"),
        ("log_lock_waits", "on"),
        ("log_timezone", "UTC"),
    ],
)
def test_what_is_logged_is_set_as_the_configuration_says(quiet_server, name, value):
    assert query(quiet_server, f"SHOW {name}") == [(value,)]


@pytest.fixture(scope="module")
def quiet_server():
    folder = temporary_folder()
    child = bring_up(hasty(folder))
    yield folder
    stop([child], grace=5)
