"""The one command, started, hurt and stopped as it may be in life."""

import os
import stat
from collections.abc import Iterator
from pathlib import Path
from signal import SIGINT, SIGKILL, SIGTERM

import psycopg
import pytest

from config.embedded import locations
from config.embedded.processes import wait_until
from tests.portal import PARTS, Portal, has_ended
from tests.servers import temporary_folder


@pytest.fixture(scope="module")
def own() -> Iterator[Portal]:
    """A portal that the tests of this file may hurt."""
    started = Portal(temporary_folder() / "own", DEMO=0).start()
    yield started
    if not started.has_ended():
        started.stop()


def database(portal: Portal) -> psycopg.Connection:
    return psycopg.connect(locations.database_url(portal.data_dir), autocommit=True)


def keep(portal: Portal, name: str) -> None:
    with database(portal) as connection:
        connection.execute("CREATE TABLE IF NOT EXISTS kept (name text)")
        connection.execute("INSERT INTO kept VALUES (%s)", [name])


def kept(portal: Portal) -> set[str]:
    with database(portal) as connection:
        return {name for (name,) in connection.execute("SELECT name FROM kept")}


def test_every_part_is_up_and_nothing_else_is_told(portal):
    status, parts = portal.health()
    assert status == 200
    assert parts == dict.fromkeys(PARTS, "ok")


@pytest.mark.long
def test_two_portals_run_side_by_side(portal, own):
    assert portal.is_healthy()
    assert own.is_healthy()
    assert portal.port != own.port
    assert portal.processes().keys().isdisjoint(own.processes())


def test_the_password_made_up_is_shown_once_and_kept_for_the_owner_only(own):
    kept = own.data_dir / "admin_password"
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert own.output().count(own.password) == 1
    assert own.can_log_in(own.password)
    assert not own.can_log_in("something else")


def test_secrets_and_logs_are_for_the_owner_only(own):
    for secret in ("secret_key", "postgres/password", "valkey/password", "valkey/valkey.conf"):
        assert stat.S_IMODE((own.data_dir / secret).stat().st_mode) == 0o600, secret
    for folder in ("logs", "valkey", "postgres/data"):
        assert stat.S_IMODE((own.data_dir / folder).stat().st_mode) == 0o700, folder


def test_the_staff_password_is_not_in_the_environment_of_what_serves(own):
    for pid in own.processes():
        environment = Path(f"/proc/{pid}/environ").read_bytes()
        assert own.password.encode() not in environment


def test_the_database_waits_for_the_disk_and_counts_its_statements(own):
    with database(own) as connection:
        for setting in ("fsync", "synchronous_commit", "full_page_writes"):
            assert connection.execute(f"SHOW {setting}").fetchone() == ("on",)
        assert connection.execute("SELECT count(*) FROM pg_stat_statements").fetchone()[0] > 0


def test_a_port_in_use_is_told_before_anything_starts(own):
    other = Portal(own.data_dir.with_name("other"), PORT=own.port)
    code, said = other.fail()
    assert code == 1
    assert f"Port {own.port} is taken" in said
    assert f"make run PORT={own.port + 1}" in said
    assert not (other.data_dir / "postgres").exists()


def test_a_second_portal_on_the_same_data_is_refused(own):
    twin = Portal(own.data_dir)
    code, said = twin.fail()
    assert code == 1
    assert f"already runs on {own.data_dir} (process " in said
    assert own.is_healthy()


@pytest.mark.parametrize(("name", "value"), [("PORT", "eighty"), ("PORT", "70000"), ("DEMO", "2")])
def test_a_setting_that_makes_no_sense_is_refused(tmp_path, name, value):
    code, said = Portal(tmp_path / "data", **{name: value}).fail()
    assert code == 1
    assert name in said
    assert value in said


def test_killed_processes_come_back_and_data_stays(own):
    keep(own, "before processes were killed")
    killed = {own.process(words) for words in ("postgres -D", "valkey", "--queues runs", "uvicorn")}
    for pid in killed:
        os.kill(pid, SIGKILL)
    assert wait_until(lambda: killed.isdisjoint(own.processes()), 2)
    assert wait_until(own.is_healthy, 30), own.output()
    assert "before processes were killed" in kept(own)
    assert own.can_log_in(own.password)
    assert "worker ended (killed by SIGKILL) and is started again in 0.5 s" in own.output()


def test_the_web_server_finds_back_to_a_restarted_database(own):
    served_by = own.process("uvicorn")
    os.kill(own.process("postgres -D"), SIGKILL)
    assert wait_until(lambda: not own.is_healthy(), 2)
    assert wait_until(own.is_healthy, 30), own.output()
    assert own.can_log_in(own.password)
    assert own.process("uvicorn") == served_by


@pytest.mark.long
def test_nothing_outlives_a_killed_runner_and_the_next_start_has_all(own):
    keep(own, "before the runner was killed")
    running = own.processes()
    own.signal(SIGKILL)
    assert wait_until(lambda: all(map(has_ended, running)), 5)
    # A staff password of one's own takes the place of the one made up.
    own.restart(ADMIN_PASSWORD="a phrase of my own")
    assert "before the runner was killed" in kept(own)
    assert own.can_log_in("a phrase of my own")
    assert not (own.data_dir / "admin_password").exists()
    assert "a phrase of my own" not in own.output()


def test_a_signal_ends_everything_within_five_seconds(own):
    running = own.processes()
    assert own.stop(SIGTERM) < 5
    assert all(map(has_ended, running))
    assert own.processes() == {}


@pytest.mark.long
def test_ctrl_c_in_the_middle_of_a_start_leaves_nothing(tmp_path):
    early = Portal(temporary_folder() / "early")
    early.begin()
    assert wait_until(lambda: "config.embedded.prepare" in str(early.processes()), 20)
    running = early.processes()
    assert early.stop(SIGINT) < 5
    assert all(map(has_ended, running))
    assert early.output().splitlines() == ["Starting the portal.", "Stopping."]
