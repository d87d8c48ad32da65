"""The Runs view over HTTP, signed in, warm, and its query by itself: ms, and kB as sent.

Each filter's first, middle and last page, and the fragments that a page fetches. A store is loaded
for it (``--runs``), or a portal's DATA_DIR is given that was loaded before: ``--store`` or STORE.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import uuid
from datetime import datetime
from pathlib import Path
from typing import Any

from tests.bench.pages import Pages, figures, pages, sql_ms
from tests.bench.stage import stage

GOALS = {"sql": 5, "p50": 60, "p95": 120, "fragment": 30, "kB": 150}
SINGLE = (
    "", "state=running", "state=queued", "state=completed", "state=failed", "state=terminated",
    "workflow=document_intake", "workflow=contract_review", "workflow=tax_audit",
    "created=1h", "created=24h", "created=30d",
    "triggered_by=mail-gateway", "triggered_by=maria.keller", "triggered_by=yara.aziz",
    "trigger=webhook", "trigger=manual", "trigger=automation",
)  # fmt: skip
PAIRS = (
    "state=failed&workflow=document_intake", "state=completed&workflow=contract_review",
    "state=failed&created=24h", "state=terminated&created=30d",
    "workflow=mail_routing&created=7d", "triggered_by=maria.keller&created=30d",
    "trigger=webhook&created=24h", "state=failed&triggered_by=mail-gateway",
    "state=failed&triggered_by=maria.keller", "state=failed&trigger=webhook",
    "state=terminated&trigger=manual", "workflow=claims_triage&trigger=api",
    "workflow=contract_review&triggered_by=grace.obi",
    "trigger=manual&triggered_by=grace.obi",
)  # fmt: skip
# Which match less than a hundred runs, or none.
RARE = (
    "state=failed&workflow=tax_audit", "state=running&workflow=contract_review",
    "state=failed&workflow=contract_review&triggered_by=anna.lind&created=24h",
    "state=failed&workflow=contract_review&triggered_by=anna.lind&created=30d",
    "state=failed&workflow=contract_review&triggered_by=yara.aziz",
    "trigger=webhook&triggered_by=anna.lind", "trigger=schedule&triggered_by=yara.aziz",
    "workflow=mail_routing&triggered_by=anna.lind&trigger=api",
    "workflow=tax_audit&trigger=webhook", "workflow=thumbnail_refresh&trigger=manual",
    "workflow=ledger_export&triggered_by=mail-gateway", "state=terminated&triggered_by=yara.aziz",
    "workflow=tax_audit&state=terminated&created=7d", "triggered_by=nobody", "workflow=none",
    "trigger=event&workflow=contract_review&state=failed",
)  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--store", type=Path, default=os.environ.get("STORE"))
    parser.add_argument("--runs", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=12)
    parser.add_argument("--sql-only", action="store_true")
    options = parser.parse_args()
    with stage(Path(options.store) if options.store else None) as folder:
        from django.core.management import call_command

        if not options.store:
            call_command("load_runs", "--runs", str(options.runs), stdout=sys.stderr)
        found = Bench(options.rounds).run(folder, sql_only=options.sql_only)
        print(json.dumps({"runs_list": found}), flush=True)


class Bench:
    def __init__(self, rounds: int) -> None:
        self.rounds = rounds

    def run(self, folder: Path, *, sql_only: bool) -> dict[str, Any]:
        from runs.models import Run

        newest = Run.objects.newest_first()[0]
        # Ranges end where the store does.
        self.now: datetime = newest.created_at
        found: dict[str, Any] = {"goals_ms": GOALS, "rounds": self.rounds}
        found["sql"] = {name: self._sql(name) for name in (*SINGLE, *PAIRS, *RARE)}
        if not sql_only:
            with pages(folder) as client:
                found["pages"] = {}
                for name in (*SINGLE, *PAIRS, *RARE):
                    found["pages"][name] = self._pages(client, name)
                    print(f"{name or 'all'}: {found['pages'][name]}", file=sys.stderr, flush=True)
                # Over all requests for pages; the figures of each have few rounds for a p95.
                found["all pages"] = figures(client.taken)
                found["fragments"] = self._fragments(client)
        found["worst"] = _worst(found)
        return found

    def _keys(self, name: str) -> dict[str, Any]:
        """Where the first, a middle and the last page begin: a cursor, or None for the start."""
        from runs.paging import Cursor
        from runs.views.runs_list import PAGE_SIZE

        runs = self._runs(name)
        keys: dict[str, Any] = {"first": None}
        oldest_page = list(runs.order_by("created_at", "id")[: PAGE_SIZE + 1])
        if len(oldest_page) > PAGE_SIZE:
            newest, oldest = runs.newest_first()[0], oldest_page[0]
            middle = oldest.created_at + (newest.created_at - oldest.created_at) / 2
            keys["middle"] = Cursor(middle, uuid.UUID(int=0))
            keys["last"] = Cursor.of(oldest_page[-1])
        return keys

    def _runs(self, name: str) -> Any:
        from django.http import QueryDict

        from runs.filters import RunFilter
        from runs.models import Run

        chosen, errors = RunFilter.parse(QueryDict(name))
        assert not errors, errors
        return chosen.apply(Run.objects.all(), self.now)

    def _sql(self, name: str) -> dict[str, float]:
        from runs.paging import first_of
        from runs.views.runs_list import PAGE_SIZE, rows

        taken = {}
        for page, key in self._keys(name).items():
            runs = self._runs(name)
            runs = runs.newest_first() if key is None else runs.older_than(key.created_at, key.id)
            taken[page] = sql_ms(first_of(runs, PAGE_SIZE + 1, rows()), 5)
        return taken

    def _pages(self, client: Pages, name: str) -> dict[str, dict[str, float]]:
        base = f"/admin/runs/run/?{name}"
        taken = {}
        for page, key in self._keys(name).items():
            path = base if key is None else f"{base}&after={key}"
            # A range's last page may have slid out of it by now.
            if key is None or "created=" not in name:
                taken[page] = client.timed(path.replace("?&", "?"), self.rounds)
        return taken

    def _fragments(self, client: Pages) -> dict[str, dict[str, float]]:
        from runs.models import Run

        shown = list(Run.objects.newest_first()[:50])
        named = ",".join(run.public_id for run in shown)
        htmx = {"HX-Request": "true"}
        return {
            name: client.timed(f"/admin/runs/run/?{query}", self.rounds, headers)
            for name, query, headers in (
                ("the list", "", htmx),
                ("the list, failed", "state=failed", htmx),
                ("50 rows", f"rows={named}", {}),
                ("1 row", f"rows={shown[0].public_id}", {}),
                ("fresh", f"fresh={named}", {}),
                ("counts", "part=counts", {}),
                ("counts, failed", "part=counts&state=failed", {}),
                ("counts of a workflow", "part=counts&workflow=document_intake", {}),
                ("counts of a person", "part=counts&triggered_by=maria.keller", {}),
                ("counts of a day", "part=counts&created=24h", {}),
                ("people", "part=people", {}),
            )
        }


def _worst(found: dict[str, Any]) -> dict[str, Any]:
    """What is over its goal, worst first, and medians over all."""
    over = [
        (round(ms / GOALS["sql"], 1), f"sql {name or 'all'}: {page} {ms} ms")
        for name, taken in found["sql"].items()
        for page, ms in taken.items()
        if ms > GOALS["sql"]
    ]
    every = [each for taken in found.get("pages", {}).values() for each in taken.values()]
    for name, taken in found.get("pages", {}).items():
        for page, shown in taken.items():
            over += [
                (round(shown[goal] / GOALS[goal], 1), f"page {name or 'all'}: {page} {shown}")
                for goal in ("p50", "p95", "kB")
                if shown[goal] > GOALS[goal]
            ]
    for name, shown in found.get("fragments", {}).items():
        if shown["p50"] > GOALS["fragment"]:
            over.append((round(shown["p50"] / GOALS["fragment"], 1), f"{name} {shown}"))
    worst: dict[str, Any] = {"over": [f"×{times} {words}" for times, words in sorted(over)[::-1]]}
    if every:
        worst |= {key: round(statistics.median(e[key] for e in every), 1) for key in every[0]}
    return worst


if __name__ == "__main__":
    main()
