"""``manage.py load_runs --runs 10000000``: fill a store with believable runs."""

from __future__ import annotations

import time
from argparse import ArgumentParser
from datetime import datetime
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone
from django.utils.dateparse import parse_datetime

from runs.models import Run
from runs.synthetic import hot_run, load
from runs.synthetic.chunks import Order

# Of the runs, unless it is said otherwise: those with nodes, and with events; at most.
NODES_SHARE, NODES_MOST = 1.0, 1_000_000
EVENTS_SHARE, EVENTS_MOST = 1.0, 100_000


class Command(BaseCommand):
    help = (
        "Fills a store with made-up runs, for trials and benchmarks. The newest ones have nodes and"
        " model calls, the newest of those events; the logs of the others look archived."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        add = parser.add_argument
        add("--runs", type=int, default=10_000, help="how many (default: 10,000)")
        add("--events-per-run", type=float, default=20, help="on average (default: 20)")
        add("--seed", type=int, default=1, help="the same seed and end make the same runs")
        add("--until", type=_moment, help="the end of the time they are spread over (now)")
        add("--days", type=int, default=365, help="the length of that time (a year)")
        add("--nodes-for", type=int, help="newest runs with nodes (all, at most 1,000,000)")
        add("--events-for", type=int, help="newest runs with events (all, at most 100,000)")
        add("--processes", type=int, default=2, help="that write (default: 2)")
        add("--check", action="store_true", help="check foreign keys row by row (takes longer)")
        add(
            "--planted", action="store_true",
            help="have problems begin 20 hours before the end, for the analysis to find",
        )  # fmt: skip
        add("--add", action="store_true", help="also where there are runs already; all end")
        add(
            "--hot-run", type=int, nargs=2, metavar=("NODES", "EVENTS"),
            help="make one run with so many nodes and events too, such as 1000 50000",
        )  # fmt: skip

    def handle(self, **options: Any) -> None:
        if not options["add"] and Run.objects.exists():
            raise CommandError("There are runs already; --add adds to them.")
        until = options["until"] or timezone.now()
        wanted = max(0, options["runs"])
        nodes_for = _most(options["nodes_for"], wanted, NODES_MOST)
        events_for = _most(options["events_for"], nodes_for, EVENTS_MOST)
        begun = time.monotonic()
        self._shown = 0.0
        try:
            if wanted:
                order = Order(
                    runs=wanted,
                    seed=options["seed"],
                    until=until,
                    days=max(1, options["days"]),
                    events_per_run=options["events_per_run"],
                    nodes_for=nodes_for,
                    events_for=events_for,
                    workflows=load.publish(until, options["days"], planted=options["planted"]),
                    checked=options["check"],
                    planted=options["planted"],
                    ended=options["add"],
                )
                done = load.load(order, max(1, options["processes"]), self._progress)
                self._tell(done, order)
            if options["hot_run"]:
                nodes, events = options["hot_run"]
                made = hot_run.write(nodes, events, until, options["seed"])
                self.stdout.write(f"{made}: {nodes:,} nodes, {events:,} events")
        except load.LoadError as error:
            raise CommandError(f"Stopped: {error}") from error
        except KeyboardInterrupt:
            raise CommandError("Stopped; what was written until then is whole.") from None
        finally:
            load.settle()
        self.stdout.write(f"Done in {time.monotonic() - begun:,.0f} s.")

    def _progress(self, done: load.Progress) -> None:
        if done.seconds - self._shown >= 5:
            self._shown = done.seconds
            rate = done.runs / done.seconds
            self.stdout.write(f"{done.runs:>12,} runs {done.seconds:6,.0f} s {rate:8,.0f} runs/s")

    def _tell(self, done: load.Progress, order: Order) -> None:
        self.stdout.write(
            f"{done.runs:,} runs, of which {order.nodes_for:,} with nodes and"
            f" {order.events_for:,} with {done.events:,} events, in {done.seconds:,.0f} s"
        )


def _moment(text: str) -> datetime:
    moment = parse_datetime(text)
    if moment is None:
        raise ValueError(text)
    return timezone.make_aware(moment) if timezone.is_naive(moment) else moment


def _most(given: int | None, wanted: int, most: int) -> int:
    return min(wanted, most) if given is None else max(0, min(wanted, given))
