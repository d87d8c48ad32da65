"""A trigger's rule as people write it: when, if, then. Checked before it is stored. Pure."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from runs import conditions, paths
from runs.states import FINAL_STATES, Kind, Trigger
from runs.triggers import cron

MAX_TARGETS = 10
# Of its JSON as text: what people write is far shorter.
MAX_CHARACTERS = 100_000
MAX_WINDOW = 3_600
SCHEMES = ("standard", "github")
_SLUG = re.compile(r"[a-z][a-z0-9_]{0,63}\Z")

# What paths may begin with, by what the trigger waits for: see `runs.triggers.payloads`.
ROOTS: dict[str, tuple[str, ...]] = {
    "time": ("due_at", "fired_at"),
    "call": ("body", "headers", "query"),
    "run_end": ("run", "data", "output", "nodes"),
    "run_event": ("run", "event", "data", "nodes"),
}


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong, and where: “when.cron”, “then.0.input”, or "" for the whole."""

    place: str
    message: str

    def __str__(self) -> str:
        return f"{self.place}: {self.message}" if self.place else self.message


class RuleError(ValueError):
    def __init__(self, problems: list[Problem]) -> None:
        self.problems = problems
        super().__init__("; ".join(map(str, problems)))


@dataclass(frozen=True, slots=True)
class Schedule:
    cron: str
    zone: str
    # Times that passed while the portal was away: started later, or noted as missed.
    catch_up: bool = False
    skip_if_running: bool = False


@dataclass(frozen=True, slots=True)
class Webhook:
    scheme: str = "standard"
    # How old a signed call may be, in seconds.
    window_seconds: int = 300


@dataclass(frozen=True, slots=True)
class RunEnd:
    # "" is any workflow.
    workflow: str
    states: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class RunEvent:
    workflow: str
    kinds: tuple[str, ...]
    # "" is any node, or none.
    node: str = ""


When = Schedule | Webhook | RunEnd | RunEvent


@dataclass(frozen=True, slots=True)
class Start:
    """Start a run of a workflow, with `input` filled from what happened."""

    workflow: str
    # None: the newest when it fires.
    version: int | None = None
    input: Any = None
    ref_type: str = ""
    ref_id: str = ""

    @property
    def label(self) -> str:
        return self.workflow


@dataclass(frozen=True, slots=True)
class Retry:
    """Retry the run whose id `run` leads to; with `input`, if there is one, in place of its own."""

    run: str
    input: Any = None
    has_input: bool = False

    @property
    def label(self) -> str:
        return f"retry of {self.run}"


Target = Start | Retry


@dataclass(frozen=True, slots=True)
class Rule:
    kind: str
    source: str
    when: When
    condition: dict[str, Any] | None
    targets: tuple[Target, ...]

    def paths(self) -> set[str]:
        """All that it reads of what happened."""
        found = set(conditions.mentioned(self.condition)) if self.condition else set()
        for target in self.targets:
            found.update(paths.mentioned(target.input))
            place = target.ref_id if isinstance(target, Start) else target.run
            found.update(paths.mentioned(place))
        return found


def parse(kind: str, raw: Any) -> Rule:
    """Raises RuleError with every problem found."""
    reading = _Reading(kind)
    rule = reading.rule(raw)
    if reading.problems or rule is None:
        raise RuleError(reading.problems)
    return rule


class _Reading:
    def __init__(self, kind: str) -> None:
        self.kind = kind
        self.source = "time" if kind == Trigger.SCHEDULE else "call"
        self.problems: list[Problem] = []

    def say(self, place: str, message: str) -> None:
        self.problems.append(Problem(place, message))

    def rule(self, raw: Any) -> Rule | None:
        if not isinstance(raw, dict):
            self.say("", "a rule is a JSON object with “when”, “if” and “then”")
            return None
        self.unknown("", raw, {"when", "if", "then"})
        when = self.when(raw.get("when"))
        condition = raw.get("if")
        if condition is not None:
            self.condition(condition)
        targets = self.targets(raw.get("then"))
        if when is None:
            return None
        return Rule(self.kind, self.source, when, condition, targets)

    def unknown(self, place: str, raw: dict[str, Any], known: Collection[str]) -> None:
        if names := sorted(set(raw) - set(known)):
            self.say(place, f"unknown field {', '.join(names)}")

    # -- When -------------------------------------------------------------------------------

    def when(self, raw: Any) -> When | None:
        if self.kind == Trigger.WEBHOOK and raw is None:
            raw = {}
        if not isinstance(raw, dict):
            self.say("when", "says what the trigger waits for")
            return None
        if self.kind == Trigger.SCHEDULE:
            return self.schedule(raw)
        if self.kind == Trigger.WEBHOOK:
            return self.webhook(raw)
        given = [name for name in ("run_ends", "event") if name in raw]
        if len(given) != 1 or len(raw) != 1 or not isinstance(raw[given[0]], dict):
            self.say("when", "holds either “run_ends” or “event”, an object")
            return None
        inner = raw[given[0]]
        self.source = "run_end" if given == ["run_ends"] else "run_event"
        return self.run_end(inner) if given == ["run_ends"] else self.run_event(inner)

    def schedule(self, raw: dict[str, Any]) -> Schedule:
        self.unknown("when", raw, {"cron", "zone", "catch_up", "skip_if_running"})
        expression, zone = raw.get("cron"), raw.get("zone", "UTC")
        if complaint := cron.complaint(expression):
            self.say("when.cron", complaint)
        if complaint := cron.zone_complaint(zone):
            self.say("when.zone", complaint)
        return Schedule(
            expression if isinstance(expression, str) else "",
            zone if isinstance(zone, str) else "",
            self.flag("when", raw, "catch_up"),
            self.flag("when", raw, "skip_if_running"),
        )

    def webhook(self, raw: dict[str, Any]) -> Webhook:
        self.unknown("when", raw, {"scheme", "window_seconds"})
        scheme = raw.get("scheme", "standard")
        if scheme not in SCHEMES:
            self.say("when.scheme", f"is one of {', '.join(SCHEMES)}")
        window = raw.get("window_seconds", 300)
        if isinstance(window, bool) or not isinstance(window, int) or not 1 <= window <= MAX_WINDOW:
            self.say("when.window_seconds", f"is a whole number from 1 to {MAX_WINDOW:,}")
        return Webhook(str(scheme), window if isinstance(window, int) else 300)

    def run_end(self, raw: dict[str, Any]) -> RunEnd:
        place = "when.run_ends"
        self.unknown(place, raw, {"workflow", "states"})
        states: Any = raw.get("states")
        if not _is_list_of(states, FINAL_STATES):
            self.say(f"{place}.states", f"is a list of some of {', '.join(FINAL_STATES)}")
            states = []
        return RunEnd(self.slug(place, raw.get("workflow"), empty=True), tuple(states))

    def run_event(self, raw: dict[str, Any]) -> RunEvent:
        place = "when.event"
        self.unknown(place, raw, {"workflow", "kinds", "node"})
        kinds: Any = raw.get("kinds")
        if not _is_list_of(kinds, list(Kind)):
            self.say(f"{place}.kinds", f"is a list of some of {', '.join(Kind)}")
            kinds = []
        node = raw.get("node") or ""
        if not isinstance(node, str) or len(node) > 64:
            self.say(f"{place}.node", "is a node's id")
            node = ""
        return RunEvent(self.slug(place, raw.get("workflow"), empty=True), tuple(kinds), node)

    # -- If and then ------------------------------------------------------------------------

    def condition(self, raw: Any) -> None:
        try:
            conditions.check(raw, self.check_path)
        except (conditions.ConditionError, paths.PathError) as error:
            self.say("if", str(error))
        except RecursionError:
            self.say("if", "is nested too deep")

    def check_path(self, path: str) -> None:
        paths.check(path, ROOTS[self.source])

    def targets(self, raw: Any) -> tuple[Target, ...]:
        most = MAX_TARGETS if self.kind == Trigger.AUTOMATION else 1
        if not isinstance(raw, list) or not raw:
            self.say("then", "is a list of what to do, at least one thing")
            return ()
        if len(raw) > most:
            limit = f"{most} things" if most > 1 else "one thing; an automation does several"
            self.say("then", f"does at most {limit}")
            return ()
        found = (self.target(f"then.{number}", item) for number, item in enumerate(raw))
        return tuple(target for target in found if target)

    def target(self, place: str, raw: Any) -> Target | None:
        if not isinstance(raw, dict) or ("start" in raw) == ("retry" in raw):
            self.say(place, "holds either “start”, a workflow, or “retry”, a path to a run's id")
            return None
        self.mapping(f"{place}.input", raw.get("input"))
        if "retry" in raw:
            self.unknown(place, raw, {"retry", "input"})
            run = raw["retry"]
            if not paths.is_path(run):
                self.say(f"{place}.retry", "is a path to a run's id, such as $.run.id")
                return None
            self.mapping(f"{place}.retry", run)
            return Retry(run, raw.get("input"), "input" in raw)
        self.unknown(place, raw, {"start", "version", "input", "ref"})
        version = raw.get("version")
        if version is not None and (isinstance(version, bool) or not _is_number(version)):
            self.say(f"{place}.version", "is a version's number; leave it out for the newest")
            version = None
        ref = raw.get("ref") or {}
        if not isinstance(ref, dict) or not _is_ref(ref):
            self.say(f"{place}.ref", "has a “type” and an “id”, both texts")
            ref = {}
        self.mapping(f"{place}.ref", ref)
        return Start(
            self.slug(f"{place}.start", raw["start"]),
            version,
            raw.get("input"),
            ref.get("type", ""),
            ref.get("id", ""),
        )

    def mapping(self, place: str, value: Any) -> None:
        try:
            mentioned = paths.mentioned(value)
        except RecursionError:
            self.say(place, "is nested too deep")
            return
        for path in mentioned:
            try:
                self.check_path(path)
            except paths.PathError as error:
                self.say(place, str(error))

    def slug(self, place: str, value: Any, *, empty: bool = False) -> str:
        if empty and not value:
            return ""
        if not isinstance(value, str) or not _SLUG.match(value):
            where = place if place.startswith("then") else f"{place}.workflow"
            self.say(where, "is a workflow's id, such as invoice_processing")
            return ""
        return value

    def flag(self, place: str, raw: dict[str, Any], name: str) -> bool:
        value = raw.get(name, False)
        if not isinstance(value, bool):
            self.say(f"{place}.{name}", "is true or false")
        return value is True


def _is_list_of(value: Any, allowed: Collection[str]) -> bool:
    return (
        isinstance(value, list)
        and bool(value)
        and all(isinstance(item, str) and item in allowed for item in value)
    )


def _is_number(value: Any) -> bool:
    return isinstance(value, int) and 1 <= value < 2**31


def _is_ref(ref: Mapping[str, Any]) -> bool:
    kind, own_id = ref.get("type", ""), ref.get("id", "")
    fits = isinstance(kind, str) and isinstance(own_id, str) and len(kind) <= 64
    return fits and bool(kind) == bool(own_id) and ref.keys() <= {"type", "id"}
