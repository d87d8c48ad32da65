"""The soak of the live streams: whatever falls over, each client ends up with the table's rows.

Writers record into many runs while clients follow their streams, go and come back; meanwhile
Valkey, PostgreSQL and two web processes are killed and started again. At the end each client's
sequence must be its run's log, number by number and word by word; each page with the list must
show each run as it is; each commit of the writers must stand in the table once.
"""

from __future__ import annotations

import argparse
import os
import random
import time
from collections.abc import Sequence
from typing import Any

from config.embedded.processes import wait_until
from tests.bench.stage import Stage
from tests.bench.stream_scene import cookie, make_runs
from tests.chaos import running
from tests.chaos.processes import Counter, Failed, Part, counter, parts

WRITERS = 3
# Seconds between two mishaps.
PAUSES = (1.0, 6.0)
# Seconds after which all have begun, writers must have come to their end, and then clients.
STARTING_PATIENCE = 60.0
WRITERS_PATIENCE = 120.0
CLIENTS_PATIENCE = 90.0
PROGRESS_SECONDS = 10.0


def main(arguments: Sequence[str] | None = None) -> int:
    options = _options(arguments)
    # One account has them all, and those of both processes where one is away; a stream that was
    # cut counts until its process has heard of it.
    os.environ["STREAMS_PER_ACCOUNT"] = str(4 * (options.clients + options.pages))
    plan = (
        f"{options.clients} clients and {options.pages} pages,"
        f" {options.events:,} events in {options.runs} runs over {options.seconds:.0f} s"
    )
    return running.run(options.seed, plan, lambda at, say: Soak(at, options, say).run())


class Soak:
    def __init__(self, at: Stage, options: argparse.Namespace, say: Any) -> None:
        self._at, self._options, self._say = at, options, say
        self._dice = random.Random(options.seed)

    def run(self) -> list[str]:
        from django.conf import settings
        from django.db import connection

        from runs import ids
        from tests.chaos.mishaps import Mishaps
        from tests.runs.streams.servers import Web

        options = self._options
        runs = make_runs(options.runs)
        listened = [ids.encode("run", runs[n % len(runs)]) for n in range(options.clients)]
        webs: list[Web] = []
        with parts() as start:
            try:
                for name in ("first", "second"):
                    folder = self._at.folder / name
                    app = "config.asgi:application"
                    webs.append(Web(folder, settings.REDIS_URL, application=app))
                received, written = counter(), [counter() for _ in range(WRITERS)]
                clients = start(
                    "the clients",
                    "tests.chaos.listeners:listen",
                    self._seed(),
                    [web.port for web in webs],
                    cookie(),
                    listened,
                    options.pages,
                    received,
                )
                writers = [
                    start(
                        f"writer {n}",
                        "tests.chaos.writer:write",
                        f"w{n}",
                        self._seed(),
                        runs,
                        runs[n::WRITERS],
                        _share(options.events, n),
                        options.seconds,
                        written[n],
                    )
                    for n in range(WRITERS)
                ]
                connection.close()
                _wait_for_all(received, *written)
                mishaps = Mishaps(self._at, webs, self._dice)
                self._break(mishaps, [clients, *writers], writers, received, written)
                told = [writer.answer(WRITERS_PATIENCE) for writer in writers]
                memory = [f"{web.resident_bytes() / 1e6:.0f} MB" for web in webs]
                self._say(
                    f"all is written; unsure of {sum(t['unsure'] for t in told)} commits,"
                    f" {sum(t['repeated'] for t in told)} of them repeated;"
                    f" web processes of {' and '.join(memory)}"
                )
                return self._judge(clients, told)
            finally:
                for web in webs:
                    web.end()

    def _break(
        self,
        mishaps: Any,
        watched: list[Part],
        writers: list[Part],
        received: Counter,
        written: list[Counter],
    ) -> None:
        """One mishap after the other until all is written, but each kind once."""
        told = time.monotonic()
        deadline = told + self._options.seconds + WRITERS_PATIENCE
        steps = mishaps.endless()
        while True:
            for part in watched:
                if part not in writers and part.has_answer:
                    part.answer(0)  # it broke
                    raise Failed(f"{part.name} ended too early")
            if all(writer.has_answer for writer in writers):
                if mishaps.counts.total() >= mishaps.one_round:
                    return
            elif time.monotonic() > deadline:
                raise Failed("the writers do not come to an end")
            kind = next(steps)
            total = sum(each.value for each in written)
            self._say(f"{kind:<36} {total:>7,} written {received.value:>9,} received")
            time.sleep(self._dice.uniform(*PAUSES))

    def _judge(self, clients: Part, told: list[dict[str, Any]]) -> list[str]:
        from tests.chaos import judging
        from tests.chaos.pages import rows

        logs, wanted = judging.stored_logs(), rows()
        last = {run: len(log) for run, log in logs.items()}
        clients.tell((last, wanted, CLIENTS_PATIENCE))
        found = clients.answer(CLIENTS_PATIENCE + 60)
        commits = {
            f"w{n}.{number}": size
            for n, each in enumerate(told)
            for number, size in enumerate(each["sizes"])
        }
        problems = judging.of_logs(logs) + judging.of_commits(judging.stored_commits(), commits)
        count = sum(last.values()) - len(last)
        if count != self._options.events:
            problems.append(f"the table has {count:,} events, not {self._options.events:,}")
        for n, client in enumerate(found["clients"]):
            name = f"client {n} of {client['run']}"
            problems += judging.of_client(name, client["received"], logs[client["run"]])
            problems += [f"{name}: was answered {status}" for status in client["refused"]]
        for n, page in enumerate(found["pages"]):
            problems += judging.of_page(f"page {n}", page["shown"], wanted)
            problems += [f"page {n}: was answered {status}" for status in page["refused"]]
        self._say(_summary(found))
        return problems

    def _seed(self) -> str:
        return str(self._dice.random())


def _summary(found: dict[str, Any]) -> str:
    def sums(kind: str, key: str) -> int:
        return sum(each[key] for each in found[kind])

    return (
        f"{sum(len(c['received']) for c in found['clients']):,} events received by clients that"
        f" were cut off {sums('clients', 'cut'):,} times, left {sums('clients', 'left'):,} times"
        f" and had to wait {sums('clients', 'put_off'):,} times; pages opened"
        f" {sums('pages', 'opened'):,} times, {sums('pages', 'notices'):,} notices,"
        f" {sums('pages', 'resets'):,} resets"
    )


def _wait_for_all(*counters: Counter) -> None:
    """Until each of them has begun."""
    if not wait_until(lambda: all(each.value for each in counters), STARTING_PATIENCE):
        raise Failed("clients and writers do not begin")


def _share(events: int, writer: int) -> int:
    return events // WRITERS + (writer < events % WRITERS)


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="make chaos streams",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--seed", type=int, default=int.from_bytes(os.urandom(3), "big"))
    parser.add_argument("--clients", type=int, default=200)
    parser.add_argument("--pages", type=int, default=10, help="clients of the list's stream")
    parser.add_argument("--runs", type=int, default=50)
    parser.add_argument("--events", type=int, default=100_000)
    parser.add_argument("--seconds", type=float, default=180, help="for writing them")
    options = parser.parse_args(arguments)
    if options.events < 10 * options.runs:
        parser.error("there must be ten events a run at least")
    return options
