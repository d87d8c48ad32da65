"""The one-command start: PostgreSQL, then Valkey, then the database's preparation, then web,
worker and beat side by side. Whatever ends this process ends them too."""

import http.client
import json
import os
import signal
import time
from collections.abc import Callable, Mapping
from types import FrameType
from typing import NoReturn

from config.embedded import instance, network, options, portal
from config.embedded.options import Options
from config.embedded.postgres import Postgres
from config.embedded.processes import Child, StartError, last_lines
from config.embedded.services import Service, bring_up
from config.embedded.supervisor import Supervisor
from config.embedded.valkey import Valkey

# Seconds between two looks at the children, and between two words about a slow start.
LOOK_EVERY = 0.2
SLOW = 20


class StopAsked(BaseException):
    """A signal asks the portal to end."""


def run(env: Mapping[str, str]) -> None:
    """Start the portal and keep it up until a signal ends it."""
    chosen = options.read(env)
    # Others may pass through the folder, as PostgreSQL's account has to, but not look into it.
    chosen.data_dir.mkdir(mode=0o711, parents=True, exist_ok=True)
    os.umask(0o077)
    lock = instance.claim(chosen.data_dir)
    if not network.is_free(chosen.port):
        raise StartError(
            f"Port {chosen.port} is taken by another program, or not for this account.\n"
            f"Take another one: make run PORT={chosen.port + 1}"
        )
    supervisor = Supervisor(_say)
    try:
        _watch_signals(_ask_to_stop)
        _start(chosen, env, supervisor, lock)
        _stay(supervisor)
    except StopAsked:
        _say("Stopping.")
    finally:
        _watch_signals(signal.SIG_IGN)
        supervisor.stop()


def _start(chosen: Options, env: Mapping[str, str], supervisor: Supervisor, lock: int) -> None:
    begun = time.monotonic()
    _say("Starting the portal.")
    servers: list[Service] = []
    if chosen.own_database:
        servers.append(Postgres(chosen.data_dir))
    if chosen.own_broker:
        servers.append(Valkey(chosen.data_dir))
    for server in servers:
        supervisor.keep_server(bring_up(server, keep_open=[lock]))
    inherited = options.child_environment(env, chosen)
    password = _prepare(chosen, env, lock)
    for command in (
        portal.web(chosen.data_dir, inherited, chosen.port),
        portal.worker(chosen.data_dir, inherited),
        portal.control(chosen.data_dir, inherited),
        portal.bulk(chosen.data_dir, inherited),
        portal.beat(chosen.data_dir, inherited),
    ):
        child = Child(command, keep_open=[lock])
        child.start()
        supervisor.keep(child)
    _tell_where(chosen, password)
    _await_health(chosen, supervisor)
    _say(f"Ready in {time.monotonic() - begun:.1f} s. Ctrl-C stops it.")


def _prepare(chosen: Options, env: Mapping[str, str], lock: int) -> str:
    """Prepare the database; the staff account's password, if it was made up just now."""
    inherited = options.child_environment(env, chosen)
    # This child alone gets to know the password.
    inherited["ADMIN_PASSWORD"] = env.get("ADMIN_PASSWORD", "")
    child = Child(portal.prepare(chosen.data_dir, inherited), keep_open=[lock], capture=True)
    if child.run() != 0:
        log = child.command.log
        raise StartError(f"The database cannot be prepared. The end of {log}:\n{last_lines(log)}")
    return child.output().strip()


def _tell_where(chosen: Options, password: str) -> None:
    _say(f"  open      http://127.0.0.1:{chosen.port}/")
    _say("  user      admin")
    if password:
        _say(f"  password  {password}  (made up just now, kept in DATA_DIR/admin_password)")
    _say(f"  DATA_DIR  {chosen.data_dir}")
    _say(f"  logs      {chosen.data_dir / 'logs'}")


def _await_health(chosen: Options, supervisor: Supervisor) -> None:
    talk_at = time.monotonic() + SLOW
    while missing := _missing_parts(chosen.port):
        supervisor.tend(time.monotonic())
        if time.monotonic() > talk_at:
            _say(f"Still waiting for: {', '.join(missing)}. See the logs.")
            talk_at += SLOW
        time.sleep(LOOK_EVERY)


def _missing_parts(port: int) -> list[str]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=3)
    try:
        connection.request("GET", "/healthz")
        parts = json.load(connection.getresponse())["parts"]
    except (OSError, http.client.HTTPException, ValueError):
        return ["web"]
    finally:
        connection.close()
    return [part for part, state in parts.items() if state != "ok"]


def _stay(supervisor: Supervisor) -> None:
    parent = os.getppid() if "MAKELEVEL" in os.environ else None
    while parent in (None, os.getppid()):
        supervisor.tend(time.monotonic())
        time.sleep(LOOK_EVERY)
    _say("The make that started this is gone.")


def _watch_signals(do: signal.Handlers | Callable[[int, FrameType | None], NoReturn]) -> None:
    signal.signal(signal.SIGINT, do)
    signal.signal(signal.SIGTERM, do)
    # Under nohup a closed terminal ends nothing.
    if signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:
        signal.signal(signal.SIGHUP, do)


def _ask_to_stop(number: int, frame: FrameType | None) -> NoReturn:  # noqa: ARG001
    raise StopAsked


def _say(line: str) -> None:
    print(line, flush=True)
