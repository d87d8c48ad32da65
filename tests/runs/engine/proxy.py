"""A way to PostgreSQL on which answers to commits get lost."""

import random
import select
import socket
import threading
from pathlib import Path


class LosingProxy:
    """Passes bytes on; at some COMMITs it cuts the connection, before or after passing it on."""

    def __init__(self, host, port, share, seed):
        self._target = (host, int(port))
        self._share = share
        self._random = random.Random(seed)
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self.lost_before = self.lost_after = 0
        self._server = socket.create_server(("127.0.0.1", 0))
        self._server.settimeout(0.1)
        self.port = self._server.getsockname()[1]
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    def close(self):
        self._ended.set()
        for thread in self._threads:
            thread.join()
        self._server.close()

    def _connect(self):
        host, port = self._target
        if host.startswith("/"):
            upstream = socket.socket(socket.AF_UNIX)
            upstream.connect(str(Path(host) / f".s.PGSQL.{port}"))
            return upstream
        return socket.create_connection(self._target)

    def _accept(self):
        while not self._ended.is_set():
            try:
                client = self._server.accept()[0]
            except TimeoutError:
                continue
            thread = threading.Thread(target=self._pass_on, args=(client,))
            self._threads.append(thread)
            thread.start()

    def _pass_on(self, client):
        with client, self._connect() as upstream:
            while not self._ended.is_set():
                readable, _, _ = select.select([client, upstream], [], [], 0.1)
                for end in readable:
                    try:
                        data = end.recv(65_536)
                    except OSError:
                        return
                    if not data:
                        return
                    if end is upstream:
                        client.sendall(data)
                    elif b"COMMIT" in data and (lost := self._judge()):
                        if lost == "after":
                            upstream.sendall(data)
                            upstream.recv(1)  # it is committed by now
                        return
                    else:
                        upstream.sendall(data)

    def _judge(self):
        with self._lock:
            if self._random.random() >= self._share:
                return None
            if self._random.random() < 0.3:
                self.lost_before += 1
                return "before"
            self.lost_after += 1
            return "after"
