"""Writes made-up runs into the database: processes that each COPY a stretch a transaction."""

from __future__ import annotations

import multiprocessing
import pickle
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from multiprocessing.connection import Connection, wait
from multiprocessing.synchronize import Event as Flag
from typing import Any

import psycopg
from django.db import connection, transaction

from runs.models import Workflow
from runs.synthetic import problems, process
from runs.synthetic.chunks import Chunk, Order, Teller, kinds_of
from runs.synthetic.template import TABLES

# Runs of one transaction; fewer where each has rows in other tables too.
STRETCH, STRETCH_WITH_NODES = 20_000, 5_000
# Characters of a stretch that are sent at once.
_SENT = 1 << 20


class LoadError(Exception):
    """Why nothing can be loaded; fit for a person."""


@dataclass(frozen=True, slots=True)
class Progress:
    runs: int
    events: int
    seconds: float


def publish(
    until: datetime, days: int, *, planted: bool = False
) -> dict[str, tuple[int, tuple[int, ...]]]:
    """Make the workflows, unless they are there; their versions' ids. Older than all runs, but
    for the version that brings a planted problem."""
    found = {}
    with transaction.atomic():
        for kind in kinds_of(planted=planted):
            workflow, _ = Workflow.objects.get_or_create(
                slug=kind.slug, defaults={"description": kind.description}
            )
            versions = {version.number: version for version in workflow.versions.all()}
            ids = []
            for number, definition in enumerate(kind.definitions, 1):
                version = versions.get(number)
                if version is None:
                    share = (number - 1) / len(kind.definitions)
                    at = until - timedelta(days=days * (1 - share) + 1)
                    if planted and number == len(kind.versions) and kind.slug == problems.FAILING:
                        at = until - problems.AGO
                    version = workflow.versions.create(number=number, definition=definition)
                    workflow.versions.filter(pk=version.pk).update(created_at=at)
                elif version.definition != definition:
                    raise LoadError(f"there is another workflow {kind.slug} already")
                ids.append(version.pk)
            found[kind.slug] = (workflow.pk, tuple(ids))
    return found


def stretches(order: Order) -> list[tuple[int, int]]:
    bare = order.bare
    return [
        *((first, min(first + STRETCH, bare)) for first in range(0, bare, STRETCH)),
        *(
            (first, min(first + STRETCH_WITH_NODES, order.runs))
            for first in range(bare, order.runs, STRETCH_WITH_NODES)
        ),
    ]


def load(order: Order, processes: int, told: Callable[[Progress], None]) -> Progress:
    """Load everything; whole stretches only, also when interrupted, which ends it early."""
    connection.close()
    context = multiprocessing.get_context("spawn")
    enough = context.Event()
    todo = stretches(order)
    begun = time.monotonic()
    workers, ends = [], []
    for number in range(min(processes, len(todo))):
        ours, theirs = context.Pipe(duplex=False)
        given = pickle.dumps((order, todo[number::processes]))
        arguments = (given, connection.settings_dict["NAME"], theirs, enough)
        worker = context.Process(target=process.begin, args=arguments, daemon=True)
        worker.start()
        # With no other end open, a worker that dies is noticed here, and this process there.
        theirs.close()
        workers.append(worker)
        ends.append(ours)
    runs = events = 0
    stopped: BaseException | None = None
    while ends:
        try:
            ready = wait(ends)
            for end in [end for end in ends if end in ready]:
                try:
                    more = end.recv()
                except EOFError:
                    ends.remove(end)
                    continue
                if isinstance(more, str):
                    enough.set()
                    stopped = stopped or LoadError(more)
                    continue
                runs, events = runs + more[0], events + more[1]
                told(Progress(runs, events, time.monotonic() - begun))
        except KeyboardInterrupt as interrupt:
            enough.set()
            stopped = stopped or interrupt
    for worker in workers:
        worker.join()
    if stopped is not None:
        raise stopped
    if runs < order.runs:
        raise LoadError("a process that loads has died")
    return Progress(runs, events, time.monotonic() - begun)


def work(order: Order, share: Sequence[tuple[int, int]], end: Connection, enough: Flag) -> None:
    """Load a share of the stretches, in a process of its own."""
    try:
        teller = Teller(order)
        for first, last in share:
            if enough.is_set():
                return
            chunk = write(teller, first, last)
            end.send((last - first, chunk.events))
    except Exception as error:
        end.send(f"{type(error).__name__}: {error}")


def write(teller: Teller, first: int, last: int) -> Chunk:
    """Tell a stretch and commit it."""
    with loading(checked=teller.order.checked) as cursor:
        chunk = teller.chunk(first, last, lambda count: node_ids(cursor, count))
        copy(cursor, chunk.texts)
        tell(cursor, chunk.counted.values())
    return chunk


@contextmanager
def loading(*, checked: bool = False) -> Iterator[psycopg.Cursor[Any]]:
    """A transaction in which runs may begin in other states and without their log.

    Who may switch triggers off does so unless `checked`: looking up each row's parents again
    would take most of the time, and they are there by the way that rows are made.
    """
    with transaction.atomic():
        connection.ensure_connection()
        with psycopg.Cursor(connection.connection) as cursor:
            cursor.execute("SET LOCAL runs.load = 'on'")
            cursor.execute("SET LOCAL timezone = 'UTC'")
            if not checked and connection.connection.info.parameter_status("is_superuser") == "on":
                cursor.execute("SET LOCAL session_replication_role = 'replica'")
            yield cursor


def copy(cursor: psycopg.Cursor[Any], texts: dict[str, list[str]]) -> None:
    for table, columns in TABLES.items():
        lines = texts[table]
        if not lines:
            continue
        with cursor.copy(f"COPY {table} ({', '.join(columns)}) FROM STDIN") as sink:
            text = "".join(lines)
            for place in range(0, len(text), _SENT):
                sink.write(text[place : place + _SENT])


def tell(cursor: psycopg.Cursor[Any], runs: Iterable[str]) -> None:
    """Let those who count runs by the hour hear of it: one run of each hour does."""
    cursor.execute(
        "INSERT INTO outbox (run_id, first_seq, last_seq, recorded_at)"
        " SELECT id, last_seq + 1, last_seq, now() FROM jobs WHERE id = ANY(%s::uuid[])",
        [list(runs)],
    )


def node_ids(cursor: psycopg.Cursor[Any], count: int) -> list[int]:
    """Fresh ids from the table's own sequence, so that others may insert meanwhile."""
    cursor.execute(
        "SELECT nextval(pg_get_serial_sequence('nodes', 'id')) FROM generate_series(1, %s)",
        [count],
    )
    return [number for (number,) in cursor]


def settle() -> None:
    """What autovacuum would do later: statistics, and which pages all can see."""
    with connection.cursor() as cursor:
        for table in (*TABLES, "workflows", "workflow_versions"):
            cursor.execute(f"VACUUM (ANALYZE) {table}")
