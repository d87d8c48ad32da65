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

_ID = re.compile(rb"(?:^|\n)id: (\d+)\n")


# Streams that are being opened at one time: browsers do not come all in one instant.
AT_ONCE = 100


class Reader(asyncio.Protocol):
    def __init__(self, request: bytes) -> None:
        self._request = request
        self._rest = b""
        self.status: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._is_open = False
        self.heaps: list[tuple[float, int, int]] = []
        # Numbers that did not follow the one before.
        self.jumps: list[tuple[int, int]] = []
        self._last: int | None = None

    def connection_made(self, transport: Any) -> None:
        self._transport = transport
        transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        now = time.time()
        data = self._rest + data
        if not self._is_open:
            if not data.startswith(b"HTTP/1.1 200"):
                self._transport.close()
                if not self.status.done():
                    self.status.set_result(int(data[9:12]))
                return
            if b": open\n\n" not in data:
                self._rest = data
                return
            self._is_open = True
            self.status.set_result(200)
        # Pieces end with a frame, so most of what comes has no rest.
        ids = [int(found) for found in _ID.findall(data)]
        end = data.rfind(b"\n\n") + 2
        self._rest = data[end:]
        if _ID.search(self._rest):
            ids.pop()  # it comes again with its end
        if not ids:
            return
        for seq in ids:
            if self._last is not None and seq != self._last + 1:
                self.jumps.append((self._last, seq))
            self._last = seq
        self.heaps.append((now, ids[0], ids[-1]))

    def connection_lost(self, _: Exception | None) -> None:
        if not self.status.done():
            self.status.set_result(0)


async def read(port: int, cookie: str, runs: list[str]) -> list[Reader]:
    loop = asyncio.get_running_loop()
    some = asyncio.Semaphore(AT_ONCE)

    async def opened(run: str) -> Reader:
        request = f"GET /api/sse-logs/{run} HTTP/1.1\r\nHost: 127.0.0.1\r\nCookie: {cookie}\r\n\r\n"
        async with some:
            for _ in range(20):
                reader = Reader(request.encode())
                await loop.create_connection(lambda reader=reader: reader, "127.0.0.1", port)
                if (status := await asyncio.wait_for(reader.status, 30)) == 200:
                    return reader
                assert status in (0, 503), status
                await asyncio.sleep(0.5)
        raise AssertionError("a stream does not open")

    readers = list(await asyncio.gather(*map(opened, runs)))
    print("open", flush=True)
    await loop.run_in_executor(None, sys.stdin.read)
    return readers


if __name__ == "__main__":
    given = json.loads(sys.argv[1])
    done = asyncio.run(read(given["port"], given["cookie"], given["runs"]))
    json.dump([{"heaps": r.heaps, "jumps": r.jumps} for r in done], sys.stdout)
