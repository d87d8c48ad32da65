"""A rule as the fields of a form, and back.

What the fields cannot say, such as conditions within conditions, is written as JSON in its place.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.http import QueryDict

from runs import json_text, paths
from runs.states import FINAL_STATES, Kind, Trigger
from runs.triggers.rule import MAX_TARGETS, Problem

OPERATORS = ("equals", "not_equals", "greater_than", "less_than", "in", "exists")
MAX_CONDITIONS = 20
MAX_INPUTS = 50


@dataclass(slots=True)
class ConditionRow:
    path: str = ""
    operator: str = "equals"
    value: str = ""


@dataclass(slots=True)
class InputRow:
    name: str = ""
    value: str = ""


@dataclass(slots=True)
class TargetRow:
    act: str = "start"
    workflow: str = ""
    version: str = ""
    # "fields" or "json".
    mode: str = "fields"
    inputs: list[InputRow] = field(default_factory=list)
    text: str = ""
    ref_type: str = ""
    ref_id: str = ""
    run: str = "$.run.id"
    has_input: bool = False


@dataclass(slots=True)
class RuleForm:
    kind: str
    # Of a schedule or webhook.
    cron: str = "0 6 * * *"
    zone: str = "UTC"
    catch_up: bool = False
    skip_if_running: bool = False
    scheme: str = "standard"
    window: str = "300"
    # Of an event or automation: “run_ends” or “event”.
    on: str = "run_ends"
    workflow: str = ""
    states: list[str] = field(default_factory=lambda: ["failed"])
    kinds: list[str] = field(default_factory=list)
    node: str = ""
    match: str = "all"
    conditions: list[ConditionRow] = field(default_factory=list)
    # The condition as JSON, where the rows cannot say it; None: the rows say it.
    condition_text: str | None = None
    targets: list[TargetRow] = field(default_factory=lambda: [TargetRow()])

    @property
    def most_targets(self) -> int:
        return MAX_TARGETS if self.kind == Trigger.AUTOMATION else 1

    @property
    def takes_more_conditions(self) -> bool:
        return len(self.conditions) < MAX_CONDITIONS

    @property
    def waits_for_runs(self) -> bool:
        return self.kind in (Trigger.EVENT, Trigger.AUTOMATION)

    # -- From a rule ------------------------------------------------------------------------

    @classmethod
    def of_rule(cls, kind: str, rule: Mapping[str, Any]) -> RuleForm:
        """`rule` has passed the checks."""
        form = cls(kind)
        when = rule.get("when") or {}
        if kind == Trigger.SCHEDULE:
            form.cron, form.zone = when["cron"], when.get("zone", "UTC")
            form.catch_up = when.get("catch_up", False)
            form.skip_if_running = when.get("skip_if_running", False)
        elif kind == Trigger.WEBHOOK:
            form.scheme = when.get("scheme", "standard")
            form.window = str(when.get("window_seconds", 300))
        else:
            form.on = "run_ends" if "run_ends" in when else "event"
            inner = when[form.on]
            form.workflow = inner.get("workflow") or ""
            form.states = list(inner.get("states", ["failed"]))
            form.kinds = list(inner.get("kinds", []))
            form.node = inner.get("node") or ""
        form._take_condition(rule.get("if"))
        form.targets = [_target(raw) for raw in rule.get("then", [])] or [TargetRow()]
        return form

    def _take_condition(self, condition: Any) -> None:
        if condition is None:
            return
        parts: list[Any] = [condition]
        for word in ("all", "any"):
            if word in condition:
                self.match, parts = word, condition[word]
        if all("value" in part for part in parts) and len(parts) <= MAX_CONDITIONS:
            self.conditions = [_condition(part) for part in parts]
        else:
            self.condition_text = json_text.write(condition)

    # -- From what was posted ---------------------------------------------------------------

    @classmethod
    def of_post(cls, kind: str, post: QueryDict) -> RuleForm:
        post = _storable(post)

        def text(name: str, default: str = "", most: int = 500) -> str:
            return post.get(name, default).strip()[:most]

        form = cls(
            kind,
            cron=text("cron"),
            zone=text("zone", "UTC"),
            catch_up="catch_up" in post,
            skip_if_running="skip_if_running" in post,
            scheme=text("scheme", "standard"),
            window=text("window", "300"),
            on="event" if post.get("on") == "event" else "run_ends",
            workflow=text("workflow"),
            states=[state for state in FINAL_STATES if state in post.getlist("states")],
            kinds=[str(each) for each in Kind if each in post.getlist("kinds")],
            node=text("node"),
            match="any" if post.get("match") == "any" else "all",
            condition_text=post.get("condition"),
        )
        form.conditions = [
            ConditionRow(*each)
            for each in zip(
                post.getlist("c-path"), post.getlist("c-op"), post.getlist("c-value"), strict=False
            )
        ][:MAX_CONDITIONS]
        count = min(max(1, len(post.getlist("t-act"))), form.most_targets)
        form.targets = [_posted_target(post, number) for number in range(count)]
        return form

    def change(self, asked: str) -> None:
        """Add or take away a row: “condition”, “target”, “input 0”, “less condition 2” …"""
        words = asked.split()
        if words == ["condition"] and len(self.conditions) < MAX_CONDITIONS:
            self.conditions.append(ConditionRow())
        elif words == ["target"] and len(self.targets) < self.most_targets:
            self.targets.append(TargetRow())
        elif words == ["rows"]:
            self.condition_text = None
        elif words == ["json"] and self.condition_text is None:
            condition, _ = self._condition()
            self.condition_text = json_text.write(condition) if condition else ""
        elif words[:1] == ["input"] and (target := self._target(words[1:])):
            if len(target.inputs) < MAX_INPUTS:
                target.inputs.append(InputRow())
        elif words[:1] == ["less"]:
            self._less(words[1:])

    def _less(self, words: list[str]) -> None:
        numbers = [int(word) for word in words[1:] if word.isdecimal() and len(word) < 4]
        if words[:1] == ["condition"] and numbers and numbers[0] < len(self.conditions):
            del self.conditions[numbers[0]]
        elif words[:1] == ["target"] and numbers and len(self.targets) > 1:
            if numbers[0] < len(self.targets):
                del self.targets[numbers[0]]
        elif words[:1] == ["input"] and len(numbers) == 2:
            target = self._target(words[1:2])
            if target and numbers[1] < len(target.inputs):
                del target.inputs[numbers[1]]

    def _target(self, words: list[str]) -> TargetRow | None:
        number = int(words[0]) if words and words[0].isdecimal() and len(words[0]) < 4 else -1
        return self.targets[number] if 0 <= number < len(self.targets) else None

    # -- To a rule --------------------------------------------------------------------------

    def rule(self) -> tuple[dict[str, Any], list[Problem]]:
        """The rule, and what of the form could not be read; the rule's own checks come after."""
        problems: list[Problem] = []
        rule: dict[str, Any] = {"when": self._when()}
        condition, problem = self._condition()
        if problem:
            problems.append(Problem("if", problem))
        if condition is not None:
            rule["if"] = condition
        rule["then"] = []
        for number, target in enumerate(self.targets):
            raw, problem = _raw_target(target)
            rule["then"].append(raw)
            if problem:
                problems.append(Problem(f"then.{number}.input", problem))
        return rule, problems

    def _when(self) -> dict[str, Any]:
        if self.kind == Trigger.SCHEDULE:
            when: dict[str, Any] = {"cron": self.cron, "zone": self.zone}
            flags = {"catch_up": self.catch_up, "skip_if_running": self.skip_if_running}
            return {**when, **{name: True for name, is_set in flags.items() if is_set}}
        if self.kind == Trigger.WEBHOOK:
            window = int(self.window) if self.window.isdecimal() else self.window
            return {"scheme": self.scheme, "window_seconds": window}
        inner: dict[str, Any] = {"workflow": self.workflow} if self.workflow else {}
        if self.on == "run_ends":
            return {"run_ends": {**inner, "states": self.states}}
        if self.node:
            inner["node"] = self.node
        return {"event": {**inner, "kinds": self.kinds}}

    def _condition(self) -> tuple[dict[str, Any] | None, str]:
        if self.condition_text is not None:
            if not self.condition_text.strip():
                return None, ""
            try:
                return json_text.read(self.condition_text), ""
            except json_text.JsonError as error:
                return None, f"is not JSON: {error}"
        rows = [row for row in self.conditions if row.path.strip() or row.value.strip()]
        parts = [_raw_condition(row) for row in rows]
        if not parts:
            return None, ""
        return (parts[0] if len(parts) == 1 else {self.match: parts}), ""


def _storable(post: QueryDict) -> QueryDict:
    """Without NUL, which the database refuses."""
    kept = post.copy()
    for name, values in post.lists():
        kept.setlist(name, [value.replace("\0", "") for value in values])
    return kept


def read_value(text: str) -> Any:
    """What a field's text means: a path, JSON where it is any, or else the text itself."""
    stripped = text.strip()
    if stripped.startswith("$."):
        return stripped
    try:
        return json_text.read(stripped)
    except json_text.JsonError:
        return text


def write_value(value: Any) -> str:
    """The text from which `read_value` gives the value."""
    if isinstance(value, str) and value.strip() and read_value(value) == value:
        return value
    return json.dumps(value, ensure_ascii=False)


def _condition(part: Mapping[str, Any]) -> ConditionRow:
    operator = next(word for word in OPERATORS if word in part)
    bound = part[operator]
    if operator == "exists":
        return ConditionRow(part["value"], operator, "no" if bound is False else "yes")
    if operator == "in":
        return ConditionRow(part["value"], operator, ", ".join(map(write_value, bound)))
    return ConditionRow(part["value"], operator, write_value(bound))


def _raw_condition(row: ConditionRow) -> dict[str, Any]:
    operator = row.operator if row.operator in OPERATORS else "equals"
    bound: Any = read_value(row.value)
    if operator == "exists":
        bound = row.value.strip().lower() not in ("no", "false")
    elif operator == "in":
        whole = read_value(f"[{row.value}]")
        bound = whole if isinstance(whole, list) else _split(row.value)
    return {"value": row.path.strip(), operator: bound}


def _split(text: str) -> list[Any]:
    return [read_value(part.strip()) for part in text.split(",") if part.strip()]


def _target(raw: Mapping[str, Any]) -> TargetRow:
    row = TargetRow(act="retry" if "retry" in raw else "start")
    row.run = raw.get("retry", "$.run.id")
    row.workflow = raw.get("start", "")
    row.version = str(raw.get("version") or "")
    ref = raw.get("ref") or {}
    row.ref_type, row.ref_id = ref.get("type", ""), ref.get("id", "")
    row.has_input = "input" in raw
    value = raw.get("input")
    if value is None or (isinstance(value, dict) and len(value) <= MAX_INPUTS):
        row.inputs = [InputRow(name, write_value(each)) for name, each in (value or {}).items()]
    else:
        row.mode = "json"
    if "input" in raw:
        row.text = str(value) if paths.is_path(value) else json_text.write(value)
    return row


def _posted_target(post: QueryDict, number: int) -> TargetRow:
    def text(name: str, default: str = "", most: int = 500) -> str:
        return post.get(f"t-{number}-{name}", default).strip()[:most]

    def at(name: str) -> str:
        given = post.getlist(name)
        return given[number] if number < len(given) else ""

    row = TargetRow(
        act="retry" if at("t-act") == "retry" else "start",
        workflow=text("workflow", most=64),
        version=text("version", most=10),
        mode="json" if post.get(f"t-{number}-mode") == "json" else "fields",
        text=post.get(f"t-{number}-input", ""),
        ref_type=text("ref_type"),
        ref_id=text("ref_id"),
        run=text("run", "$.run.id"),
        has_input=f"t-{number}-has_input" in post,
    )
    names, values = post.getlist(f"t-{number}-in-name"), post.getlist(f"t-{number}-in-value")
    pairs = list(zip(names, values, strict=False))[:MAX_INPUTS]
    row.inputs = [InputRow(name.strip(), value) for name, value in pairs]
    _follow_mode(row, post.get(f"t-{number}-was", row.mode))
    return row


def _follow_mode(row: TargetRow, was: str) -> None:
    """Whoever switches between fields and JSON takes along what is written."""
    if row.mode == was:
        return
    if row.mode == "json":
        row.text = json_text.write(_from_rows(row.inputs))
        return
    value = read_value(row.text) if row.text.strip() else {}
    if isinstance(value, dict) and len(value) <= MAX_INPUTS:
        row.inputs = [InputRow(name, write_value(each)) for name, each in value.items()]
    else:  # it cannot be said in fields
        row.mode = "json"


def _from_rows(rows: Sequence[InputRow]) -> dict[str, Any]:
    """A field with nothing beside it is left out; an empty text is written as ""."""
    return {row.name: read_value(row.value) for row in rows if row.name and row.value.strip()}


def _raw_target(row: TargetRow) -> tuple[dict[str, Any], str]:
    value, problem = _input(row)
    if row.act == "retry":
        raw: dict[str, Any] = {"retry": row.run}
        return ({**raw, "input": value} if row.has_input else raw), problem
    raw = {"start": row.workflow}
    if row.version:
        raw["version"] = int(row.version) if row.version.isdecimal() else row.version
    raw["input"] = value
    if row.ref_type or row.ref_id:
        raw["ref"] = {"type": row.ref_type, "id": row.ref_id}
    return raw, problem


def _input(row: TargetRow) -> tuple[Any, str]:
    if row.act == "retry" and not row.has_input:
        return None, ""
    if row.mode == "fields":
        names = [each.name for each in row.inputs if each.name]
        twice = next((name for name in names if names.count(name) > 1), "")
        nameless = any(each.value.strip() and not each.name for each in row.inputs)
        problem = f"names “{twice}” twice" if twice else ""
        return _from_rows(row.inputs), problem or ("a value has no name" if nameless else "")
    if not row.text.strip():
        return {}, ""
    if row.text.strip().startswith("$."):
        return row.text.strip(), ""
    try:
        return json_text.read(row.text), ""
    except json_text.JsonError as error:
        return None, f"is not JSON: {error}"
