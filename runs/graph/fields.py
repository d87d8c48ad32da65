"""Reading one node's fields, with a complaint for each that is not as it should be. Pure."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Any

from runs import input_schema, paths, placeholders
from runs.graph.spec import Problem, queue_complaint

MAX_TEXT = 100_000


@dataclass(slots=True)
class Problems:
    """Every problem of a definition, so that a person can mend all at once."""

    # The executors there are; None: any may be named.
    executors: Collection[str] | None = None
    # The same of Celery queues.
    queues: Collection[str] | None = None
    found: list[Problem] = field(default_factory=list)

    def say(self, node: str, message: str) -> None:
        self.found.append(Problem(node, message))

    def number(
        self,
        node: str,
        name: str,
        value: Any,
        default: float,
        most: float,
        *,
        above: float = -1,
        whole: bool = False,
    ) -> float:
        numeric = isinstance(value, int if whole else int | float) and not isinstance(value, bool)
        if not numeric or not max(above, -0.5) < value <= most:
            kind = "a whole number" if whole else "a number"
            least = "from 0" if above < 0 else "above 0, up"
            self.say(node, f"“{name}” is {kind} {least} to {most:,.0f}")
            return default
        return value


class Fields:
    """The fields of one node. What is wrong is said, and something harmless is given for it."""

    def __init__(self, problems: Problems, node: str, raw: dict[str, Any]) -> None:
        self.problems, self.node, self.raw = problems, node, raw

    def say(self, message: str) -> None:
        self.problems.say(self.node, message)

    def ids(self, name: str, value: Any) -> tuple[str, ...]:
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            self.say(f"“{name}” is a list of node ids")
            return ()
        if len(set(value)) != len(value):
            self.say(f"“{name}” names a node twice")
        return tuple(dict.fromkeys(value))

    def needs(self) -> tuple[str, ...]:
        return self.ids("needs", self.raw.get("needs", []))

    def number(
        self, name: str, default: float, most: float, *, above: float = -1, whole: bool = False
    ) -> float:
        value = self.raw.get(name, default)
        return self.problems.number(self.node, name, value, default, most, above=above, whole=whole)

    def flag(self, name: str, default: bool) -> bool:
        value = self.raw.get(name, default)
        if not isinstance(value, bool):
            self.say(f"“{name}” is true or false")
            return default
        return value

    def choice(self, name: str, choices: Sequence[str], default: str) -> str:
        value = self.raw.get(name, default)
        if value not in choices:
            self.say(f"“{name}” is one of {', '.join(choices)}")
            return default
        return value

    def text(self, name: str, *, needed: bool = False, most: int = MAX_TEXT) -> str:
        value = self.raw.get(name, "")
        if not isinstance(value, str):
            self.say(f"“{name}” is a text")
        elif needed and not value.strip():
            self.say(f"needs “{name}”")
        elif len(value) > most:
            self.say(f"“{name}” is longer than {most:,} characters")
        else:
            return value
        return ""

    def texts(self, name: str) -> dict[str, str]:
        """An object whose values are texts."""
        value = self.raw.get(name, {})
        if not isinstance(value, dict) or not all(isinstance(v, str) for v in value.values()):
            self.say(f"“{name}” maps names to texts")
            return {}
        return value

    def names(self, name: str, value: Any) -> list[str]:
        if not isinstance(value, list) or not all(isinstance(v, str) and v for v in value):
            self.say(f"“{name}” is a list of names")
            return []
        return value

    def queue(self) -> str:
        """The Celery queue, "" where none is named."""
        if "queue" not in self.raw:
            return ""
        name, known = self.raw["queue"], self.problems.queues
        if complaint := queue_complaint(name):
            self.say(f"“queue” {complaint}")
            return ""
        if known is not None and name not in known:
            self.say(
                f"unknown queue “{name}”; known are {', '.join(sorted(known))}: an executor"
                " declares one, or the setting ENGINE_QUEUES names it"
            )
        return str(name)

    def input(self) -> dict[str, Any]:
        value = self.raw.get("input", {})
        if not isinstance(value, dict):
            self.say("“input” maps names to paths or values")
            return {}
        for path in paths.mentioned(value):
            try:
                paths.check(path)
            except paths.PathError as error:
                self.say(str(error))
        return value

    def places(
        self, name: str, value: Any, inputs: dict[str, Any], *, secrets: bool = False
    ) -> None:
        """Complain about places in the texts of a field that nothing can be put into."""
        for complaint in placeholders.complaints(value, set(inputs), secrets=secrets):
            self.say(f"“{name}”: {complaint}")

    def schema(self, name: str) -> Any:
        value = self.raw.get(name)
        if value is not None and (complaint := input_schema.complaint(value)):
            self.say(f"“{name}” {complaint}")
            return None
        return value
