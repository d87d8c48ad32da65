"""Why queued nodes of a run are not begun, in the words of its page."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from runs.models import Run
from runs.states import RunState
from runs.stuck import rows, waits
from runs.stuck.waits import SOON, Wait
from runs.stuck.world import World


@dataclass(frozen=True, slots=True)
class Waits:
    # The first of them, in a sentence, and what is to be done.
    title: str = ""
    text: str = ""
    # By node, in a few words.
    by_node: Mapping[str, str] | None = None


def waits_of(run: Run, now: datetime) -> Waits:
    if run.is_final or run.is_elsewhere:
        return Waits()
    ready = sorted(rows.waiting_of([run.pk]), key=lambda row: row.node_id)
    if not ready:
        return Waits()
    if run.state == RunState.CREATED and run.workflow.is_paused:
        by = f"by {run.workflow.paused_by}" if run.workflow.paused_by else ""
        why = f"{by}: {run.workflow.pause_reason}" if run.workflow.pause_reason else f"{by}."
        words = "the workflow is paused"
        return Waits(
            f"It starts when {run.workflow.slug} is resumed.",
            f"The workflow was paused {why}",
            {each.node: words for each in ready},
        )
    world = World(now)
    # Where all of them have just become ready it is not worth a question to the broker.
    if all(not each.held and not each.declined_at and now - each.ready_at < SOON for each in ready):
        return Waits()
    found: dict[str, Wait] = {each.node: said for each in ready if (said := waits.why(each, world))}
    if not found:
        return Waits()
    key, first = next(iter(found.items()))
    more = f" and {len(found) - 1} more nodes wait" if len(found) > 1 else " waits"
    by_node = {node: wait.words for node, wait in found.items()}
    return Waits(f"{key}{more}: {first.words}.", first.act, by_node)
