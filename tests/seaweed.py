"""A real S3 server for tests, and what may stand between it and the portal.

Fixtures, to be had everywhere (``tests/conftest.py`` imports them):

- ``seaweed``: SeaweedFS, started once a session. ``stop()``, ``kill()``, ``start()`` it on its
  data and at its old address, ``freeze()`` and ``thaw()`` it. Who does so has to leave it running;
  the fixture ``bucket`` sees to that.
- ``bucket``: an empty bucket of the test's own, in ``seaweed``. ``settings.STORAGES =
  bucket.storages()`` keeps the portal's files in it; ``bucket.environment()`` is the same for a
  portal that is started. ``bucket.client()`` is boto3's, to look behind the portal's back.
- ``between``: a server that passes requests on to ``seaweed`` until it is told of a fault. Use
  it by ``bucket.storages(between)``. For instance, the next two PUTs are answered with 503, and
  the first GET of what has "archive/" in its path breaks off after 100 bytes::

      between.meets(Answer(503), method="PUT", times=2)
      between.meets(CutOff(100), method="GET", path="archive/", times=1)

  Faults are Answer, Delay, Hang, HangUp, LoseAnswer, Swallow, CutOff and Spoil. ``heal()`` forgets
  them all and lets hang up what hangs. ``seen`` has all requests: method, path, status or fault.

Without pytest: ``Seaweed(folder)``, ``Between(port)``, and ``close()`` both at the end.
"""

from __future__ import annotations

import hashlib
import http.client
import os
import socket
import threading
import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from signal import SIGCONT, SIGKILL, SIGSTOP
from sysconfig import get_path
from typing import Any

import boto3
import pytest
from botocore.exceptions import BotoCoreError, ClientError

from config.embedded import locations
from config.embedded.network import free_port, is_free
from config.embedded.processes import Child, Command, stop, wait_until
from config.embedded.services import bring_up

KEY, SECRET = "portal", "seaweed-secret-1"
REGION = "us-east-1"
# Each has a port for HTTP and one for gRPC.
ROLES = ("s3", "master", "volume", "filer", "admin")


class _Weed:
    """How it is started; see config.embedded.services.Service."""

    name = "seaweedfs"

    def __init__(self, folder: Path, data: Path, port: int | None) -> None:
        self._folder, self._data = folder, data
        self.port = port or free_port()
        # An address that somebody knows, and that is not to be changed any more.
        self._is_known = port is not None

    def prepare(self) -> Command:
        self._data.mkdir(parents=True, exist_ok=True)
        if not self._is_known and not is_free(self.port):
            self.port = free_port()
        self._client = client_at(f"http://127.0.0.1:{self.port}", seconds=2)
        own = _free_ports(len(ROLES) * 2 - 1, apart_from=self.port)
        ports = [f"-s3.port={self.port}"]
        ports += [f"-{role}.port={own.pop()}" for role in ROLES if role != "s3"]
        ports += [f"-{role}.port.grpc={own.pop()}" for role in ROLES]
        return Command(
            name=self.name,
            argv=[
                f"{get_path('scripts')}/weed",
                "-logtostderr=false",
                f"-logdir={self._folder}",
                "mini",
                f"-dir={self._data}",
                "-ip=127.0.0.1",
                "-ip.bind=127.0.0.1",
                *ports,
                # Sockets are else left in /tmp.
                f"-s3.localSocket={self._folder}/s3.sock",
                f"-filer.localSocket={self._folder}/filer.sock",
                "-s3.port.iceberg=0",
                "-s3.port.lance=0",
                "-s3.autoCreateBucket=false",
                "-webdav=false",
                "-admin.ui=false",
                "-master.telemetry=false",
                # Each bucket has volumes of its own.
                "-volume.max=2000",
            ],
            env={
                "PATH": os.environ.get("PATH", os.defpath),
                "HOME": str(self._folder),
                "TMPDIR": str(self._folder),
                "AWS_ACCESS_KEY_ID": KEY,
                "AWS_SECRET_ACCESS_KEY": SECRET,
            },
            log=self._folder / "seaweedfs.log",
        )

    def answers(self) -> bool:
        """Whether it keeps an object: it speaks long before it has where to put one."""
        try:
            with suppress(ClientError):
                self._client.create_bucket(Bucket="probe")
            self._client.put_object(Bucket="probe", Key="probe", Body=b"x")
        except (BotoCoreError, ClientError):
            return False
        return True

    def complete(self) -> None:
        self._is_known = True


def _free_ports(count: int, *, apart_from: int) -> list[int]:
    found: set[int] = set()
    while len(found) < count:
        found |= {free_port()} - {apart_from}
    return list(found)


class Seaweed:
    """SeaweedFS, which dies with this process. Start it from the main thread."""

    def __init__(self, folder: Path, *, data: Path | None = None, port: int | None = None) -> None:
        """Logs go to `folder`, and objects, unless they have a folder of their own."""
        folder.mkdir(parents=True, exist_ok=True)
        self._weed = _Weed(folder, data or folder / "data", port)
        self._child: Child = bring_up(self._weed)
        self.client = client_at(self.endpoint)

    @property
    def port(self) -> int:
        return self._weed.port

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start it again, or let it go on."""
        self.thaw()
        if self._child.ended() is not None:
            self._child = bring_up(self._weed)

    def stop(self) -> None:
        """Nothing listens at its port then."""
        self.thaw()
        stop([self._child], grace=10)

    close = stop

    def kill(self) -> None:
        self._child.signal(SIGKILL)
        assert wait_until(lambda: self._child.ended() is not None, 10), "does not end"

    def freeze(self) -> None:
        """The kernel goes on accepting connections for it, nobody answers."""
        self._child.signal(SIGSTOP)

    def thaw(self) -> None:
        self._child.signal(SIGCONT)

    def new_bucket(self, name: str = "") -> Bucket:
        bucket = Bucket(self, name or f"runs-{uuid.uuid4().hex[:12]}")
        bucket.client().create_bucket(Bucket=bucket.name)
        return bucket


@dataclass(frozen=True)
class Bucket:
    """A bucket, and how the portal is told of it."""

    server: Seaweed
    name: str

    def environment(self, by: Between | None = None, **changed: str) -> dict[str, str]:
        """What a portal is started with; for instance with S3_SECRET_ACCESS_KEY changed."""
        return {
            "S3_BUCKET": self.name,
            "S3_ENDPOINT_URL": (by or self.server).endpoint,
            "S3_REGION": REGION,
            "S3_ACCESS_KEY_ID": KEY,
            "S3_SECRET_ACCESS_KEY": SECRET,
            **changed,
        }

    def storages(
        self,
        by: Between | None = None,
        *,
        connect_seconds: float = 3,
        read_seconds: float = 20,
        **changed: str,
    ) -> dict[str, Any]:
        """Django's STORAGES, as the portal makes it of that environment."""
        from django.conf import settings

        default = locations.object_storage(self.environment(by, **changed), Path())
        default["OPTIONS"]["client_config"] = locations.s3_config(connect_seconds, read_seconds)
        return {**settings.STORAGES, "default": default}

    def client(self) -> Any:
        return self.server.client

    def keys(self) -> list[str]:
        """What is in it."""
        pages = self.client().get_paginator("list_objects_v2").paginate(Bucket=self.name)
        return sorted(found["Key"] for page in pages for found in page.get("Contents", ()))

    def unfinished(self) -> int:
        """Uploads in parts that nobody completed."""
        return len(self.client().list_multipart_uploads(Bucket=self.name).get("Uploads", ()))

    def remove(self) -> None:
        client = self.client()
        keys = self.keys()
        for begin in range(0, len(keys), 1000):
            some = [{"Key": key} for key in keys[begin : begin + 1000]]
            client.delete_objects(Bucket=self.name, Delete={"Objects": some})
        client.delete_bucket(Bucket=self.name)


def client_at(endpoint: str, seconds: float = 20) -> Any:
    return boto3.session.Session(KEY, SECRET).client(
        "s3",
        endpoint_url=endpoint,
        region_name=REGION,
        config=locations.s3_config(seconds, seconds),
    )


# -- Faults ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Answer:
    """Not passed on; answered with a status, as S3 says why, or with a body of the test's own."""

    status: int
    code: str = "InternalError"
    body: str = ""


@dataclass(frozen=True)
class Delay:
    """Passed on after a while."""

    seconds: float


@dataclass(frozen=True)
class Hang:
    """Taken, and never answered, nor passed on: half-open."""


@dataclass(frozen=True)
class HangUp:
    """Not passed on; the connection is closed."""


@dataclass(frozen=True)
class LoseAnswer:
    """Passed on and done; the connection is closed without a word of it."""


@dataclass(frozen=True)
class Swallow:
    """A PUT that is answered as if it was kept, and is not: storage that loses objects."""


@dataclass(frozen=True)
class CutOff:
    """Passed on; of the answer's body come so many bytes, then the connection is closed."""

    after: int = 10


@dataclass(frozen=True)
class Spoil:
    """Passed on; a bit of the answer's body is another one."""


Fault = Answer | Delay | Hang | HangUp | LoseAnswer | Swallow | CutOff | Spoil


@dataclass
class _Rule:
    fault: Fault
    method: str
    path: str
    times: int | None
    met: int = field(default=0)

    def fits(self, method: str, path: str) -> bool:
        left = self.times is None or self.met < self.times
        return left and self.method in ("", method) and self.path in path


@dataclass(frozen=True)
class Seen:
    """A request. `by` is the name of the fault it met, or "" where it was passed on as it is."""

    method: str
    path: str
    by: str
    headers: Mapping[str, str]


class Between:
    """Passes requests on to the S3 server at `port`, apart from those that meet a fault."""

    def __init__(self, port: int) -> None:
        self.target = port
        self.seen: list[Seen] = []
        self._rules: list[_Rule] = []
        self._lock = threading.Lock()
        self._healed = threading.Event()
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.between = self
        self._thread = threading.Thread(target=self._server.serve_forever, args=[0.05])
        self._thread.start()

    @property
    def port(self) -> int:
        return self._server.server_address[1]

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def meets(
        self, fault: Fault, *, method: str = "", path: str = "", times: int | None = None
    ) -> None:
        """Have requests meet it: of a method, or all; with this in the path and query; so many
        times, or always. The first rule that fits is taken."""
        with self._lock:
            self._healed.clear()
            self._rules.append(_Rule(fault, method, path, times))

    def heal(self) -> None:
        with self._lock:
            self._rules.clear()
            self._healed.set()

    def count(self, method: str = "", path: str = "") -> int:
        """How many requests came, whatever became of them."""
        return sum(method in ("", one.method) and path in one.path for one in self.seen)

    def close(self) -> None:
        self.heal()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
        self._server.hang_up()

    def fault_of(self, method: str, path: str, headers: Mapping[str, str]) -> Fault | None:
        with self._lock:
            rule = next((rule for rule in self._rules if rule.fits(method, path)), None)
            name = type(rule.fault).__name__ if rule else ""
            self.seen.append(Seen(method, path, name, headers))
            if rule is None:
                return None
            rule.met += 1
            return rule.fault

    def wait_healed(self) -> None:
        self._healed.wait(120)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128
    between: Between

    def __init__(self, *args: Any) -> None:
        self._open: set[socket.socket] = set()
        super().__init__(*args)

    def process_request(self, request: Any, client_address: Any) -> None:
        self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        self._open.discard(request)
        super().shutdown_request(request)

    def hang_up(self) -> None:
        for each in list(self._open):
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)

    def handle_error(self, *_: Any) -> None:
        """A client that went away is what this is for."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # Headers and body in one packet.
    wbufsize = 1 << 20
    disable_nagle_algorithm = True
    server: _Server

    def _handle(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        between = self.server.between
        fault = between.fault_of(self.command, self.path, dict(self.headers.items()))
        match fault:
            case Answer(status, code, own):
                self._say(status, (own or f"<Error><Code>{code}</Code></Error>").encode())
                return
            case Swallow():
                self._say(200, b"", {"ETag": f'"{hashlib.md5(body).hexdigest()}"'})
                return
            case Hang() | HangUp():
                if isinstance(fault, Hang):
                    between.wait_healed()
                self.close_connection = True
                return
            case Delay(seconds):
                time.sleep(seconds)
        try:
            status, headers, answer = self._passed_on(body)
        except (OSError, http.client.HTTPException):
            self.close_connection = True
            return
        if isinstance(fault, LoseAnswer):
            self.close_connection = True
            return
        if isinstance(fault, Spoil) and answer:
            middle = len(answer) // 2
            answer = answer[:middle] + bytes([answer[middle] ^ 1]) + answer[middle + 1 :]
        self._say(status, answer, headers, fault.after if isinstance(fault, CutOff) else None)

    do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = _handle  # noqa: N815

    def _passed_on(self, body: bytes) -> tuple[int, Message, bytes]:
        onward = http.client.HTTPConnection("127.0.0.1", self.server.between.target, timeout=60)
        try:
            onward.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
            for name, value in self.headers.items():
                # The signature covers the host as the portal calls it.
                if name.lower() not in ("connection", "expect"):
                    onward.putheader(name, value)
            onward.endheaders(body)
            answer = onward.getresponse()
            return answer.status, answer.headers, answer.read()
        finally:
            onward.close()

    def _say(
        self,
        status: int,
        body: bytes,
        headers: Message | dict[str, str] | None = None,
        cut: int | None = None,
    ) -> None:
        self.send_response_only(status)
        length = str(len(body))
        for name, value in (headers or {}).items():
            if name.lower() == "content-length" and self.command == "HEAD":
                length = value
            elif name.lower() not in ("connection", "content-length", "transfer-encoding"):
                self.send_header(name, value)
        self.send_header("Content-Length", length)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body[:cut])
        self.wfile.flush()
        self.close_connection = cut is not None


# -- Fixtures --------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def seaweed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Seaweed]:
    server = Seaweed(tmp_path_factory.mktemp("seaweed"))
    yield server
    server.close()


@pytest.fixture
def bucket(seaweed: Seaweed) -> Iterator[Bucket]:
    seaweed.start()
    own = seaweed.new_bucket()
    yield own
    seaweed.start()
    own.remove()


@pytest.fixture
def between(seaweed: Seaweed) -> Iterator[Between]:
    server = Between(seaweed.port)
    yield server
    server.close()
