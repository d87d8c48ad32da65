"""JSONPath in workflow definitions: ``$.data…`` and ``$.nodes.<id>.output…``. Pure."""

import re
from collections.abc import Callable, Collection, Iterable, Iterator
from contextvars import ContextVar
from functools import lru_cache
from typing import Any

import jsonpath
from jsonpath.exceptions import JSONPathError, JSONPathSyntaxError
from jsonpath.filter import BaseExpression, RegexLiteral
from jsonpath.function_extensions import ExpressionType, FilterFunction
from jsonpath.match import JSONPathMatch
from jsonpath.parse import Parser
from jsonpath.segments import (
    JSONPathChildSegment,
    JSONPathRecursiveDescentSegment,
    JSONPathSegment,
)
from jsonpath.stream import TokenStream
from jsonpath.token import TOKEN_RE_FLAGS

from runs import patterns

_NODE = re.compile(r"\$\.nodes\.([a-z][a-z0-9_]*)\.output(?=$|[.\[])")
_ROOT = re.compile(r"\$\.([a-z_]+)(?=$|[.\[])")


# A path is followed in so many steps at most, some seconds' work: “..” after “..”, or a filter
# within a filter, could otherwise go on for days in a process that has others to serve.
MAX_STEPS = 600_000
_steps: ContextVar[int] = ContextVar("steps", default=0)


class PathError(ValueError):
    """A path that cannot be read; the message says why."""


class NotFollowed(LookupError):  # noqa: N818
    """What the path leads through is not what it was made for; the message says why."""


def _count(steps: int = 1) -> None:
    taken = _steps.get() + steps
    if taken > MAX_STEPS:
        raise NotFollowed("it takes too long in what it leads through")
    _steps.set(taken)


class _Child(JSONPathChildSegment):
    __slots__ = ()

    def resolve(self, nodes: Iterable[JSONPathMatch]) -> Iterable[JSONPathMatch]:
        return _counted(super().resolve(_counted(nodes)))


class _Descent(JSONPathRecursiveDescentSegment):
    __slots__ = ()

    def resolve(self, nodes: Iterable[JSONPathMatch]) -> Iterable[JSONPathMatch]:
        return _counted(super().resolve(nodes))

    def _visit(self, node: JSONPathMatch, depth: int = 1) -> Iterable[JSONPathMatch]:
        _count()
        return super()._visit(node, depth)


def _counted(nodes: Iterable[JSONPathMatch]) -> Iterator[JSONPathMatch]:
    for node in nodes:
        _count()
        yield node


class _Pattern(FilterFunction):
    """`match` or `search`, by patterns that cannot take long."""

    arg_types = [ExpressionType.VALUE, ExpressionType.VALUE]
    return_type = ExpressionType.LOGICAL

    def __init__(self, matches: Callable[[str, str], bool]) -> None:
        self._matches = matches

    def __call__(self, value: object, pattern: object) -> bool:
        if not isinstance(value, str) or not isinstance(pattern, str):
            return False
        try:
            return self._matches(pattern, value)
        except patterns.PatternError:
            return False


class _Parser(Parser):
    def parse_query(self, stream: TokenStream) -> Iterable[JSONPathSegment]:
        for segment in super().parse_query(stream):
            is_child = isinstance(segment, JSONPathChildSegment)
            counting = _Child if is_child else _Descent
            yield counting(env=segment.env, token=segment.token, selectors=segment.selectors)

    def parse_regex(self, stream: TokenStream) -> BaseExpression:
        token, flags = stream.current(), ""
        if stream.peek().kind == TOKEN_RE_FLAGS:
            stream.next()
            flags = "".join(sorted(set(stream.next().value) - {"a"}))
        try:
            return RegexLiteral(value=patterns.compiled(token.value, flags))
        except patterns.PatternError as error:
            raise JSONPathSyntaxError(str(error), token=token) from None


class _Environment(jsonpath.JSONPathEnvironment):
    parser_class = _Parser

    def compare(self, left: object, operator: str, right: object) -> bool:
        looked_in = right if operator == "in" else left if operator == "contains" else None
        _count(len(looked_in) if isinstance(looked_in, list | str) else 1)
        return super().compare(left, operator, right)

    def setup_function_extensions(self) -> None:
        super().setup_function_extensions()
        self.function_extensions["match"] = _Pattern(patterns.fullmatch)
        self.function_extensions["search"] = _Pattern(patterns.search)


_environment = _Environment()


def is_path(value: Any) -> bool:
    return isinstance(value, str) and value.startswith("$.")


@lru_cache(maxsize=4096)
def _compiled(path: str) -> jsonpath.JSONPath | jsonpath.CompoundJSONPath:
    return _environment.compile(path)


@lru_cache(maxsize=4096)
def node_of(path: str) -> str | None:
    """The node whose output the path reads; None where it reads the run's input."""
    found = _NODE.match(path)
    return found.group(1) if found else None


def check(path: str, roots: Collection[str] = ("data", "nodes")) -> None:
    """Raise PathError unless the path begins with one of these names; of a node only its output
    can be read."""
    found = _ROOT.match(path)
    if found is None or found.group(1) not in roots or not _is_of_node(path, found.group(1)):
        raise PathError(f"“{path}” begins with none of {', '.join(map(_begin, roots))}")
    try:
        _compiled(path)
    except JSONPathError as error:
        # The library goes on with a drawing of the place.
        why = str(error).partition(" -> ")[0]
        raise PathError(f"“{path}” is not a JSONPath: {why}") from error


def root_of(path: str) -> str:
    """The name that a checked path begins with."""
    found = _ROOT.match(path)
    assert found is not None, path
    return found.group(1)


def _is_of_node(path: str, root: str) -> bool:
    return root != "nodes" or _NODE.match(path) is not None


def _begin(root: str) -> str:
    return "$.nodes.<node>.output" if root == "nodes" else f"$.{root}"


def resolve(path: str, context: dict[str, Any]) -> Any:
    """The path's value in ``{"data": …, "nodes": {id: {"output": …}}}``.

    One match is given as it is, several as a list. Raises LookupError where nothing matches, or
    where the path cannot be followed to its end.
    """
    _steps.set(0)
    try:
        found = _compiled(path).findall(context)
    except NotFollowed as error:
        raise NotFollowed(f"{path} is not followed: {error}") from None
    except (JSONPathError, TypeError, AttributeError, ValueError, RecursionError) as error:
        # The library's functions and comparisons trust in the types that they meet.
        raise NotFollowed(f"{path} is not followed: {type(error).__name__}: {error}") from error
    if not found:
        raise LookupError(f"{path} leads to nothing")
    return found[0] if len(found) == 1 else found


def mentioned(value: Any) -> list[str]:
    """The paths in a node's input mapping, also nested ones."""
    if is_path(value):
        return [value]
    if isinstance(value, dict):
        return [path for item in value.values() for path in mentioned(item)]
    if isinstance(value, list):
        return [path for item in value for path in mentioned(item)]
    return []


def fill(value: Any, context: dict[str, Any]) -> Any:
    """`value` with each path in it replaced by what it leads to."""
    if is_path(value):
        return resolve(value, context)
    if isinstance(value, dict):
        return {key: fill(item, context) for key, item in value.items()}
    if isinstance(value, list):
        return [fill(item, context) for item in value]
    return value
