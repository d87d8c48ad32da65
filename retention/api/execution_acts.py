"""Executions as all APIs find, begin and abort them."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.db.models import QuerySet
from rest_framework.exceptions import NotFound

from retention import executions, tasks
from retention.models import Execution, Finding
from runs import ids
from runs.actors import Actor
from runs.api.pagination import KeyPages
from runs.api.problems import Conflict


class FindingPages(KeyPages):
    """In the order in which they were found, of one execution."""

    default_limit = 100
    max_limit = 1_000

    def key(self, row: Finding) -> str:
        return str(row.pk)

    def page_at(self, rows: QuerySet, side: str, key: str) -> QuerySet:
        if not key:
            return rows.order_by("id")
        if not (key.isascii() and key.isdigit() and len(key) < 19):
            raise ValueError(key)
        if side == "before":
            return rows.filter(id__lt=int(key)).order_by("-id")
        return rows.filter(id__gt=int(key)).order_by("id")


def find(public_id: str) -> Execution:
    key = ids.decode("exec", public_id)
    found = Execution.objects.filter(pk=key).first() if key else None
    if found is None:
        raise NotFound("There is no such execution.")
    return found


def begin(given: dict[str, Any], *, by: Actor, now: datetime) -> Execution:
    try:
        execution = executions.begin(
            given["kind"],
            by=by,
            now=now,
            dry_run=given["dry_run"],
            reason=given["reason"],
            options=dict(given.get("options") or {}),
        )
    except executions.NotPossible as error:
        raise Conflict(str(error)) from None
    tasks.begin(execution)
    return execution


def abort(public_id: str, reason: str, *, by: Actor, now: datetime) -> Execution:
    execution = find(public_id)
    if not executions.abort(execution, by=by, now=now, reason=reason):
        execution.refresh_from_db()
        raise Conflict(f"It has ended already: it is {execution.state}.")
    execution.refresh_from_db()
    return execution
