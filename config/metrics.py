"""``/metrics``: figures for Prometheus.

Whoever shows METRICS_TOKEN may read them, and without one being set whoever calls from this very
machine. Plain ASGI in front of Django, like ``/healthz``. A scrape takes some seconds at most, and
those that come within a few seconds of another get its answer. A part that does not answer is left
out, and `portal_scrape_ok` says so.
"""

from __future__ import annotations

import asyncio
import ipaddress
import secrets
import time
from collections.abc import Callable
from typing import Any

from django.conf import settings

from config.exposition import CONTENT_TYPE, Metric, written
from config.health import Send
from retention import night_health
from runs import counters, heartbeat
from runs.graph import USUAL_QUEUE
from runs.services import broker, database, measures
from runs.services.asking import Questions

# Seconds that a scrape waits; seconds for which its answer is given to others.
PATIENCE = 3.0
FRESH = 3.0

# name → (type, what it is): the documented set.
DOCUMENTED: dict[str, tuple[str, str]] = {
    "portal_runs_open": (
        "gauge",
        f"Runs by state that have not ended, counted up to {measures.MOST_RUNS:,}.",
    ),
    "portal_runs_last_hour": (
        "gauge",
        "Runs that were created within the last hour, by the state that they are in now.",
    ),
    "portal_runs_stuck": ("gauge", "Runs and nodes that do not get on, by class."),
    "portal_events_ingested_total": ("counter", "Events that sources reported and were stored."),
    "portal_events_duplicate_total": ("counter", "Reported events that were known already."),
    "portal_events_refused_total": ("counter", "Reported events that were refused."),
    "portal_events_per_second": ("gauge", "Events stored a second, over the last minute."),
    "portal_ingest_events_per_second": ("gauge", "Of these, the ones that sources reported."),
    "portal_ingest_lag_seconds": (
        "gauge",
        "From when an event happened, by its sender's clock, until it was stored: 95 in 100 of"
        " the newest are faster.",
    ),
    "portal_stream_clients": ("gauge", "Open live streams, by process."),
    "portal_queue_messages": ("gauge", "Messages that wait in the broker, by queue."),
    "portal_queue_ready_nodes": ("gauge", "Nodes that are ready and wait, by queue."),
    "portal_queue_wait_seconds": ("gauge", "For how long the first of these has waited."),
    "portal_workers": ("gauge", "Workers that give signs of life, by queue."),
    "portal_beat_alive": ("gauge", "Whether beat gives signs of life."),
    "portal_outbox_held_back_seconds": (
        "gauge",
        "The age of the oldest open transaction that writes: it holds back triggers and figures.",
    ),
    "portal_outbox_lag_seconds": ("gauge", "How far each reader of the change feed is behind."),
    "portal_archive_age_seconds": (
        "gauge",
        "Since the last night that finished, or since nights were switched on or moved.",
    ),
    "portal_errors_total": ("counter", "Lines that the processes logged as errors."),
    "portal_service_up": (
        "gauge",
        "Of each service as it was found last: 1 up, 0.5 degraded or unknown, 0 down.",
    ),
    "portal_service_latency_seconds": ("gauge", "How long it took to answer."),
    "portal_services_checked_age_seconds": (
        "gauge",
        "Since the services were looked at last: much more than 15 where beat or a worker lacks.",
    ),
    "portal_scrape_ok": ("gauge", "Whether a part answered this scrape."),
}
_SHARE = {"up": 1.0, "degraded": 0.5, "unknown": 0.5, "down": 0.0}
_HEADERS = [(b"cache-control", b"no-store"), (b"x-content-type-options", b"nosniff")]


class Scrape:
    """One at a time, shared by all who ask meanwhile or shortly after."""

    def __init__(self) -> None:
        self._task: asyncio.Task[str] | None = None
        self._begun = 0.0

    async def text(self) -> str:
        task = self._task
        if task is None or self._is_over(task):
            task = self._task = asyncio.create_task(asyncio.to_thread(collect))
            self._begun = time.monotonic()
        return await asyncio.shield(task)

    def _is_over(self, task: asyncio.Task[str]) -> bool:
        if task.get_loop() is not asyncio.get_running_loop():
            return True
        return task.done() and time.monotonic() - self._begun > FRESH


scrape = Scrape()


async def metrics(scope: Any, _receive: object, send: Send) -> None:
    """The ASGI application."""
    if not may_read(scope):
        said = b"Send the METRICS_TOKEN as a bearer token.\n"
        headers = [*_HEADERS, (b"content-type", b"text/plain"), (b"www-authenticate", b"Bearer")]
        await send({"type": "http.response.start", "status": 401, "headers": headers})
        await send({"type": "http.response.body", "body": said})
        return
    body = (await scrape.text()).encode()
    headers = [*_HEADERS, (b"content-type", CONTENT_TYPE.encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def may_read(scope: Any) -> bool:
    headers = dict(scope["headers"])
    if settings.METRICS_TOKEN:
        kind, _, shown = headers.get(b"authorization", b"").partition(b" ")
        wanted = settings.METRICS_TOKEN.encode()
        return kind.lower() == b"bearer" and secrets.compare_digest(shown.strip(), wanted)
    # A proxy on this machine calls from here too, for whoever called it.
    if settings.BEHIND_PROXY or headers.keys() & {b"x-forwarded-for", b"forwarded", b"via"}:
        return False
    host = (scope.get("client") or ("",))[0]
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def collect() -> str:
    """Takes some seconds at most."""
    made = {name: Metric(name, *told) for name, told in DOCUMENTED.items()}
    asked: Questions[object] = Questions(PATIENCE)
    parts: dict[str, tuple[Callable[[], object], Callable[[Any, dict[str, Metric]], None]]] = {
        "database": (database.look, _of_database),
        "broker": (broker.look, _of_broker),
        "counters": (_counted, _of_counters),
        "runs": (measures.measure, _of_measures),
        "archive": (lambda: night_health.age_of_last_night(1.0), _of_archive),
    }
    asked.ask({f"metrics:{name}": question for name, (question, _) in parts.items()})
    for name, (_, put) in parts.items():
        answer = asked.answer(f"metrics:{name}")
        is_there = not isinstance(answer, Exception)
        made["portal_scrape_ok"].set(float(is_there), part=name)
        if is_there:
            put(answer, made)
    return written(made.values())


def _counted() -> dict[str, int]:
    return counters.read(broker.client())


def _of_database(told: database.Told, made: dict[str, Metric]) -> None:
    made["portal_outbox_held_back_seconds"].set(told.held_back)
    for reader, behind in told.readers.items():
        made["portal_outbox_lag_seconds"].set(max(0.0, behind), reader=reader)
    for queue in sorted({*broker.queues(), *(each or USUAL_QUEUE for each in told.ready)}):
        count, waited = told.ready.get("" if queue == USUAL_QUEUE else queue, (0, 0.0))
        made["portal_queue_ready_nodes"].set(count, queue=queue)
        made["portal_queue_wait_seconds"].set(waited, queue=queue)


def _of_broker(told: broker.Told, made: dict[str, Metric]) -> None:
    for queue, depth in told.depths.items():
        made["portal_queue_messages"].set(depth, queue=queue)
    alive = [sign for sign in told.signs if sign.age <= heartbeat.ALIVE]
    workers = [sign.process for sign in alive if sign.process.kind == "worker"]
    # Nodes may wait for a queue that nobody has ever served.
    waited_for = {labels["queue"] for labels, _ in made["portal_queue_ready_nodes"].samples}
    for queue in sorted(waited_for.union(told.depths)):
        taking = sum(queue in worker.queues for worker in workers)
        made["portal_workers"].set(taking, queue=queue)
    made["portal_beat_alive"].set(any(sign.process.kind == "beat" for sign in alive))
    streams = [sign for sign in alive if sign.process.kind == "streams"]
    for sign in streams:
        made["portal_stream_clients"].set(
            int(sign.told.get("clients", 0)), process=sign.process.name
        )
    if not streams:
        made["portal_stream_clients"].set(0)


def _of_counters(counts: dict[str, int], made: dict[str, Metric]) -> None:
    made["portal_events_ingested_total"].set(counts[counters.EVENTS])
    made["portal_events_duplicate_total"].set(counts[counters.DUPLICATES])
    made["portal_events_refused_total"].set(counts[counters.REFUSED])
    made["portal_errors_total"].set(counts[counters.ERRORS])


def _of_measures(found: measures.Measures, made: dict[str, Metric]) -> None:
    for state, count in found.open_runs.items():
        made["portal_runs_open"].set(count, state=state)
    for state, count in found.new_runs.items():
        made["portal_runs_last_hour"].set(count, state=state)
    for kind, count in found.stuck.items():
        made["portal_runs_stuck"].set(count, **{"class": kind})
    made["portal_events_per_second"].set(found.rate)
    made["portal_ingest_events_per_second"].set(found.reported_rate)
    if found.lag is not None:
        made["portal_ingest_lag_seconds"].set(found.lag)
    for kind, name, status, latency, _ in found.services:
        made["portal_service_up"].set(_SHARE[status], kind=kind, service=name)
        if latency is not None:
            made["portal_service_latency_seconds"].set(latency / 1000, kind=kind, service=name)
    if found.services:
        newest = min(age for *_, age in found.services)
        made["portal_services_checked_age_seconds"].set(max(0.0, newest))


def _of_archive(age: float | None, made: dict[str, Metric]) -> None:
    if age is not None:
        made["portal_archive_age_seconds"].set(age)
