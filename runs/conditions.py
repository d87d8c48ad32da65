"""Conditions on a run's data, written as JSON. Pure.

``{"value": "$.nodes.check.output.total", "greater_than": 100}``; operators: equals,
not_equals, greater_than, less_than, in, exists. They combine with all, any and not.
"""

from collections.abc import Callable
from decimal import Decimal, InvalidOperation
from typing import Any

from runs import paths

Resolve = Callable[[str], Any]
CheckPath = Callable[[str], None]


class ConditionError(ValueError):
    """A condition that is none; the message says what is wrong with it."""


def _number(value: Any) -> Decimal | None:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        return Decimal(str(value))
    except InvalidOperation:
        return None


def _compare(left: Any, right: Any) -> int | None:
    """-1, 0 or 1; None where the two have no order. Numbers may also be written as text."""
    a, b = _number(left), _number(right)
    if a is not None and b is not None and not (a.is_nan() or b.is_nan()):
        return (a > b) - (a < b)
    if isinstance(left, str) and isinstance(right, str):
        return (left > right) - (left < right)
    return None


def _same(left: Any, right: Any) -> bool:
    """Equality as JSON has it: true is not 1."""
    return isinstance(left, bool) == isinstance(right, bool) and bool(left == right)


OPERATORS: dict[str, Callable[[Any, Any], bool]] = {
    "equals": _same,
    "not_equals": lambda value, wanted: not _same(value, wanted),
    "greater_than": lambda value, bound: _compare(value, bound) == 1,
    "less_than": lambda value, bound: _compare(value, bound) == -1,
    "in": lambda value, choices: any(_same(value, choice) for choice in choices),
}


def check(condition: Any, check_path: CheckPath = paths.check) -> None:
    """Raise ConditionError where `condition` is not one; what `check_path` raises of a path."""
    if not isinstance(condition, dict):
        raise ConditionError("a condition is an object")
    combining = [word for word in ("all", "any", "not") if word in condition]
    if combining:
        _check_combination(condition, combining[0], check_path)
    else:
        _check_comparison(condition, check_path)


def _check_combination(condition: dict[str, Any], word: str, check_path: CheckPath) -> None:
    if len(condition) != 1:
        raise ConditionError(f"“{word}” stands alone")
    parts = [condition[word]] if word == "not" else condition[word]
    if not isinstance(parts, list) or not parts:
        raise ConditionError(f"“{word}” holds a list of conditions")
    for part in parts:
        check(part, check_path)


def _check_comparison(condition: dict[str, Any], check_path: CheckPath) -> None:
    operators = set(condition) - {"value"}
    known = [*OPERATORS, "exists"]
    if "value" not in condition or len(operators) != 1 or operators - set(known):
        raise ConditionError(f"a condition has a “value” and one of {', '.join(known)}")
    if not paths.is_path(condition["value"]):
        raise ConditionError("the “value” of a condition is a path such as $.data.total")
    check_path(condition["value"])
    if "in" in condition and not isinstance(condition["in"], list):
        raise ConditionError("“in” needs a list")


def holds(condition: dict[str, Any], resolve: Resolve) -> bool:
    """Whether a checked condition holds; `resolve` gives a path's value or raises LookupError.

    A path that leads nowhere makes every comparison false.
    """
    if "all" in condition:
        return all(holds(part, resolve) for part in condition["all"])
    if "any" in condition:
        return any(holds(part, resolve) for part in condition["any"])
    if "not" in condition:
        return not holds(condition["not"], resolve)
    try:
        value = resolve(condition["value"])
    except LookupError:
        return condition.get("exists") is False
    if "exists" in condition:
        return condition["exists"] is not False
    operator = next(word for word in OPERATORS if word in condition)
    return OPERATORS[operator](value, condition[operator])


def mentioned(condition: dict[str, Any]) -> list[str]:
    """The paths a checked condition reads."""
    parts = [*condition.get("all", []), *condition.get("any", [])]
    if "not" in condition:
        parts.append(condition["not"])
    found = [path for part in parts for path in mentioned(part)]
    return [*found, condition["value"]] if "value" in condition else found
