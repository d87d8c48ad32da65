"""The recorder against plain multi-row INSERTs of the same rows into a like table.

Batches of 100 events from 4 connections: into one hot run, each into one of 100 runs, and each
spread over 100 runs. Rounds of the two alternate; the figures are medians over the rounds.
"""

import json
import multiprocessing
import statistics
import time
import uuid
from concurrent.futures import ProcessPoolExecutor
from typing import Any

from tests.bench.stage import stage

CONNECTIONS = 4
BATCH = 100
SECONDS = 3.0
ROUNDS = 5
COLUMNS = "run_id, seq, kind, node, attempt, actor, at, recorded_at, data"
SHAPES = ("hot", "one_of_100", "over_100")


def setup_client() -> None:
    import django

    django.setup()


def batches(shape: str, run_ids: list[uuid.UUID], client: int) -> Any:
    """Endless batches of run ids, one for each event to be."""
    number = client
    while True:
        if shape == "hot":
            yield [run_ids[0]] * BATCH
        elif shape == "one_of_100":
            yield [run_ids[number * 7 % len(run_ids)]] * BATCH
        else:
            yield run_ids
        number += 1


def record_client(shape: str, run_ids: list[uuid.UUID], client: int) -> int:
    """Events recorded in the time."""
    from django.utils import timezone

    from runs import recorder
    from runs.rows import NewEvent
    from runs.states import Kind

    data = {"level": "info", "message": "page 3 of 12 read, 41 lines, nothing unusual found"}
    count, ended = 0, time.monotonic() + SECONDS
    for batch in batches(shape, run_ids, client):
        if time.monotonic() > ended:
            return count
        events: dict[uuid.UUID, list[NewEvent]] = {}
        for run_id in batch:
            events.setdefault(run_id, []).append(NewEvent(Kind.LOG, "extract", 1, data=data))
        recorder.record(events, now=timezone.now())
        count += len(batch)
    return count


def insert_client(shape: str, run_ids: list[uuid.UUID], client: int) -> int:
    from django.db import connection
    from django.utils import timezone
    from psycopg import Cursor
    from psycopg.types.json import Jsonb

    data = Jsonb({"level": "info", "message": "page 3 of 12 read, 41 lines, nothing unusual found"})
    row = "(%s, %s, 'log', 'extract', 1, '', %s, %s, %s)"
    statement = f"INSERT INTO like_events ({COLUMNS}) VALUES {', '.join([row] * BATCH)}"
    connection.ensure_connection()
    cursor = Cursor(connection.connection)
    # Numbers that no other client and round uses.
    seq = (client * ROUNDS * len(SHAPES) + time.monotonic_ns() // 10**9 % 400) * 5_000_000 % 2**31
    count, ended = 0, time.monotonic() + SECONDS
    for batch in batches(shape, run_ids, client):
        if time.monotonic() > ended:
            return count
        values: list[Any] = []
        now = timezone.now()
        for run_id in batch:
            seq += 1
            values += [run_id, seq, now, now, data]
        cursor.execute(statement, values)
        count += len(batch)
    return count


def rate(pool: ProcessPoolExecutor, client: Any, shape: str, run_ids: list[uuid.UUID]) -> float:
    waiting = [pool.submit(client, shape, run_ids, number) for number in range(CONNECTIONS)]
    return sum(done.result() for done in waiting) / SECONDS


def main() -> None:
    with stage():
        from django.db import connection
        from django.utils import timezone

        from runs import recorder
        from runs.models import Workflow
        from tests.runs.conftest import executor_node, new_run

        nodes = [executor_node("first"), executor_node("second", needs=["first"])]
        version = Workflow.objects.publish("bench", {"nodes": nodes})
        new = [new_run(version) for _ in range(100)]
        recorder.create(new, now=timezone.now())
        run_ids = [n.id for n in new]
        with connection.cursor() as cursor:
            cursor.execute("CREATE TABLE like_events (LIKE event_tracking INCLUDING ALL)")
        figures: dict[str, Any] = {"connections": CONNECTIONS, "batch": BATCH, "rounds": ROUNDS}
        with ProcessPoolExecutor(
            CONNECTIONS, multiprocessing.get_context("spawn"), initializer=setup_client
        ) as pool:
            for client in (record_client, insert_client):
                rate(pool, client, "hot", run_ids)  # warm up
            for shape in SHAPES:
                pairs = []
                for _ in range(ROUNDS):
                    with connection.cursor() as cursor:
                        cursor.execute("TRUNCATE like_events")
                    plain = rate(pool, insert_client, shape, run_ids)
                    ours = rate(pool, record_client, shape, run_ids)
                    pairs.append((ours, plain))
                figures[shape] = {
                    "recorder_events_per_s": round(statistics.median(o for o, _ in pairs)),
                    "plain_rows_per_s": round(statistics.median(p for _, p in pairs)),
                    "ratio": round(statistics.median(o / p for o, p in pairs), 3),
                }
        print(json.dumps({"recorder": figures}), flush=True)


if __name__ == "__main__":
    main()
