"""What tells operators how the portal is, in a large store: ms, medians.

The look for stuck runs as the pulse takes it and a scrape of the metrics, in this process; then
over HTTP, signed in, the pages of stuck runs, Troubleshooting and Services, the list's filter and
`/readyz`. A store is loaded for it (``--runs``), or a portal's DATA_DIR is given: ``--store`` or
STORE. Nothing executes there, so that each of its open runs is stuck: more than a portal that
works has.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable

from tests.bench.pages import figures, pages
from tests.bench.stage import loaded

PATHS = {
    "overview": "/admin/",
    "stuck": "/admin/stuck/",
    "list, stuck": "/admin/runs/run/?stuck=yes",
    "troubleshooting": "/admin/troubleshooting/",
    "services": "/admin/services/",
    "ready": "/readyz",
}


def main() -> None:
    with loaded(__doc__, days=30) as (folder, options):
        from django.utils import timezone

        from config import metrics
        from runs.models import Run
        from runs.stuck import look, record

        looks, kept = [], []
        for _ in range(options.rounds):
            begun = time.perf_counter()
            seen = look.look(timezone.now())
            looked = time.perf_counter()
            record.keep(seen)
            looks.append(looked - begun)
            kept.append(time.perf_counter() - looked)
        found = {
            "open runs": Run.objects.filter(state__in=["created", "active"]).count(),
            "stuck runs": len(seen.findings),
            "look": figures(looks),
            "keep": figures(kept),
            "metrics": figures([_taken(metrics.collect) for _ in range(options.rounds)]),
        }
        with pages(folder) as client:
            for name, path in PATHS.items():
                found[name] = client.timed(path, options.rounds)
                print(f"{name}: {found[name]}", file=sys.stderr)
        print(json.dumps({"operating": found}), flush=True)


def _taken(act: Callable[[], object]) -> float:
    begun = time.perf_counter()
    act()
    return time.perf_counter() - begun


if __name__ == "__main__":
    main()
