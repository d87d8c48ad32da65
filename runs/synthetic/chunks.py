"""Stretches of made-up runs as COPY text, each from its numbers and the seed alone."""

from __future__ import annotations

import random
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from runs import ids
from runs.actors import ACTOR_REFS
from runs.synthetic import people, problems
from runs.synthetic.calendar import Calendar
from runs.synthetic.story import plan, tell
from runs.synthetic.template import NULL, Template, job_line, make
from runs.synthetic.urn import Urn
from runs.synthetic.workflows import KINDS, Kind

_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001  # naive times are formatted faster; all are UTC
_HOUR = 3_600_000_000
# How runs end, usually and while something is away that all depend on.
_USUALLY = Urn(
    {"completed": 92.1, "failed": 5.8, "terminated": 1.4, "refused": 0.5, "unstarted": 0.2}
)
_OUTAGE = Urn({"completed": 50, "outage": 46, "terminated": 3.5, "refused": 0.3, "unstarted": 0.2})
# Chance that a run is a retry of one of the last that failed.
_RETRIES = 0.03
_RECENT_FAILURES = 40


@dataclass(frozen=True, slots=True)
class Order:
    """What is wanted; runs are numbered from 0, the oldest."""

    runs: int
    seed: int
    until: datetime
    days: int
    events_per_run: float
    # So many of the newest runs have nodes, and events.
    nodes_for: int
    events_for: int
    # Workflow → the database's ids of itself and of its versions.
    workflows: dict[str, tuple[int, tuple[int, ...]]]
    # Whether the database looks at every row's parents too, which takes twice the time.
    checked: bool = False
    # Whether some problems begin before the end: see `problems`.
    planted: bool = False
    # Whether all have ended: beside a portal that goes on, others would be stuck.
    ended: bool = False

    @property
    def open(self) -> int:
        """Newest runs that have not ended yet."""
        if self.ended:
            return 0
        return min(40, max(4, self.runs // 250)) if self.runs >= 10 else 0

    @property
    def bare(self) -> int:
        """Oldest runs of which there is their own row only."""
        return self.runs - self.nodes_for


@dataclass(slots=True)
class Chunk:
    """COPY text by table, in the tables' order."""

    texts: dict[str, list[str]] = field(
        default_factory=lambda: {
            table: [] for table in ("jobs", "nodes", "attempts", "llm_calls", "event_tracking")
        }
    )
    events: int = 0
    # By workflow and hour, in which runs are counted: one of them.
    counted: dict[tuple[int, int], str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Failed:
    at: int
    run: int
    first: int
    kind: int
    version: int
    trigger: str
    source: people.Source
    document: str


class Repertoire:
    """Templates by workflow, version and outcome, and whether a problem has begun. The same seed
    makes the same ones."""

    def __init__(
        self, kinds: Sequence[Kind], seed: int, events_per_run: float, variety: float
    ) -> None:
        self._kinds = kinds
        self._seed, self._events, self._variety = seed, events_per_run, variety
        self._made: dict[tuple[int, int, str, bool], list[Template]] = {}

    def choose(
        self, kind: int, version: int, outcome: str, rng: random.Random, *, changed: bool = False
    ) -> Template:
        key = (kind, version, outcome, changed)
        found = self._made.get(key)
        if found is None:
            found = self._made[key] = self._make(*key)
        return found[int(rng.random() * len(found))]

    def _make(self, place: int, version: int, outcome: str, changed: bool) -> list[Template]:
        kind = self._kinds[place]
        rng = random.Random(f"{self._seed} {kind.slug} {version} {outcome}")
        steps, graph = kind.versions[version], kind.graphs[version]
        if changed:
            steps = problems.CHANGED[kind.slug]
        count = 160 if outcome == "completed" else 80 if outcome in ("failed", "outage") else 16
        # The engine's own events are counted in.
        lines = max(0.0, (self._events - 3 - 3.2 * len(steps)) / len(steps))
        return [
            make(tell(steps, graph, plan(steps, outcome, rng, rng.uniform(0.4, 1.6) * lines), rng))
            for _ in range(max(4, int(count * self._variety)))
        ]


class Teller:
    """Tells stretches of an order."""

    def __init__(self, order: Order) -> None:
        self.order = order
        self.calendar = Calendar(order.runs, order.until, order.days, order.seed)
        variety = min(1.0, order.runs / 50_000)
        self.kinds = kinds_of(planted=order.planted)
        self.repertoire = Repertoire(self.kinds, order.seed, order.events_per_run, variety)
        self.chance = Urn({place: kind.share for place, kind in enumerate(self.kinds)})
        self.triggers = [Urn(kind.triggers) for kind in self.kinds]
        begin = order.until.astimezone(UTC).replace(tzinfo=None) - problems.AGO - _EPOCH
        self.planted_from = begin // timedelta(microseconds=1)

    def chunk(self, first: int, last: int, node_ids: Callable[[int], Sequence[int]]) -> Chunk:
        """Runs from number `first` up to, without, `last`. `node_ids` gives so many fresh ids."""
        return _Stretch(self, first, last, node_ids).tell()


def kinds_of(*, planted: bool) -> tuple[Kind, ...]:
    return tuple(map(problems.published, KINDS)) if planted else KINDS


class _Stretch:
    def __init__(
        self, teller: Teller, first: int, last: int, node_ids: Callable[[int], Sequence[int]]
    ) -> None:
        self.teller, self.order = teller, teller.order
        self.numbers = range(first, last)
        self.node_ids = node_ids
        self.rng = random.Random(f"{teller.order.seed} {first}")
        self.failed: list[_Failed] = []
        self.chunk = Chunk()
        self.last_at = 0
        # Told once the ids of their nodes are known.
        self.with_nodes: list[tuple[Template, list[str], bool]] = []

    def tell(self) -> Chunk:
        for number in self.numbers:
            self._run(number)
        self._tell_nodes()
        return self.chunk

    def _run(self, number: int) -> None:
        rng, order = self.rng, self.order
        at = self.last_at = max(self.teller.calendar.at(number, rng.random()), self.last_at + 1)
        original = self._original(at)
        if original is None:
            kind_place = self.teller.chance.draw(rng)
            kind = self.teller.kinds[kind_place]
            trigger = self.teller.triggers[kind_place].draw(rng)
            version = self._version(kind, number, at)
            source = people.source(rng, trigger)
            document = kind.document.format(1_000_000 + int(rng.random() * 9_000_000))
        else:
            kind_place, version = original.kind, original.version
            kind, trigger = self.teller.kinds[kind_place], original.trigger
            document = original.document
            source = _retried(original.source, people.operator(rng))
        template = self._template(kind_place, version, number, at)
        stretch = rng.uniform(0.7, 1.5)
        if at + template.length * stretch > self.teller.calendar.until:
            if not order.ended:
                template = self._open_template(kind_place, version)
            room = max(0, self.teller.calendar.until - at)
            stretch = min(stretch, room / max(1, template.length))
        run = run_id(at, rng)
        with_nodes = number >= order.runs - order.nodes_for
        with_events = number >= order.runs - order.events_for
        # Most runs need the times of their own row only.
        whole = range(len(template.moments))
        wanted = whole if with_nodes else (template.started, template.ended)
        times: dict[int | None, str] = {
            place: moment_text(at + int(template.moments[place] * stretch))
            for place in wanted
            if place is not None
        }
        workflow, versions = order.workflows[kind.slug]
        self.chunk.counted.setdefault((workflow, at // _HOUR), f"{run:032x}")
        fixed = [f"{run:032x}", document, source.triggered_by, people.operator(rng).triggered_by]
        self.chunk.texts["jobs"].append(
            job_line(
                template, fixed, (workflow, versions[version], trigger), source,
                (f"{original.run:032x}", f"{original.first:032x}") if original else None,
                moment_text(at), times.get(template.started, NULL), times.get(template.ended, NULL),
            )
        )  # fmt: skip
        if with_nodes:
            fixed += _told(run, kind, version, trigger, original) if with_events else ("", "")
            fixed += times.values()
            self.with_nodes.append((template, fixed, with_events))
        if template.failed and template.ended is not None:
            finished = at + int(template.moments[template.ended] * stretch)
            self.failed.append(
                _Failed(finished, run, original.first if original else run, kind_place, version,
                        trigger, source, document)
            )  # fmt: skip
            del self.failed[:-_RECENT_FAILURES]

    def _original(self, at: int) -> _Failed | None:
        if not self.failed or self.rng.random() >= _RETRIES:
            return None
        place = self.rng.randrange(len(self.failed))
        return self.failed.pop(place) if self.failed[place].at < at else None

    def _has_begun(self, at: int) -> bool:
        return self.order.planted and at >= self.teller.planted_from

    def _version(self, kind: Kind, number: int, at: int) -> int:
        """Versions follow each other over the time; now and then an older one is run again."""
        count = len(kind.versions)
        if self.order.planted and kind.slug == problems.FAILING:
            if self._has_begun(at):
                return count - 1
            count -= 1
        usual = min(count - 1, number * count // self.order.runs)
        return self.rng.randrange(usual + 1) if self.rng.random() < 0.01 else usual

    def _template(self, kind: int, version: int, number: int, at: int) -> Template:
        if number >= self.order.runs - self.order.open:
            return self._open_template(kind, version)
        shares = _OUTAGE if self.teller.calendar.is_outage(at) else _USUALLY
        outcome = shares.draw(self.rng)
        own, changed = self.teller.kinds[kind], False
        if self._has_begun(at) and version == len(own.versions) - 1:
            changed = own.slug in problems.CHANGED
            if own.slug == problems.FAILING and self.rng.random() < problems.FAILING_SHARE:
                outcome = "planted"
        return self.teller.repertoire.choose(kind, version, outcome, self.rng, changed=changed)

    def _open_template(self, kind: int, version: int) -> Template:
        outcome = "created" if self.rng.random() < 0.25 else "active"
        return self.teller.repertoire.choose(kind, version, outcome, self.rng)

    def _tell_nodes(self) -> None:
        texts = self.chunk.texts
        fresh = self.node_ids(sum(template.node_count for template, _, _ in self.with_nodes))
        used = 0
        for template, fixed, with_events in self.with_nodes:
            own = fresh[used : used + template.node_count]
            used += template.node_count
            texts["nodes"].append(template.nodes.format(*fixed, *own))
            texts["attempts"].append(template.attempts.format(*fixed, *own))
            texts["llm_calls"].append(template.calls.format(*fixed))
            if with_events:
                texts["event_tracking"].append(template.events.format(*fixed))
                self.chunk.events += template.event_count


def run_id(at: int, rng: random.Random) -> int:
    """A UUIDv7 of microseconds since 1970, whose order is that of the times."""
    milliseconds, rest = divmod(at, 1000)
    return (
        milliseconds << 80
        | 0x7 << 76
        | (rest * 4096 // 1000) << 64
        | 0b10 << 62
        | rng.getrandbits(62)
    )


def _told(
    run: int, kind: Kind, version: int, trigger: str, original: _Failed | None
) -> tuple[str, str]:
    """The public id, and what else a run's first event says of it."""
    more = f'"workflow":"{kind.slug}","version":{version + 1},"trigger":"{trigger}"'
    if original is not None:
        more += f',"retry_of":"{ids.encode("run", uuid.UUID(int=original.run))}"'
    return ids.encode("run", uuid.UUID(int=run)), more


def _retried(source: people.Source, by: people.Source) -> people.Source:
    """A retry keeps a caller's own reference and is triggered by who asked for it."""
    own_word = source.ref_type not in ACTOR_REFS
    kept = source if own_word else by
    return people.Source(by.triggered_by, kept.ref_type, kept.ref_id)


def moment_text(at: int) -> str:
    return (_EPOCH + timedelta(microseconds=at)).isoformat()
