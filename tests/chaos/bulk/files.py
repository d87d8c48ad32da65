"""Whether the files of exports are whole, and storage holds these and nothing else."""

from __future__ import annotations

import csv
import io
import json
from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from typing import TYPE_CHECKING

from django.utils import timezone

from runs import doomed, objects
from runs.models import BulkOperation, DoomedObject, ExportPart

if TYPE_CHECKING:
    from tests.chaos.bulk.operator import Operator

PREFIX = "exports/"


def of_storage() -> list[str]:
    there = {name for name, _ in objects.names(PREFIX)}
    named = set(ExportPart.objects.values_list("name", flat=True))
    going = set(DoomedObject.objects.filter(name__startswith=PREFIX).values_list("pk", flat=True))
    return [
        *(f"nobody names the object {name}" for name in sorted(there - named - going)),
        *(f"the object {name} is lost" for name in sorted(named - there)),
        *(f"the object {name} is named and doomed" for name in sorted(named & going)),
    ]


def of_sweep() -> list[str]:
    """Once all that is doomed may go, what is left is what exports name."""
    now = timezone.now() + timedelta(days=2)  # past what waits for a writer, or for another try
    doomed.sweep(now)
    there = {name for name, _ in objects.names(PREFIX)}
    named = set(ExportPart.objects.values_list("name", flat=True))
    left = DoomedObject.objects.filter(name__startswith=PREFIX).values_list("pk", flat=True)
    return [
        *(f"the object {name} is not swept" for name in sorted(there - named)),
        *(f"the sweep took the object {name}" for name in sorted(named - there)),
        *(f"{name} is doomed for ever" for name in sorted(left)),
    ]


def of_exports(operator: Operator) -> list[str]:
    """Download what there is, and count what is in it."""
    problems = []
    exports = BulkOperation.objects.filter(kind="export", state="finished").order_by("id")
    for export in exports.filter(parts__isnull=False).distinct():
        status, body = operator.download(export.pk)
        if status == 410:  # it came to its end
            continue
        if status != 200:
            problems.append(f"{export}: the download was answered with {status}")
            continue
        runs, events = _counted(export.options["format"], body.decode())
        if len(runs) != export.done or set(runs.values()) - {1}:
            problems.append(f"{export} has {len(runs)} runs, and {export.done} outcomes")
        problems += [
            f"{export}: {run} has {events[run]} of {last} events"
            for run, last in _last_numbers(export.options["format"], body.decode())
            if events[run] != last
        ][:5]
    return problems


def _counted(form: str, text: str) -> tuple[Counter[str], Counter[str]]:
    """How often each run is there, and its events."""
    runs: Counter[str] = Counter()
    events: Counter[str] = Counter()
    for run, event in _lines(form, text):
        if event:
            events[run] += 1
        else:
            runs[run] += 1
    return runs, events


def _lines(form: str, text: str) -> Iterator[tuple[str, bool]]:
    """Each line's run, and whether it is an event of it."""
    if form == "csv":
        for row in csv.DictReader(io.StringIO(text)):
            if row["row"] in ("run", "event"):
                yield row["id"], row["row"] == "event"
    elif form == "ndjson":
        for line in map(json.loads, text.splitlines()):
            if "run" in line or "id" in line:
                yield (line["run"], True) if "run" in line else (line["id"], False)
    else:
        for run in json.loads(text)["runs"]:
            yield run["id"], False
            yield from ((run["id"], True) for _ in run["logs"])


def _last_numbers(form: str, text: str) -> Iterator[tuple[str, int]]:
    if form == "csv":
        rows = csv.DictReader(io.StringIO(text))
        yield from ((row["id"], int(row["last_seq"])) for row in rows if row["row"] == "run")
    elif form == "ndjson":
        for line in map(json.loads, text.splitlines()):
            if "id" in line:
                yield line["id"], line["last_seq"]
    else:
        yield from ((run["id"], run["last_seq"]) for run in json.loads(text)["runs"])
