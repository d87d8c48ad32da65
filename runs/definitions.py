"""Checked definitions of workflow versions; a version never changes, so they are kept."""

from functools import lru_cache

from runs.graph import Graph, parse
from runs.models import WorkflowVersion


@lru_cache(maxsize=512)
def graph_of(version_id: int) -> Graph:
    """The version's graph. Raises WorkflowVersion.DoesNotExist, or DefinitionError."""
    return parse(WorkflowVersion.objects.values_list("definition", flat=True).get(pk=version_id))
