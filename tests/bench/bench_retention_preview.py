"""The preview of a retention policy: how long it takes to say what a night would do.

A store is made for it, or a portal's DATA_DIR is given (``--store`` or STORE), such as one that
``manage.py load_runs --runs 10000000`` has filled. Each preview is asked for as its page asks, of
the web process, and in this process, where what counting takes is told apart.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import time
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from tests.bench.pages import Pages, pages
from tests.bench.stage import stage

GOALS = {"preview_ms": 2_000, "page_ms": 100}
RUNS, ROUNDS = 1_000_000, 5


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--store", type=Path, default=os.environ.get("STORE"))
    parser.add_argument("--runs", type=int, default=RUNS)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    options = parser.parse_args()
    with stage(Path(options.store) if options.store else None) as folder:
        from django.core.management import call_command

        if not options.store:
            call_command("load_runs", "--runs", str(options.runs), stdout=sys.stderr)
        with pages(folder) as client:
            found = bench(client, options.rounds)
    print(json.dumps({"retention_preview": found}), flush=True)


def bench(client: Pages, rounds: int) -> dict[str, Any]:
    from retention import values
    from runs.models import Run

    saved = values.saved()
    cases = {
        "as saved": None,
        "shorter": replace(saved, completed_days=30, failed_days=60),
        # All that there is, whose events are there too.
        "shortest": replace(saved, completed_days=1, failed_days=1, terminated_days=1),
        "second term": replace(saved, delete_days=300),
    }
    page = client.timed("/admin/settings/runs/", rounds)
    # One after the other: a connection that rests is closed.
    asked = {name: client.timed(_address(case), rounds) for name, case in cases.items()}
    return {
        "goals": GOALS,
        "runs": Run.objects.count(),
        "page": page,
        "preview": {
            name: {"http": asked[name], **_counted(case, rounds)} for name, case in cases.items()
        },
    }


def _counted(changed: Any, rounds: int) -> dict[str, Any]:
    from django.db import connection
    from django.utils import timezone

    from retention import segments, values
    from retention.preview import preview

    saved, now = values.saved(), timezone.now()
    found = preview(saved, changed, now)
    side = found.changed or found.saved
    cases = [segments.Case(each.next_night(now), each.rules()) for each in (saved, changed) if each]
    stretches = segments.segments_of(cases, _workflow_ids())
    taken = []
    with connection.cursor() as cursor:
        for _ in range(rounds):
            begun = time.perf_counter()
            cursor.execute(segments.COUNT, segments.count_arguments(stretches))
            cursor.fetchall()
            taken.append(time.perf_counter() - begun)
        cursor.execute(f"EXPLAIN {segments.COUNT}", segments.count_arguments(stretches))
        plan = "\n".join(row[0] for row in cursor.fetchall())
    assert "Index Only Scan using jobs_to_archive" in plan, plan
    return {
        "counting_ms": round(1_000 * statistics.median(taken)),
        "runs": side.runs,
        "events": asdict(side.events),
        "bytes": asdict(side.bytes),
    }


def _address(changed: Any) -> str:
    if changed is None:
        return "/admin/settings/runs/preview/"
    names = ("completed_days", "failed_days", "terminated_days", "delete_days")
    given = {name: days for name in names if (days := getattr(changed, name)) is not None}
    return f"/api/retention/preview/?{urlencode(given)}"


def _workflow_ids() -> list[int]:
    from runs.models import Workflow

    return list(Workflow.objects.values_list("pk", flat=True))


if __name__ == "__main__":
    main()
