"""Checked definitions of workflow versions, and their names; a version never changes, so they are
kept."""

from collections.abc import Iterable
from functools import lru_cache
from typing import NamedTuple

from runs.graph import DefinitionError, Graph, parse
from runs.models import WorkflowVersion


@lru_cache(maxsize=512)
def graph_of(version_id: int) -> Graph:
    """The version's graph. Raises WorkflowVersion.DoesNotExist, or DefinitionError."""
    return parse(WorkflowVersion.objects.values_list("definition", flat=True).get(pk=version_id))


class VersionName(NamedTuple):
    workflow: str
    number: int


# As many are kept; they are small.
_MOST_NAMES = 10_000
_names: dict[int, VersionName] = {}


def names_of(version_ids: Iterable[int]) -> dict[int, VersionName]:
    """What the versions are called. A list of runs has the same few over and over."""
    wanted = set(version_ids)
    found = {pk: name for pk in wanted if (name := _names.get(pk))}
    if missing := wanted - found.keys():
        rows = WorkflowVersion.objects.filter(pk__in=missing)
        read = {
            pk: VersionName(slug, number)
            for pk, slug, number in rows.values_list("pk", "workflow__slug", "number")
        }
        if len(_names) > _MOST_NAMES:
            _names.clear()
        _names.update(read)
        found |= read
    return found


def error_of(problem: DefinitionError, number: int) -> dict[str, str]:
    """A run's error: its version was saved under other rules than those of today."""
    message = f"version {number} does not pass the checks: {problem}"
    return {"node": "", "kind": "DefinitionInvalid", "message": message}
