"""A small real server beside the tests: a service to be called, and one that speaks OpenAI's chat
API. What it is to answer stands in the address or in the question; what it was asked, it keeps.
"""

from __future__ import annotations

import json
import threading
import time
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

USAGE = {"prompt_tokens": 1000, "completion_tokens": 200,
         "prompt_tokens_details": {"cached_tokens": 400}}  # fmt: skip


class Service(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), _Handler)
        self.asked = []
        self.times = Counter()
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_port}"

    def close(self):
        self.shutdown()
        self.server_close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Service

    def log_message(self, *_):
        pass

    def do_GET(self):
        parts = urlsplit(self.path)
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        question = json.loads(body) if body else None
        self.server.asked.append((self.command, self.path, dict(self.headers), question))
        self.server.times[parts.path] += 1
        if parts.path == "/v1/chat/completions":
            return self.chat(question)
        return getattr(self, parts.path.strip("/").partition("/")[0])(parts, question)

    do_POST = do_PUT = do_DELETE = do_GET

    # -- A service ---------------------------------------------------------------------------

    def echo(self, parts, question):
        found = {"path": parts.path, "query": parse_qs(parts.query), "body": question}
        self.answer(200, found)

    def status(self, parts, question):
        self.answer(int(parts.path.rpartition("/")[2]), {"error": "as asked"})

    def busy_once(self, parts, question):
        """Wants to be left for a second, then answers."""
        if self.server.times[parts.path] == 1:
            return self.answer(429, {"error": "busy"}, {"Retry-After": "2"})
        return self.answer(200, {"done": True})

    def elsewhere(self, parts, question):
        self.answer(302, {}, {"Location": parse_qs(parts.query)["to"][0]})

    def large(self, parts, question):
        self.answer(200, {"text": "x" * 2_000_000})

    def broken(self, parts, question):
        self.send_response(200)
        self.send_header("Content-Length", "100")
        self.end_headers()
        self.wfile.write(b"half")
        self.close_connection = True

    def slow(self, parts, question):
        time.sleep(5)
        self.answer(200, {})

    def secret(self, parts, question):
        """Tells what it was told in confidence."""
        self.answer(200, {"authorization": self.headers["Authorization"]})

    # -- A model's server --------------------------------------------------------------------

    def chat(self, question):
        said = question["messages"][-1]["content"]
        if said.startswith("busy") and self.server.times["/v1/chat/completions"] % 2:
            return self.answer(429, {"error": {"message": "slow down"}}, {"Retry-After": "1"})
        if said.startswith("refuse"):
            return self.answer(400, {"error": {"message": "no such model"}})
        if said.startswith("hang"):
            time.sleep(30)
        text = said.partition("say ")[2] or "Hello."
        usage = None if said.startswith("mum") else USAGE
        if question.get("stream"):
            return self.stream(text, usage, cut=said.startswith("cut"))
        choice = {"message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
        return self.answer(200, {"model": question["model"], "choices": [choice], "usage": usage})

    def stream(self, text, usage, *, cut):
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Connection", "close")
        self.end_headers()
        middle = len(text) // 2
        for part in (text[:middle], text[middle:]):
            self.frame({"choices": [{"delta": {"content": part}, "finish_reason": None}]})
            if cut:
                self.close_connection = True
                return
        self.frame({"choices": [{"delta": {}, "finish_reason": "stop"}]})
        if usage:
            self.frame({"choices": [], "usage": usage})
        self.wfile.write(b"data: [DONE]\n\n")
        self.close_connection = True

    def frame(self, value):
        self.wfile.write(f"data: {json.dumps(value)}\n\n".encode())
        self.wfile.flush()

    def answer(self, status, value, headers=()):
        content = json.dumps(value).encode()
        self.send_response(status)
        for name, each in dict(headers).items():
            self.send_header(name, each)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)
