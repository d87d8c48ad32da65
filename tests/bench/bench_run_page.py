"""The page of a run with 1,000 nodes and 50,000 events: server, weight, and Chromium.

A store is made for it, or a portal's DATA_DIR is given (``--store`` or STORE) whose largest run is
taken.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
from pathlib import Path
from typing import Any

from tests.bench.pages import Pages, pages
from tests.bench.stage import stage

GOALS = {"first_view_ms": 300, "usable_ms": 1000, "fragment_ms": 30}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--store", type=Path, default=os.environ.get("STORE"))
    parser.add_argument("--nodes", type=int, default=1_000)
    parser.add_argument("--events", type=int, default=50_000)
    parser.add_argument("--rounds", type=int, default=20)
    options = parser.parse_args()
    with stage(Path(options.store) if options.store else None) as folder:
        from django.core.management import call_command

        from runs.models import Run

        if not options.store:
            size = (str(options.nodes), str(options.events))
            call_command("load_runs", "--runs", "0", "--hot-run", *size, stdout=sys.stderr)
        run = Run.objects.filter(workflow__slug="wide_batch").newest_first()[0]
        with pages(folder) as client:
            found = bench(client, run, options.rounds)
        print(json.dumps({"run_page": found}), flush=True)


def bench(client: Pages, run: Any, rounds: int) -> dict[str, Any]:
    from runs.models import Node

    base = f"/admin/runs/run/{run.public_id}/"
    key = Node.objects.filter(run=run.pk).order_by("position")[10].key
    views = {
        "first view": "",
        "history": "?tab=history",
        "history, its end": "?tab=history&before=",
        "history, its middle": f"?tab=history&after={run.last_seq // 2}",
        "history of a kind": "?tab=history&kind=llm_call",
        "job": "?tab=job",
        "context": "?tab=context",
        "lineage": "?tab=lineage",
        "a node": f"?node={key}",
        "fragment: overview": "?fragment=overview",
        "fragment: tabs": "?fragment=tabs",
        "fragment: events": f"?fragment=events&after={run.last_seq // 2}",
        "job record by API": f"/api/runs/{run.public_id}/job/",
        "events by API": f"/api/runs/{run.public_id}/events/",
    }
    return {
        "goals": GOALS,
        "nodes": run.nodes_total,
        "events": run.last_seq,
        "server": {
            name: client.timed(path if path.startswith("/") else base + path, rounds)
            for name, path in views.items()
        },
        "browser": in_chromium(client, base, max(3, rounds // 4)),
    }


def in_chromium(client: Pages, path: str, rounds: int) -> dict[str, float]:
    """Medians in ms from the click: the page can be read, and its scripts have run."""
    from playwright.sync_api import sync_playwright

    from tests.browsers import launch_options

    taken: list[dict[str, float]] = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(**launch_options())
        context = browser.new_context(viewport={"width": 1440, "height": 900})
        name, value = client.cookie
        context.add_cookies([{"name": name, "value": value, "url": client.url}])
        for _ in range(rounds + 1):
            page = context.new_page()
            page.goto(client.url + path, wait_until="load")
            taken.append(
                page.evaluate(
                    """() => {
                        const found = performance.getEntriesByType("navigation")[0]
                        const paint = performance.getEntriesByName("first-contentful-paint")[0]
                        return {answered: found.responseEnd, painted: paint ? paint.startTime : 0,
                            usable: found.domContentLoadedEventEnd, loaded: found.loadEventEnd,
                            elements: document.querySelectorAll("*").length}
                    }"""
                )
            )
            page.close()
        browser.close()
    # The first one fills the caches.
    return {name: round(statistics.median(each[name] for each in taken[1:])) for name in taken[0]}


if __name__ == "__main__":
    main()
