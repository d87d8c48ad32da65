"""Many open streams read by one process, cheaply: a process for ``bench_stream``.

Given by argument, as JSON: port, cookie and the run of each stream. Says ``open`` when all are,
and when its input ends, as JSON: for each stream [time, first id, last id] of each heap read.
"""

from __future__ import annotations

import asyncio
import json
import re
import sys
import time
from typing import Any

_FRAME = re.compile(rb"id: (\d+)\nevent: \w+\ndata: [^\n]*\n\n")


class Reader(asyncio.Protocol):
    def __init__(self, request: bytes, opened: asyncio.Semaphore) -> None:
        self._request, self._opened = request, opened
        self._rest = b""
        self._is_open = False
        self.heaps: list[tuple[float, int, int]] = []
        # Numbers that did not follow the one before.
        self.jumps: list[tuple[int, int]] = []
        self._last: int | None = None

    def connection_made(self, transport: Any) -> None:
        transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        now = time.time()
        data = self._rest + data
        if not self._is_open and b": open\n\n" in data:
            assert data.startswith(b"HTTP/1.1 200"), data
            self._is_open = True
            self._opened.release()
        end = 0
        ids = []
        for found in _FRAME.finditer(data):
            ids.append(int(found[1]))
            end = found.end()
        self._rest = data[end:] if self._is_open else data
        if not ids:
            return
        for seq in ids:
            if self._last is not None and seq != self._last + 1:
                self.jumps.append((self._last, seq))
            self._last = seq
        self.heaps.append((now, ids[0], ids[-1]))


async def read(port: int, cookie: str, runs: list[str]) -> list[Reader]:
    loop = asyncio.get_running_loop()
    opened = asyncio.Semaphore(0)
    readers = []
    for run in runs:
        request = f"GET /api/sse-logs/{run} HTTP/1.1\r\nHost: 127.0.0.1\r\nCookie: {cookie}\r\n\r\n"
        reader = Reader(request.encode(), opened)
        await loop.create_connection(lambda reader=reader: reader, "127.0.0.1", port)
        readers.append(reader)
    for _ in runs:
        await asyncio.wait_for(opened.acquire(), 30)
    print("open", flush=True)
    await loop.run_in_executor(None, sys.stdin.read)
    return readers


if __name__ == "__main__":
    given = json.loads(sys.argv[1])
    done = asyncio.run(read(given["port"], given["cookie"], given["runs"]))
    json.dump([{"heaps": r.heaps, "jumps": r.jumps} for r in done], sys.stdout)
