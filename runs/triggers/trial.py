"""Trying a trigger: what it would do with something that it might meet."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Any

from django.db import OperationalError

from runs import conditions, ids, input_schema, paths
from runs.context import stamp
from runs.definitions import graph_of
from runs.graph import DefinitionError
from runs.models import Event, Firing, Run, Trigger, Workflow
from runs.models.trigger import Source
from runs.states import Kind
from runs.timeouts import statement_timeout, was_stopped
from runs.triggers import firing, payloads, schedule
from runs.triggers.firing import Happening
from runs.triggers.rule import Retry, Rule, RunEnd, RunEvent, Start, parse

MAX_VIOLATIONS = 10
# Among so many of the newest runs one is looked for that would be an example.
LOOKED_AT = 200
# For so long; what takes longer is not worth an example.
SAMPLE_SECONDS = 3


@dataclass(slots=True)
class Trial:
    """What one target would be started with, or why it would not."""

    target: Start | Retry
    input: Any = None
    has_input: bool = False
    why: str = ""
    violations: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Preview:
    holds: bool
    trials: list[Trial] = field(default_factory=list)

    @property
    def is_fine(self) -> bool:
        return self.holds and not any(trial.why or trial.violations for trial in self.trials)


def preview(rule: Rule, payload: Mapping[str, Any]) -> Preview:
    """What it would do; nothing is started or stored."""
    context = dict(payload)
    holds = not rule.condition or conditions.holds(
        rule.condition, partial(paths.resolve, context=context)
    )
    return Preview(holds, [_trial(target, context) for target in rule.targets])


def fire(trigger: Trigger, payload: Mapping[str, Any], *, now: datetime) -> Firing:
    """Do it in earnest, also where the trigger is off; the firing is marked as a test."""
    happening = Happening(f"test:{ids.new_id()}", payload, is_test=True)
    return firing.fire(trigger, happening, now=now)[0]


def sample(trigger: Trigger, now: datetime) -> dict[str, Any]:
    """Something that it might meet: what it met last, or else what a recent run would give."""
    met = trigger.firings.exclude(payload=None).values_list("payload", flat=True).first()
    if met is not None:
        return dict(met)
    rule = parse(trigger.kind, trigger.rule)
    if trigger.source == Source.TIME:
        due = schedule.next_due(trigger, now) or now
        return {"due_at": stamp(due), "fired_at": stamp(due)}
    if trigger.source == Source.CALL:
        return {"body": {}, "headers": {}, "query": {}}
    try:
        with statement_timeout(SAMPLE_SECONDS):
            return _of_recent_run(rule)
    except OperationalError as error:
        if not was_stopped(error):
            raise
        return {"run": {}, "data": {}, "nodes": {}}


def _of_recent_run(rule: Rule) -> dict[str, Any]:
    when, mentioned = rule.when, rule.paths()
    assert isinstance(when, RunEnd | RunEvent)
    runs = Run.objects.newest_first().select_related("workflow", "version")
    if when.workflow:
        # By its id: through its name PostgreSQL might look at every run for one of a rare workflow.
        runs = runs.filter(workflow=Workflow.objects.filter(slug=when.workflow).first())
    if isinstance(when, RunEnd):
        run = runs.filter(state__in=when.states).first() or runs.first()
        return payloads.of_run(run, mentioned) if run else {"run": {}, "data": {}, "nodes": {}}
    newest = runs[:LOOKED_AT].values("pk")
    events = Event.objects.filter(run__in=newest, kind__in=when.kinds)
    if when.node:
        events = events.filter(node=when.node)
    event = events.order_by("-recorded_at").first()
    if event is None:
        kind = when.kinds[0] if when.kinds else Kind.LOG
        shape = {"kind": kind, "node": when.node, "data": {}}
        return {"run": {}, "event": shape, "data": {}, "nodes": {}}
    return payloads.of_event(runs.get(pk=event.run_id), event, mentioned)


def _trial(target: Start | Retry, context: dict[str, Any]) -> Trial:
    trial = Trial(target)
    try:
        if isinstance(target, Retry):
            found = paths.resolve(target.run, context)
            if not (isinstance(found, str) and ids.decode("run", found)):
                trial.why = f"{target.run} leads to no run's id"
                return trial
            if not target.has_input:
                return trial
        trial.input, trial.has_input = paths.fill(target.input, context), True
    except LookupError as error:
        trial.why = str(error.args[0])
        return trial
    return preview_start(target, trial.input) if isinstance(target, Start) else trial


def preview_start(target: Start, given: Any) -> Trial:
    """What would come of a start with this input."""
    trial = Trial(target, given, has_input=True)
    _hold_against_schema(trial, target)
    return trial


def _hold_against_schema(trial: Trial, target: Start) -> None:
    workflow = Workflow.objects.filter(slug=target.workflow).first()
    versions = workflow.versions.order_by("-number") if workflow else None
    if versions is not None and target.version is not None:
        versions = versions.filter(number=target.version)
    version = versions.first() if versions is not None else None
    if version is None:
        trial.why = f"there is no such version of {target.workflow}"
        return
    try:
        schema = graph_of(version.pk).input_schema
    except DefinitionError as error:
        trial.why = f"version {version.number} does not pass the checks: {error}"
        return
    found = input_schema.violations(schema, trial.input, MAX_VIOLATIONS)
    trial.violations = [str(each) for each in found]
