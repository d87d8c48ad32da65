"""The pages of the analysis over HTTP, signed in, nothing cached: ms from call to answer.

From rollups: thirty days over all workflows, of one workflow, compared with the time before. From
the runs themselves: filters that no rollup knows, over seven days. A store is loaded for it
(``--runs``), or a portal's DATA_DIR is given that was loaded before and whose rollups were built:
``--store`` or STORE. Times end where the store does.
"""

from __future__ import annotations

import json
import sys
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from tests.bench.pages import Pages, figures, pages
from tests.bench.stage import loaded

GOALS = {"rollups p50": 200, "runs p50": 1000}
PAGES = ("failures", "cost", "duration")
WORKFLOW = "document_intake"
# By the rollups, over thirty days.
ROLLED: dict[str, dict[str, str]] = {
    "all workflows": {"compare": "none"},
    "all workflows, compared": {},
    "a workflow": {"workflow": WORKFLOW},
    "a version": {"workflow": WORKFLOW, "version": "3"},
}
# Of the runs themselves, over seven days.
ASKED: dict[str, dict[str, str]] = {
    "triggered by one": {"triggered_by": "mail-gateway"},
    "by webhook": {"trigger": "webhook"},
    "failed": {"state": "failed"},
    "a workflow's completed": {"workflow": WORKFLOW, "state": "completed"},
}


def main() -> None:
    with loaded(__doc__) as (folder, options):
        from runs.models import Run

        until = Run.objects.newest_first()[0].created_at
        with pages(folder) as client:
            found = {
                "goals_ms": GOALS,
                "rounds": options.rounds,
                "overview": client.timed("/admin/", options.rounds),
                **_asked(client, options.rounds, ROLLED, until, 30),
                **_asked(client, options.rounds, ASKED, until, 7),
            }
            found["all"] = figures(client.taken)
        print(json.dumps({"analysis": found}), flush=True)


def _asked(
    client: Pages, rounds: int, queries: dict[str, dict[str, str]], until: datetime, days: int
) -> dict[str, Any]:
    found: dict[str, Any] = {}
    since = until - timedelta(days=days)
    for page in PAGES:
        for name, query in queries.items():
            asked = {**query, "created_from": since.isoformat(), "created_to": until.isoformat()}
            path = f"/admin/analysis/{page}/?{urlencode(asked)}"
            found[f"{page}: {name}, {days} days"] = client.timed(path, rounds)
            print(f"{page}: {name}: {found[f'{page}: {name}, {days} days']}", file=sys.stderr)
    return found


if __name__ == "__main__":
    main()
