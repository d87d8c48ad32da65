"""One run that is as large as a run gets: many nodes, many events."""

from __future__ import annotations

import random
import uuid
from datetime import datetime, timedelta

from runs import ids
from runs.models import Workflow, WorkflowVersion
from runs.synthetic import load, people
from runs.synthetic.calendar import EPOCH
from runs.synthetic.chunks import moment_text, run_id
from runs.synthetic.story import Plan, tell
from runs.synthetic.template import TABLES, job_line, make
from runs.synthetic.workflows import SMALL, Kind, Step

SLUG = "wide_batch"
# Steps one after the other in each of the lanes that run side by side.
_LANE = 20


def _steps(count: int) -> tuple[Step, ...]:
    """A first step, lanes of steps, and a last one that waits for all lanes."""
    inner = max(0, count - 2)
    steps = [Step("open_batch", (), 2)]
    ends = []
    for number in range(inner):
        lane, place = divmod(number, _LANE)
        needs = f"lane_{lane:02d}_step_{place - 1:02d}" if place else "open_batch"
        name = f"lane_{lane:02d}_step_{place:02d}"
        model = SMALL if place % 5 == 3 else ""
        steps.append(Step(name, (needs,), 3 + number % 7, model, retries=2))
        if place == _LANE - 1 or number == inner - 1:
            ends.append(name)
    if count > 1:
        steps.append(Step("close_batch", tuple(ends) or ("open_batch",), 4))
    return tuple(steps[:count])


def write(nodes: int, events: int, until: datetime, seed: int) -> str:
    """Make it, ending at `until`; `events` is met roughly. Gives its public id."""
    steps = _steps(nodes)
    kind = Kind(SLUG, "Many pages, lane by lane.", "batch-{}.tar", 0, (steps,), {"manual": 1})
    rng = random.Random(f"{seed} hot run")
    # The engine's own events are counted in: three a node, and the run's.
    lines = max(0.0, (events - 3 * nodes - 3) / nodes - 0.15 - 0.5)
    story = tell(steps, kind.graphs[0], Plan("completed", lines=lines, trouble=0.02), rng)
    template = make(story)
    begun = (until - EPOCH) // timedelta(microseconds=1) - template.length
    run, source = run_id(begun, rng), people.source(rng, "manual")
    times = [moment_text(begun + moment) for moment in template.moments]
    public_id = ids.encode("run", uuid.UUID(int=run))
    version = Workflow.objects.publish(SLUG, kind.definitions[0])
    if version.created_at.timestamp() * 1_000_000 > begun:
        # No version is younger than its runs.
        WorkflowVersion.objects.filter(pk=version.pk).update(created_at=until - timedelta(days=1))
    more = f'"workflow":"{SLUG}","version":{version.number},"trigger":"manual"'
    fixed = [f"{run:032x}", "batch-7.tar", source.triggered_by, "", public_id, more, *times]
    with load.loading() as cursor:
        own = load.node_ids(cursor, template.node_count)
        job = job_line(
            template, fixed, (version.workflow_id, version.pk, "manual"), source, None,
            times[0], times[template.started or 0], times[template.ended or 0],
        )  # fmt: skip
        texts = [job, *(text.format(*fixed, *own) for text in template.rows)]
        load.copy(cursor, {table: [text] for table, text in zip(TABLES, texts, strict=True)})
        load.tell(cursor, [fixed[0]])
    return public_id
