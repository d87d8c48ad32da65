"""A rule in words."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from runs.states import Kind, RunState
from runs.triggers import cron
from runs.triggers.rule import Rule, RunEnd, RunEvent, Schedule, Start, Target

_ENDS = {
    RunState.COMPLETED: "completes",
    RunState.FAILED: "fails",
    RunState.TERMINATED: "is terminated",
}
KIND_WORDS: dict[str, str] = {
    Kind.RUN_CREATED: "a run is created",
    Kind.STATE_CHANGED: "the state changes",
    Kind.NODE_QUEUED: "a node is queued",
    Kind.NODE_STARTED: "a node starts",
    Kind.NODE_COMPLETED: "a node completes",
    Kind.NODE_FAILED: "a node fails",
    Kind.NODE_SKIPPED: "a node is skipped",
    Kind.PATH_SELECTED: "a branch chooses a path",
    Kind.HUMAN_ACTION: "a person is asked, or decides",
    Kind.LOG: "a line is logged",
    Kind.PROGRESS: "progress is told",
    Kind.LLM_CALL: "a model is called",
    Kind.COST_UPDATE: "a cost is told",
    Kind.LATE_RESULT: "a result comes late",
}
OPERATOR_WORDS = {
    "equals": "is",
    "not_equals": "is not",
    "greater_than": "is greater than",
    "less_than": "is less than",
    "in": "is one of",
    "exists": "is there",
}


def when_words(rule: Rule) -> str:
    when = rule.when
    if isinstance(when, Schedule):
        said = cron.words(when.cron)
        # The library's words begin with a capital and may say the expression itself.
        return f"{said or when.cron}, {when.zone}"
    if isinstance(when, RunEnd):
        ends = _either([_ENDS[RunState(state)] for state in when.states])
        return f"When a run of {when.workflow or 'any workflow'} {ends}"
    if isinstance(when, RunEvent):
        events = _either([KIND_WORDS[kind] for kind in when.kinds])
        where = f" at {when.node}" if when.node else ""
        return f"When {events}{where}, in {when.workflow or 'any workflow'}"
    return "When its address is called, signed"


def target_words(target: Target) -> str:
    if isinstance(target, Start):
        version = f" v{target.version}" if target.version else ""
        return f"start {target.workflow}{version}"
    changed = " with another input" if target.has_input else ""
    return f"retry {target.run}{changed}"


def then_words(rule: Rule) -> str:
    said = [target_words(target) for target in rule.targets]
    return ", ".join(said[:3]) + (f" and {len(said) - 3} more" if len(said) > 3 else "")


def condition_lines(condition: dict[str, Any] | None) -> tuple[str, list[str]]:
    """How its parts combine (“all”, “any” or ""), and each part; a nested part as JSON."""
    if not condition:
        return "", []
    for word in ("all", "any"):
        if word in condition:
            return word, [_line(part) for part in condition[word]]
    return "", [_line(condition)]


def _line(part: dict[str, Any]) -> str:
    operator = next((word for word in OPERATOR_WORDS if word in part), "")
    if "value" not in part or not operator:
        return json.dumps(part, ensure_ascii=False)
    if operator == "exists":
        return f"{part['value']} {'is there' if part['exists'] is not False else 'is not there'}"
    bound = part[operator]
    if operator == "in":
        shown = ", ".join(json.dumps(item, ensure_ascii=False) for item in bound)
    else:
        shown = json.dumps(bound, ensure_ascii=False)
    return f"{part['value']} {OPERATOR_WORDS[operator]} {shown}"


def _either(words: Sequence[str]) -> str:
    return " or ".join(filter(None, (", ".join(words[:-1]), words[-1]))) if words else ""
