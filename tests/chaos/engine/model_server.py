"""What nodes call, in a process of its own that is killed too: ``PORT FILE``.

Each call has a serial number, which is also what it says it used of tokens: so a row in the
ledger tells which call it is of. What was asked and what was answered stands in the file, before
the answer is sent.
"""

from __future__ import annotations

import json
import random
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple


class Call(NamedTuple):
    n: int
    node: str
    answered: bool


def calls(file: Path) -> dict[int, Call]:
    """The calls that reached the server, by their serial numbers."""
    found: dict[int, Call] = {}
    for line in file.read_text().splitlines():
        said = json.loads(line)
        if said["what"] == "asked":
            found[said["serial"]] = Call(said["n"], said["node"], answered=False)
        elif said["what"] == "answered":
            found[said["serial"]] = found[said["serial"]]._replace(answered=True)
    return found


def sent(file: Path) -> list[str]:
    """The keys of what was sent to be done once, each as often as it came."""
    lines = map(json.loads, file.read_text().splitlines())
    return [said["key"] for said in lines if said["what"] == "sent"]


class Server(ThreadingHTTPServer):
    daemon_threads = True
    allow_reuse_address = True
    request_queue_size = 64

    def __init__(self, port: int, file: Path) -> None:
        super().__init__(("127.0.0.1", port), Handler)
        self._lock = threading.Lock()
        self._serial = max(calls(file), default=0) if file.exists() else 0
        self._file = file.open("a", buffering=1)
        self.dice = random.Random(self._serial)

    def note(self, what: str, **said: Any) -> None:
        with self._lock:
            self._file.write(json.dumps({"what": what, **said}) + "\n")

    def next_serial(self, n: int, node: str) -> int:
        with self._lock:
            self._serial += 1
            line = {"what": "asked", "serial": self._serial, "n": n, "node": node}
            self._file.write(json.dumps(line) + "\n")
            return self._serial


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Server

    def log_message(self, *_: Any) -> None:
        pass

    def do_GET(self) -> None:
        self.answer({"path": self.path})

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.path.startswith("/v1/"):
            return self.chat(json.loads(body))
        self.server.note("sent", key=self.headers["Idempotency-Key"])
        return self.answer({"taken": True})

    def chat(self, question: dict[str, Any]) -> None:
        n, _, node = question["messages"][-1]["content"].partition(" ")
        serial = self.server.next_serial(int(n), node)
        # Every third answer is not what was asked for.
        text = '{"total": 1}' if serial % 3 else "much"
        usage = {"prompt_tokens": serial, "completion_tokens": 1}
        pause = self.server.dice.uniform(0.02, 0.4)
        if not question.get("stream"):
            time.sleep(pause)
            self.server.note("answered", serial=serial)
            choice = {"message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
            return self.answer({"model": "tiny-1", "choices": [choice], "usage": usage})
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Connection", "close")
        self.end_headers()
        for part in text:
            self.frame({"choices": [{"delta": {"content": part}, "finish_reason": None}]})
            time.sleep(pause / 4)
        self.frame({"choices": [{"delta": {}, "finish_reason": "stop"}]})
        self.server.note("answered", serial=serial)
        self.frame({"choices": [], "usage": usage})
        self.wfile.write(b"data: [DONE]\n\n")
        self.close_connection = True
        return None

    def frame(self, value: Any) -> None:
        self.wfile.write(f"data: {json.dumps(value)}\n\n".encode())
        self.wfile.flush()

    def answer(self, value: Any) -> None:
        content = json.dumps(value).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


if __name__ == "__main__":
    Server(int(sys.argv[1]), Path(sys.argv[2])).serve_forever()
