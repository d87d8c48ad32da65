"""The portal's processes as the soak starts, kills and starts them again."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from signal import SIGCONT, SIGKILL, SIGSTOP, SIGTERM, Signals

from config.embedded import portal
from config.embedded.network import free_port
from config.embedded.processes import Child, Command, stop, wait_until

WORKERS = 2


class Player:
    """A process, with what it started itself."""

    def __init__(self, command: Command) -> None:
        self.name = command.name
        self._child = Child(command)
        self.start()

    def start(self) -> None:
        if self._child.ended() is not None or self._child._process is None:
            self._child.start()

    def kill(self, number: Signals = SIGKILL) -> None:
        """Itself alone: its own children must notice."""
        os.kill(self.pid, number)
        if not wait_until(lambda: self._child.ended() is not None, 30):
            self._child.signal(SIGKILL)
            wait_until(lambda: self._child.ended() is not None, 10)

    def kill_child(self, which: int) -> bool:
        """One of the processes that it started; whether there was any."""
        children = sorted(_children(self.pid))
        if children:
            os.kill(children[which % len(children)], SIGKILL)
        return bool(children)

    def freeze(self) -> None:
        os.killpg(self.pid, SIGSTOP)

    def thaw(self) -> None:
        os.killpg(self.pid, SIGCONT)

    @property
    def pid(self) -> int:
        assert self._child._process is not None
        return self._child._process.pid

    @property
    def child(self) -> Child:
        return self._child


class Cast:
    def __init__(self, folder: Path, lease: int) -> None:
        self.port, self.service_port = free_port(), free_port()
        self.calls, self.marks = folder / "calls", folder / "marks"
        for file in (self.calls, self.marks):
            file.touch()
        env = {
            **os.environ,
            "ENGINE_LEASE_SECONDS": str(lease),
            "ENGINE_REDISPATCH_SECONDS": "4",
            "PRIVATE_HOSTS": f"127.0.0.1:{self.service_port}",
            "API_TOKEN_RATE": "1000000",
            "API_USER_RATE": "1000000",
        }
        self.service = Player(self._service(folder, env))
        self.web = Player(portal.web(folder, env, self.port))
        self.control = Player(portal.control(folder, env))
        self.beat = Player(portal.beat(folder, env))
        self.workers = [Player(_worker(folder, env, n)) for n in range(WORKERS)]

    @property
    def service_url(self) -> str:
        return f"http://127.0.0.1:{self.service_port}"

    @property
    def all(self) -> list[Player]:
        return [self.service, self.web, self.control, self.beat, *self.workers]

    def mend(self) -> None:
        """Start whatever does not run."""
        for player in self.all:
            player.start()

    def end(self) -> None:
        for player in self.all:
            player.child.signal(SIGCONT)
        stop([player.child for player in self.all], grace=5)

    def _service(self, folder: Path, env: Mapping[str, str]) -> Command:
        module = "tests.chaos.engine.model_server"
        return Command(
            name="model server",
            argv=[sys.executable, "-m", module, str(self.service_port), str(self.calls)],
            env=env,
            log=folder / "logs" / "model_server.log",
            cwd=portal.PROJECT,
        )


def _worker(folder: Path, env: Mapping[str, str], number: int) -> Command:
    command = portal.worker(folder, env)
    argv = [f"worker{number}@%h" if word == "runs@%h" else word for word in command.argv]
    log = folder / "logs" / f"worker{number}.log"
    return replace(command, name=f"worker {number}", argv=argv, log=log)


def _children(pid: int) -> list[int]:
    try:
        tasks = list(Path(f"/proc/{pid}/task").iterdir())
        return [int(c) for task in tasks for c in (task / "children").read_text().split()]
    except OSError:  # it is gone
        return []


__all__ = ["SIGTERM", "WORKERS", "Cast", "Player"]
