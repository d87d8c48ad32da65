"""What the upper half of a run's page shows: notice, facts, timeline and table of its nodes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.urls import reverse

from runs.definitions import graph_of
from runs.graph import DefinitionError, Graph
from runs.models import Attempt, Node, Run
from runs.querysets import RunQuerySet
from runs.states import AttemptStatus, NodeStatus, RunState
from runs.stuck import look
from runs.stuck.finding import Finding
from runs.templatetags.runs_ui import duration_words
from runs.timeline import (
    BACKOFF,
    DEPENDENCY,
    PERSON,
    QUEUED,
    REUSED,
    Bar,
    Gap,
    Row,
    Timeline,
    timeline,
)
from runs.views.run_waits import Waits, waits_of

# Retries that the facts name; the lineage shows more.
NAMED_RETRIES = 3
# Runs of one chain of retries that the lineage shows.
LINEAGE = 200

_WAITED_FOR = {
    QUEUED: "Queued",
    DEPENDENCY: "Waited for a dependency",
    BACKOFF: "Back-off",
    PERSON: "Waited for a person",
}
_IDLE_FOR = {
    QUEUED: "most of it waiting for a worker",
    DEPENDENCY: "most of it waiting for a dependency",
    BACKOFF: "most of it in back-off",
    PERSON: "most of it waiting for a person",
}
# What an attempt came to, after "Attempt 2:".
_OUTCOMES = {
    AttemptStatus.RUNNING: "running for",
    AttemptStatus.COMPLETED: "completed in",
    AttemptStatus.LOST: "lost with its worker after",
    AttemptStatus.LATE: "ended too late, after",
}


@dataclass(frozen=True, slots=True)
class Notice:
    """What there is to know before anything else."""

    state: str
    icon: str
    title: str
    text: str = ""
    small: str = ""
    # Where it is decided.
    link: str = ""


@dataclass(frozen=True, slots=True)
class BarWords:
    bar: Bar
    title: str
    label: str


@dataclass(frozen=True, slots=True)
class GapWords:
    gap: Gap
    title: str


@dataclass(frozen=True, slots=True)
class NodeLine:
    """A node in the timeline and in the table."""

    node: Node
    row: Row
    note: str
    # Milliseconds so far, of a node that is running: the note then ticks.
    elapsed: int | None
    bars: list[BarWords]
    gaps: list[GapWords]

    @property
    def length(self) -> timedelta | None:
        return None if self.row.seconds is None else timedelta(seconds=self.row.seconds)


@dataclass(frozen=True, slots=True)
class Overview:
    run: Run
    lines: list[NodeLine]
    told: Timeline
    attempts: Mapping[str, Sequence[Attempt]]
    draining: list[str]
    notice: Notice | None
    summary: str
    # Characters of the longest node's name.
    longest: int
    has_failed: bool
    # Whether a retry from the failed node would take over anything.
    is_reusable: bool
    # Why it does not get on, where it does not.
    stuck: list[Finding]

    def node(self, key: str) -> NodeLine | None:
        return next((line for line in self.lines if line.node.key == key), None)


def overview(run: Run, now: datetime) -> Overview:
    nodes = list(Node.objects.filter(run=run.pk).order_by("position"))
    keys = {node.pk: node.key for node in nodes}
    by_key = {node.key: node for node in nodes}
    attempts: dict[str, list[Attempt]] = {}
    for attempt in Attempt.objects.filter(node__run=run.pk).order_by("node", "number"):
        attempts.setdefault(keys[attempt.node_id], []).append(attempt)
    graph = graph_or_none(run)
    needs = {key: spec.needs for key, spec in graph.nodes.items()} if graph else {}
    told = timeline(run, nodes, attempts, needs, now)
    in_flight = [
        key for key, found in attempts.items() if any(a.status == "running" for a in found)
    ]
    stuck = look.of_run(run, now)
    # What is told with its evidence need not be told twice.
    waits = waits_of(run, now)
    told_twice = any(finding.node in (waits.by_node or {}) for finding in stuck)
    return Overview(
        run=run,
        lines=[_line(by_key[row.key], row, waits.by_node or {}) for row in told.rows],
        told=told,
        attempts=attempts,
        draining=in_flight if run.is_final else [],
        notice=_notice(run, nodes, in_flight) or (None if told_twice else _waits_notice(waits)),
        summary=_summary(run, told),
        longest=max((len(node.key) for node in nodes), default=0),
        has_failed=any(node.status == NodeStatus.FAILED for node in nodes),
        is_reusable=any(node.status == NodeStatus.COMPLETED for node in nodes),
        stuck=stuck,
    )


def graph_or_none(run: Run) -> Graph | None:
    try:
        return graph_of(run.version_id)
    except DefinitionError:  # it was checked by another release's rules; the run is still shown
        return None


def retries_of(run: Run) -> RunQuerySet:
    return Run.objects.filter(retry_of=run.pk).order_by("created_at", "id")


def lineage_of(run: Run) -> list[Run]:
    """The original and all retries that come from it, oldest first, and so the run itself."""
    first = run.first_id or run.pk
    retries = Run.objects.filter(first=first).select_related("version").defer("version__definition")
    chain = list(retries.order_by("created_at", "id")[:LINEAGE])
    original = Run.objects.filter(pk=first).select_related("version").defer("version__definition")
    return [*original, *chain]


# -- The notice ------------------------------------------------------------------------------


def _notice(run: Run, nodes: Sequence[Node], in_flight: Sequence[str]) -> Notice | None:
    if run.state == RunState.FAILED:
        return _failed_notice(run, nodes)
    if run.state == RunState.TERMINATED:
        by = f" by {run.ended_by}" if run.ended_by else ""
        title = f"Terminated{by}." if not run.reason else f"Terminated{by}:"
        return Notice("terminated", "stop_circle", title, run.reason, _draining_words(in_flight))
    failed = next((node for node in nodes if node.status == NodeStatus.FAILED), None)
    if failed is not None:
        small = f"The run fails when {_these(in_flight)} in flight {_ends(in_flight)}."
        title = f"{failed.key} failed{_after(failed)}."
        return Notice("failed", "error", title, _error_words(failed), small if in_flight else "")
    asking = [node.key for node in nodes if node.status == NodeStatus.WAITING]
    if asking and not run.is_final:
        # A thousand may: the page of decisions has them all.
        more = f", and {len(asking) - 1} more nodes" if len(asking) > 1 else ""
        title = f"{asking[0]}{more} {'wait' if more else 'waits'} for a person."
        link = reverse("decide", args=[run.public_id, asking[0]])
        return Notice("waiting", "person", title, link=link)
    return None


def _waits_notice(waits: Waits) -> Notice | None:
    return Notice("queued", "schedule", waits.title, waits.text) if waits.title else None


def _failed_notice(run: Run, nodes: Sequence[Node]) -> Notice:
    error = ": ".join(filter(None, (run.error_kind, run.error_message))) or run.reason
    culprit = next((node for node in nodes if node.key == run.error_node), None)
    if run.started_at is None:
        if run.error_kind == "InputInvalid":
            title = "Its input does not fit the workflow, so it did not start."
            return Notice("failed", "error", title, run.error_message)
        return Notice("failed", "error", "It could not start.", error)
    if culprit is None:
        return Notice("failed", "error", "The run failed.", error)
    return Notice("failed", "error", f"{culprit.key} failed{_after(culprit)}.", error)


def _error_words(node: Node) -> str:
    return ": ".join(filter(None, (node.error_kind, node.error_message)))


def _after(node: Node) -> str:
    return f" after {node.attempts} attempts" if node.attempts > 1 else ""


def _these(keys: Sequence[str]) -> str:
    return "the node" if len(keys) == 1 else f"the {len(keys)} nodes"


def _ends(keys: Sequence[str]) -> str:
    return "ends" if len(keys) == 1 else "end"


def _draining_words(keys: Sequence[str]) -> str:
    if not keys:
        return ""
    nodes = "1 node" if len(keys) == 1 else f"{len(keys)} nodes"
    verb = "finishes its" if len(keys) == 1 else "finish their"
    named = ", ".join(keys[:3]) + (" and others" if len(keys) > 3 else "")
    return f"draining {nodes}: {named} {verb} present operation"


# -- The timeline ----------------------------------------------------------------------------


def _words(seconds: float) -> str:
    return duration_words(timedelta(seconds=seconds))


def _summary(run: Run, told: Timeline) -> str:
    count = len(told.rows)
    parts = [f"{count:,} node{'' if count == 1 else 's'}"]
    if run.started_at is not None and told.total > 0 and told.idle >= 0.001:
        cause = f", {_IDLE_FOR[told.idle_cause]}" if told.idle_cause else ""
        # While the run goes on the facts say how long it has taken, and tick.
        of = f" of {_words(told.total)}" if run.is_final else " so far"
        parts.append(f"idle {_words(told.idle)}{of}{cause}")
    if told.waited:
        parts.append(f"began after {_words(told.waited)} in the queue")
    return " · ".join(parts)


def _line(node: Node, row: Row, whys: Mapping[str, str]) -> NodeLine:
    note, elapsed = REUSED if node.reused_from else node.status, None
    if row.growing and row.seconds is not None:
        elapsed = int(row.seconds * 1000)
        note = _words(row.seconds)
    elif node.status == NodeStatus.FAILED and node.attempts > 1:
        note = f"{node.attempts} attempts"
    elif node.status in (NodeStatus.COMPLETED, NodeStatus.FAILED) and row.seconds is not None:
        note = _words(row.seconds)
    many = len(row.bars) > 1
    return NodeLine(
        node=node,
        row=row,
        note=note,
        elapsed=elapsed,
        bars=[
            BarWords(bar, _bar_title(row.key, bar, many), _bar_label(bar, many)) for bar in row.bars
        ],
        gaps=[GapWords(gap, _gap_title(gap, whys.get(row.key, ""))) for gap in row.gaps],
    )


def _gap_title(gap: Gap, why: str) -> str:
    words = f"{_WAITED_FOR[gap.cause]} {_words(gap.seconds)}"
    return f"{words}: {why}" if why and gap.growing and gap.cause == QUEUED else words


def _bar_label(bar: Bar, many: bool) -> str:
    if not bar.attempt:
        return str(bar.status)
    return str(bar.attempt) if many else ""


def _bar_title(key: str, bar: Bar, many: bool) -> str:
    if not bar.attempt:
        return f"{key} was {bar.status}"
    name = f"Attempt {bar.attempt}" if many else key
    status = AttemptStatus(bar.status)
    outcome = _OUTCOMES.get(status) or f"{bar.error_kind or 'failed'} after"
    return f"{name}: {outcome} {_words(bar.seconds)}"
