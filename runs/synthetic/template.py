"""COPY text of a story, with gaps for the run's id, names and times.

`str.format` fills the gaps: fixed ones first (`FIXED`), then a time for each moment of the story,
then the database's ids of its nodes. The same text serves any number of runs.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from runs.fingerprint import fingerprint
from runs.payload import dump
from runs.states import AttemptStatus, Kind
from runs.synthetic.people import Source
from runs.synthetic.story import BY, DOCUMENT, RUN_ID, WHO, ZERO, Story, Told

# Their places among the arguments of `format`.
FIXED = ("run", "document", "by", "who", "public_id", "created_more")
_GAPS = {DOCUMENT: "{1}", BY: "{2}", WHO: "{3}", RUN_ID: "{4}"}
_CREATED_MORE = "\ue004"
NULL = "\\N"

JOBS = (
    "id", "workflow_id", "version_id", "trigger", "triggered_by", "ref_type", "ref_id",
    "retry_of_id", "first_id", "created_at", "started_at", "completed_at", "state", "state_seq",
    "last_seq", "cost", "input_tokens", "output_tokens", "cached_tokens", "nodes_total",
    "nodes_done", "current_node", "error_node", "error_kind", "error_message", "error_group",
    "ended_by", "reason",
)  # fmt: skip
NODES = (
    "id", "run_id", "key", "position", "kind", "executor", "status", "attempts", "failures",
    "queued_at", "started_at", "completed_at", "input_seq", "output_seq", "error_seq",
    "error_kind", "error_message", "selected", "progress_done", "progress_total", "cost",
)  # fmt: skip
ATTEMPTS = (
    "node_id", "run_id", "number", "status", "worker", "started_at", "completed_at", "retry_at",
    "error_kind", "error_message", "input_seq", "result_seq",
)  # fmt: skip
CALLS = (
    "run_id", "seq", "node", "attempt", "model", "input_tokens", "output_tokens",
    "cached_tokens", "cost", "at",
)  # fmt: skip
EVENTS = (
    "run_id", "seq", "kind", "node", "attempt", "actor", "at", "recorded_at", "data",
)  # fmt: skip
TABLES = {
    "jobs": JOBS, "nodes": NODES, "attempts": ATTEMPTS, "llm_calls": CALLS,
    "event_tracking": EVENTS,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Template:
    # Microseconds after the run's creation, one for each time gap.
    moments: tuple[int, ...]
    # Places among `moments`, or None where the run never started or has not ended.
    started: int | None
    ended: int | None
    # The row of `jobs` from the state on.
    run: str
    nodes: str
    attempts: str
    calls: str
    events: str
    node_count: int
    event_count: int
    failed: bool

    @property
    def length(self) -> int:
        return self.moments[-1]

    @property
    def rows(self) -> tuple[str, str, str, str]:
        """Text of the other tables than `jobs`, in the order of TABLES."""
        return self.nodes, self.attempts, self.calls, self.events


def job_line(
    template: Template,
    fixed: Sequence[str],
    of: tuple[int, int, str],
    source: Source,
    lineage: tuple[str, str] | None,
    created: str,
    started: str,
    ended: str,
) -> str:
    """`of` is workflow, version, trigger; `lineage` the retried run and the chain's first."""
    workflow, version, trigger = of
    retry_of, first = lineage or (NULL, NULL)
    return (
        f"{fixed[0]}\t{workflow}\t{version}\t{trigger}\t{source.triggered_by}\t{source.ref_type}\t"
        f"{source.ref_id}\t{retry_of}\t{first}\t{created}\t{started}\t{ended}\t"
        + template.run.format(*fixed)
    )


def make(story: Story) -> Template:
    return _Maker(story).make()


class _Maker:
    def __init__(self, story: Story) -> None:
        self.story = story
        times = {told.at for told in story.events}
        times |= {ended.retry_at for ended in story.ended.values() if ended.retry_at}
        self.times = sorted(times)
        self.places = {at: place for place, at in enumerate(self.times)}
        self.node_places = {
            key: len(FIXED) + len(self.times) + place for place, key in enumerate(story.nodes)
        }

    def make(self) -> Template:
        story, run = self.story, self.story.run
        micro = timedelta(microseconds=1)
        return Template(
            moments=tuple((at - ZERO) // micro for at in self.times),
            started=self.places[run.started_at] if run.started_at else None,
            ended=self.places[run.completed_at] if run.completed_at else None,
            run=self._line(
                run.state, run.state_seq, run.last_seq, run.cost, run.input_tokens,
                run.output_tokens, run.cached_tokens, run.nodes_total, run.nodes_done,
                run.current_node, run.error_node, run.error_kind, run.error_message,
                self._group(), run.ended_by, run.reason,
            ),
            nodes=self._lines(self._nodes()),
            attempts=self._lines(self._attempts()),
            calls=self._lines(self._calls()),
            events=self._lines(map(self._event, story.events)),
            node_count=len(story.nodes),
            event_count=len(story.events),
            failed=run.state == "failed",
        )  # fmt: skip

    def _group(self) -> int | None:
        run = self.story.run
        if run.state != "failed":
            return None
        # Documents differ, and do not tell failures apart.
        message = run.error_message.replace(DOCUMENT, "inv-1.pdf")
        return fingerprint(run.error_kind, message, run.error_node)

    def _nodes(self) -> Iterable[tuple[Any, ...]]:
        for n in self.story.nodes.values():
            yield (
                _Gap(self.node_places[n.key]), _Gap(0), n.key, n.position, n.kind, n.executor,
                n.status, n.attempts, n.failures, n.queued_at, n.started_at, n.completed_at,
                n.input_seq, n.output_seq, n.error_seq, n.error_kind, n.error_message,
                None if n.selected is None else dump(n.selected), n.progress_done,
                n.progress_total, n.cost,
            )  # fmt: skip

    def _attempts(self) -> Iterable[tuple[Any, ...]]:
        for a in self.story.begun:
            place, end = _Gap(self.node_places[a.node]), self.story.ended.get((a.node, a.number))
            if end is None:
                status: tuple[Any, ...] = (AttemptStatus.RUNNING, a.worker, a.started_at)
                yield (place, _Gap(0), a.number, *status, None, None, "", "", a.input_seq, None)
            else:
                yield (
                    place, _Gap(0), a.number, end.status, a.worker, a.started_at,
                    end.completed_at, end.retry_at, end.error_kind, end.error_message,
                    a.input_seq, end.result_seq,
                )  # fmt: skip

    def _calls(self) -> Iterable[tuple[Any, ...]]:
        for c in self.story.calls:
            yield (
                _Gap(0), c.seq, c.node, c.attempt, c.model, c.input_tokens, c.output_tokens,
                c.cached_tokens, c.cost, c.at,
            )  # fmt: skip

    def _event(self, told: Told) -> tuple[Any, ...]:
        event, data = told.event, dict(told.event.data)
        if event.kind == Kind.RUN_CREATED:
            data[_CREATED_MORE] = 0
        if retry_at := data.get("retry_at"):
            data["retry_at"] = self._time(datetime.fromisoformat(retry_at)) + "+00:00"
        return (
            _Gap(0), told.seq, event.kind.value, event.node, event.attempt, event.actor,
            told.at, told.at, dump(data),
        )  # fmt: skip

    # -- COPY text ---------------------------------------------------------------------------

    def _lines(self, rows: Iterable[tuple[Any, ...]]) -> str:
        return "".join(self._line(*row) for row in rows)

    def _line(self, *values: Any) -> str:
        return "\t".join(map(self._value, values)) + "\n"

    def _time(self, at: datetime) -> str:
        # Characters of its own until the text is escaped.
        return f"\ue005{len(FIXED) + self.places[at]}\ue006"

    def _value(self, value: Any) -> str:
        if value is None:
            return NULL
        if isinstance(value, _Gap):
            return f"{{{value.place}}}"
        if isinstance(value, datetime):
            value = self._time(value)
        text = _escaped(str(value)).replace("{", "{{").replace("}", "}}")
        text = text.replace("\ue005", "{").replace("\ue006", "}")
        text = text.replace(f'"{_CREATED_MORE}":0', "{5}")
        for mark, gap in _GAPS.items():
            text = text.replace(mark, gap)
        return text


@dataclass(frozen=True, slots=True)
class _Gap:
    place: int


def _escaped(text: str) -> str:
    text = text.replace("\\", "\\\\").replace("\t", "\\t")
    return text.replace("\n", "\\n").replace("\r", "\\r")
