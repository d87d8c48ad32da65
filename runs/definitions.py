"""Checked definitions of workflow versions; a version never changes, so they are kept."""

from functools import lru_cache

from runs.graph import DefinitionError, Graph, parse
from runs.models import WorkflowVersion


@lru_cache(maxsize=512)
def graph_of(version_id: int) -> Graph:
    """The version's graph. Raises WorkflowVersion.DoesNotExist, or DefinitionError."""
    return parse(WorkflowVersion.objects.values_list("definition", flat=True).get(pk=version_id))


def error_of(problem: DefinitionError, number: int) -> dict[str, str]:
    """A run's error: its version was saved under other rules than those of today."""
    message = f"version {number} does not pass the checks: {problem}"
    return {"node": "", "kind": "DefinitionInvalid", "message": message}
