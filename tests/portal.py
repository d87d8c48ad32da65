"""A portal started as a person starts it: the one command, in a process of its own."""

import http.client
import http.cookiejar
import json
import os
import sys
import time
import urllib.parse
import urllib.request
from pathlib import Path
from signal import SIGTERM, Signals

from config.embedded import locations
from config.embedded.network import free_port
from config.embedded.portal import PROJECT
from config.embedded.processes import Child, Command, wait_until

UNSET = ("DATABASE_URL", "REDIS_URL", "ADMIN_PASSWORD", "DEMO", "S3_BUCKET")
PARTS = {"database", "migrations", "broker", "worker", "beat"}


class Portal:
    """The runner as a child; `url`, `password` and `data_dir` are what a test needs most."""

    def __init__(self, data_dir: Path, **env: object) -> None:
        self.data_dir = data_dir
        self.port = env.pop("PORT", None) or free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._output = data_dir.with_name(f"{data_dir.name}-output.log")
        self._child = self._runner(env)

    def start(self) -> "Portal":
        """Start it and wait until it is ready."""
        self.begin()
        ready = wait_until(lambda: self.has_ended() or self.is_healthy(), 90)
        assert ready, f"not ready:\n{self.output()}"
        assert not self.has_ended(), f"ended:\n{self.output()}"
        return self

    def begin(self) -> None:
        self._child.start()

    def restart(self, **env: object) -> "Portal":
        self._child = self._runner(env)
        return self.start()

    def fail(self) -> tuple[int, str]:
        """Start it where it cannot start; its exit code and what it said."""
        return self._child.run(), self.output()

    def signal(self, number: Signals) -> None:
        self._child.signal(number)

    def stop(self, number: Signals = SIGTERM) -> float:
        """Ask it to end; the seconds that took."""
        begun = time.monotonic()
        self.signal(number)
        assert wait_until(self.has_ended, 10), "does not stop"
        return time.monotonic() - begun

    def has_ended(self) -> bool:
        return self._child.ended() is not None

    def output(self) -> str:
        return self._output.read_text()

    @property
    def password(self) -> str:
        return locations.read(self.data_dir / "admin_password")

    def health(self) -> tuple[int, dict[str, str]]:
        """The status and the parts of ``/healthz``; 0 where nobody answers."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
        try:
            connection.request("GET", "/healthz")
            response = connection.getresponse()
            return response.status, json.load(response)["parts"]
        except (OSError, http.client.HTTPException):
            return 0, {}
        finally:
            connection.close()

    def is_healthy(self) -> bool:
        return self.health()[0] == 200

    def can_log_in(self, password: str) -> bool:
        cookies = http.cookiejar.CookieJar()
        opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(cookies))
        page = f"{self.url}/admin/login/?next=/admin/password_change/"
        opener.open(page, timeout=10).close()
        token = next(c.value for c in cookies if c.name.startswith("csrftoken"))
        form = {"username": "admin", "password": password, "csrfmiddlewaretoken": token}
        with opener.open(page, urllib.parse.urlencode(form).encode(), timeout=10) as answer:
            return "/login/" not in answer.url

    def processes(self) -> dict[int, str]:
        """All that was started by it or by what it started: number → command line."""
        lock = str(self.data_dir / "children.lock")
        return {
            int(place.name): command
            for place in Path("/proc").glob("[0-9]*")
            if (command := _command_line(place)) and lock in _open_files(place)
        }

    def process(self, words: str) -> int:
        """The first process that has `words` in its command line."""
        return min(pid for pid, command in self.processes().items() if words in command)

    def _runner(self, env: dict[str, object]) -> Child:
        # Its own servers, whatever the tests run on.
        kept = {name: value for name, value in os.environ.items() if name not in UNSET}
        given = {"DATA_DIR": self.data_dir, "PORT": self.port, **env}
        return Child(
            Command(
                name="portal",
                argv=[sys.executable, "-m", "config.embedded"],
                env={**kept, **{name: str(value) for name, value in given.items()}},
                log=self._output,
                cwd=PROJECT,
                orphan_signal=SIGTERM,
            )
        )


def has_ended(pid: int) -> bool:
    """Whether it is gone, or a zombie that its new parent has not come round to."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


def _command_line(place: Path) -> str:
    try:
        return place.joinpath("cmdline").read_bytes().replace(b"\0", b" ").decode().strip()
    except OSError:  # it has ended meanwhile
        return ""


def _open_files(place: Path) -> set[str]:
    try:
        return {os.readlink(entry) for entry in place.joinpath("fd").iterdir()}
    except OSError:  # it has ended meanwhile, or is somebody else's
        return set()
