"""A run's history as all APIs search it."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from runs.api.archived import ArchivedEvents, read_log
from runs.models import Event, Run
from runs.timeouts import statement_timeout
from runs.views.run_history import SECONDS, Filter


def events_of(run: Run, given: Mapping[str, Any]) -> tuple[Any, AbstractContextManager[None]]:
    """What EventQuerySerializer asks for, for EventPages, and what to read it within: text has no
    index. Raises LogArchived where that log is too long to be read where it is."""
    kinds = tuple(sorted(given.get("kind") or ()))
    chosen = Filter(kinds, given.get("node", ""), given.get("text", "").strip())
    if not run.has_log:
        return ArchivedEvents(read_log(run), chosen), nullcontext()
    events = chosen.apply(Event.objects.filter(run=run.pk))
    return events, statement_timeout(SECONDS) if chosen.text else nullcontext()
