"""Executions over tRPC: what retention did and does, begun and aborted by hand."""

from __future__ import annotations

import uuid
from typing import Any

from rest_framework import serializers
from rest_framework.exceptions import ValidationError

from retention import executions
from retention.api import execution_acts, execution_shapes
from retention.api.execution_acts import FindingPages
from retention.api.execution_shapes import (
    KINDS,
    STATES,
    BeginExecutionSerializer,
    ExecutionSerializer,
    FindingSerializer,
)
from retention.models import Execution, Finding
from runs import idempotency
from runs.api.pagination import CreatedPages
from runs.api.problems import KeyReused
from runs.api.serializers import OneOf, ReasonSerializer
from runs.api.trpc.procedure import Asking, Procedure
from runs.api.trpc.shapes import ID_LENGTH, Input, key, limit, word


class BeginInput(BeginExecutionSerializer, Input):
    idempotency_key = key()


class ExecutionInput(Input):
    id = serializers.CharField(max_length=ID_LENGTH, help_text="The execution's id.")


class AbortInput(ReasonSerializer, ExecutionInput):
    pass


class ExecutionsInput(Input):
    limit = limit(CreatedPages)
    cursor = word(allow_null=True, help_text="The last given one's: the list goes on behind it.")
    kind = OneOf(choices=KINDS, required=False)
    state = OneOf(choices=STATES, required=False)


class FindingsInput(ExecutionInput):
    limit = limit(FindingPages)
    cursor = word(allow_null=True, help_text="The last given finding's id: it goes on behind it.")


class ListedExecutionSerializer(ExecutionSerializer):
    cursor = serializers.CharField(help_text="Where the list goes on behind this execution.")


def begin(asking: Asking, given: dict[str, Any]) -> dict[str, Any]:
    own = given.pop("idempotency_key")

    def made() -> tuple[uuid.UUID, dict[str, Any]]:
        execution = execution_acts.begin(given, by=asking.actor, now=asking.now)
        return execution.pk, _shown(asking, execution)

    if not own:
        return made()[1]
    try:
        # As the REST API does: a key means the same wherever it is sent to.
        return idempotency.once(
            asking.person.public_id, own, ["retention", given], made, now=asking.now
        ).shown
    except idempotency.Mismatch:
        raise KeyReused from None


def get(asking: Asking, given: dict[str, Any]) -> dict[str, Any]:
    return _shown(asking, execution_acts.find(given["id"]))


def abort(asking: Asking, given: dict[str, Any]) -> dict[str, Any]:
    found = execution_acts.abort(given["id"], given["reason"], by=asking.actor, now=asking.now)
    return _shown(asking, found)


def list_executions(asking: Asking, given: dict[str, Any]) -> list[dict[str, Any]]:
    wanted = {name: given[name] for name in ("kind", "state") if name in given}
    pages = CreatedPages()
    page = _page(pages, Execution.objects.filter(**wanted), given)
    rows = list(page)
    shown = ExecutionSerializer(rows, many=True, context=asking.context).data
    return [{**one, "cursor": pages.key(row)} for one, row in zip(shown, rows, strict=True)]


def list_findings(_: Asking, given: dict[str, Any]) -> Any:
    rows = Finding.objects.filter(execution=execution_acts.find(given["id"]))
    return FindingSerializer(_page(FindingPages(), rows, given), many=True).data


def _page(pages: CreatedPages | FindingPages, rows: Any, given: dict[str, Any]) -> Any:
    try:
        return pages.page_at(rows, "after", given.get("cursor") or "")[: given["limit"]]
    except ValueError:
        said = "This is no cursor of this list; begin without one."
        raise ValidationError({"cursor": [said]}) from None


def _shown(asking: Asking, execution: Execution) -> dict[str, Any]:
    return execution_shapes.shown(execution, asking.context)


_MAY = executions.PERMISSION
PROCEDURES = (
    Procedure(
        "retention.executions.begin", "mutation", _MAY, BeginInput, ExecutionSerializer, begin,
        says="Begins what a night does, an orphan sweep or an integrity check, now.",
    ),
    Procedure(
        "retention.executions.get", "query", _MAY, ExecutionInput, ExecutionSerializer, get,
        says="How far an execution has come, and what it did.",
    ),
    Procedure(
        "retention.executions.list", "query", _MAY, ExecutionsInput, ListedExecutionSerializer,
        list_executions, gives_many=True, says="Executions, newest first.",
    ),
    Procedure(
        "retention.executions.abort", "mutation", _MAY, AbortInput, ExecutionSerializer, abort,
        says="Ends it; what is done stays done.",
    ),
    Procedure(
        "retention.executions.findings", "query", _MAY, FindingsInput, FindingSerializer,
        list_findings, gives_many=True, says="What it met that a person should know.",
    ),
)  # fmt: skip
