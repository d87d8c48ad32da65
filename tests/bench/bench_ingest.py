"""Ingest over HTTP against plain multi-row INSERTs of the same rows into a like table.

Two web processes, four connections, batches of 100 events; a list's stream is open. Four shapes:
into one hot run, each batch into one of 100 runs, each batch spread over 100 runs, and whole runs
that begin and end in their batch. The plain rows are as durable: same indexes, fsync,
synchronous_commit. Rounds of the two alternate; the figures are medians over the rounds.
"""

from __future__ import annotations

import argparse
import http.client
import json
import multiprocessing
import statistics
import time
import uuid
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

from tests.bench.stage import stage

CONNECTIONS = 4
BATCH = 100
SHAPES = ("hot", "one_of_100", "over_100", "whole_runs")
COLUMNS = "run_id, seq, kind, node, attempt, actor, at, recorded_at, data, source_id, sender_id"
MESSAGE = "page 3 of 12 read, 41 lines, nothing unusual found"
AT = "2026-01-31T02:00:0{}.123456Z"


_start: Any = None


def setup_client(start: Any) -> None:
    import django

    django.setup()
    global _start
    _start = start


# -- Events ----------------------------------------------------------------------------------


def batches(shape: str, client: int, begin: int) -> Iterator[list[dict[str, Any]]]:
    """Endless batches of events that no other client or round sends."""
    number = 0
    while True:
        name = f"{begin}-{client}-{number:07}"
        number += 1
        if shape == "whole_runs":
            yield [e for run in range(10) for e in whole_run(f"{name}-{run}")]
            continue
        runs = {
            "hot": ["hot"] * BATCH,
            "one_of_100": [f"run{(number * 7 + client) % 100}"] * BATCH,
            "over_100": [f"run{place}" for place in range(BATCH)],
        }[shape]
        yield [event(f"{name}-{place:03}", run, *mixed(place)) for place, run in enumerate(runs)]


def event(event_id: str, run: str, type_: str, data: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {
        "event_id": event_id, "source": "bench", "external_id": run, "type": type_,
        "node": "extract", "attempt": 1, "at": AT.format(3), "data": data, **more,
    }  # fmt: skip


def mixed(place: int) -> tuple[str, dict[str, Any]]:
    """Mostly log lines; some that change the node and the run."""
    if place % 10 == 4:
        return "progress", {"done": place, "total": 1_000}
    if place % 20 == 9:
        return "llm_call", {"model": "m", "input_tokens": 9, "output_tokens": 3, "cost": "0.001"}
    return "log", {"level": "info", "message": MESSAGE}


def whole_run(name: str) -> list[dict[str, Any]]:
    created = event(f"{name}-0", name, "run_created", {}, workflow="bench", input={"page": 3})
    ended = event(f"{name}-9", name, "run_completed", {})
    for each in (created, ended):
        del each["node"], each["attempt"]
    types = ["node_started", "log", "log", "log", "log", "log", "log", "node_completed"]
    datas = {"node_started": {"input": {"page": 3}}, "node_completed": {"output": {"lines": 41}}}
    log = {"level": "info", "message": MESSAGE}
    middle = [
        event(f"{name}-{place}", name, type_, datas.get(type_, log))
        for place, type_ in enumerate(types, 1)
    ]
    return [created, *middle, ended]


# -- Clients ---------------------------------------------------------------------------------


def send_client(shape: str, client: int, begin: int, seconds: float, port: int, token: str) -> int:
    """Events stored in the time."""
    made = batches(shape, client, begin)
    bodies = [json.dumps(next(made)).encode() for _ in range(int(seconds * 120) + 20)]
    headers = {"Content-Type": "application/json", "Authorization": f"Bearer {token}"}
    connection = http.client.HTTPConnection("127.0.0.1", port)
    connection.connect()
    _start.wait(120)
    stored, ended = 0, time.monotonic() + seconds
    for body in bodies:
        if time.monotonic() > ended:
            return stored
        connection.request("POST", "/api/events", body, headers)
        answer = json.load(connection.getresponse())
        assert (answer.get("stored"), answer.get("refused")) == (BATCH, 0), answer
        stored += BATCH
    raise AssertionError("too few bodies were made")


def insert_client(
    shape: str, client: int, begin: int, seconds: float, port: int, token: str
) -> int:
    from django.db import connection
    from django.utils import timezone
    from psycopg import Cursor
    from psycopg.types.json import Jsonb

    row = "(%s, %s, %s, %s, %s, %s, %s, %s, %s, 1, %s)"
    statement = f"INSERT INTO like_events ({COLUMNS}) VALUES {', '.join([row] * BATCH)}"
    connection.ensure_connection()
    cursor = Cursor(connection.connection)
    made = batches(shape, client, begin)
    space = uuid.UUID(int=begin)
    ready = []
    seq = client * 100_000_000
    now = timezone.now()
    for _ in range(int(seconds * 400) + 20):
        values: list[Any] = []
        for each in next(made):
            seq += 1
            run = uuid.uuid5(space, each["external_id"])
            values += [run, seq, each["type"].replace("run_completed", "state_changed"),
                       each.get("node", ""), each.get("attempt"), "", now, now,
                       Jsonb(each["data"]), each["event_id"]]  # fmt: skip
        ready.append(values)
    _start.wait(120)
    stored, ended = 0, time.monotonic() + seconds
    for values in ready:
        if time.monotonic() > ended:
            return stored
        cursor.execute(statement, values)
        stored += BATCH
    raise AssertionError("too few rows were made")


def rate(
    pool: ProcessPoolExecutor, client: Any, shape: str, begin: int, seconds: float,
    ports: list[int], token: str,
) -> float:  # fmt: skip
    waiting = [
        pool.submit(client, shape, number, begin, seconds, ports[number % len(ports)], token)
        for number in range(CONNECTIONS)
    ]
    return sum(done.result() for done in waiting) / seconds


# -- The stage -------------------------------------------------------------------------------


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=4)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--shapes", default=",".join(SHAPES))
    options = parser.parse_args()
    with stage() as folder:
        print(json.dumps({"ingest": bench(folder, options)}), flush=True)


def bench(folder: Path, options: argparse.Namespace) -> dict[str, Any]:
    from django.conf import settings
    from django.db import connection

    from tests.bench.bench_stream import cookie
    from tests.runs.streams.client import Stream
    from tests.runs.streams.servers import Web

    token = make_token()
    session = cookie()
    webs = []
    for number in range(2):
        place = folder / f"web{number}"
        (place / "logs").mkdir(parents=True)
        webs.append(Web(place, settings.REDIS_URL, application="config.asgi:application"))
    ports = [web.port for web in webs]
    context = multiprocessing.get_context("spawn")
    figures: dict[str, Any] = {
        "web_processes": len(webs), "connections": CONNECTIONS, "batch": BATCH,
        "rounds": options.rounds, "seconds": options.seconds,
    }  # fmt: skip
    try:
        prepare(ports[0], token)
        with connection.cursor() as cursor:
            cursor.execute("CREATE TABLE like_events (LIKE event_tracking INCLUDING ALL)")
        with (
            Stream(ports[0], "/api/sse-runs", {"Cookie": session}) as stream,
            ProcessPoolExecutor(
                CONNECTIONS,
                context,
                initializer=setup_client,
                initargs=(context.Barrier(CONNECTIONS),),
            ) as pool,
        ):
            assert stream.status == 200
            begin = time.time_ns() // 1_000_000
            rate(pool, send_client, "hot", begin, 2, ports, token)  # warm up
            for shape in options.shapes.split(","):
                pairs = []
                for _ in range(options.rounds):
                    begin += 1
                    with connection.cursor() as cursor:
                        cursor.execute("TRUNCATE like_events")
                    plain = rate(pool, insert_client, shape, begin, options.seconds, ports, token)
                    ours = rate(pool, send_client, shape, begin, options.seconds, ports, token)
                    pairs.append((ours, plain))
                figures[shape] = {
                    "ingest_events_per_s": round(statistics.median(o for o, _ in pairs)),
                    "plain_rows_per_s": round(statistics.median(p for _, p in pairs)),
                    "ratio": round(statistics.median(o / p for o, p in pairs), 3),
                }
                print(json.dumps({shape: figures[shape]}), flush=True)
        figures["web_mb"] = [round(web.resident_bytes() / 1e6) for web in webs]
    finally:
        for web in webs:
            web.stop()
    return figures


def prepare(port: int, token: str) -> None:
    """The runs that are reported on."""
    names = ["hot", *(f"run{number}" for number in range(100))]
    events = [
        event(f"prepare-{name}", name, "node_started", {"input": {}}, workflow="bench")
        for name in names
    ]
    connection = http.client.HTTPConnection("127.0.0.1", port)
    headers = {"Content-Type": "application/json", "Authorization": f"Bearer {token}"}
    connection.request("POST", "/api/events", json.dumps(events), headers)
    answer = json.load(connection.getresponse())
    assert answer.get("stored") == len(names), answer


def make_token() -> str:
    from django.utils import timezone

    from runs import tokens
    from runs.models import User

    user, _ = User.objects.get_or_create(username="bench", is_staff=True, is_superuser=True)
    now = timezone.now()
    made = tokens.make(user, name="b", scopes=["ingest"], days=9, by=user.as_actor(), now=now)
    return made[1]


if __name__ == "__main__":
    main()
