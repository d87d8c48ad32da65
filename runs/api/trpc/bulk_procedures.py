"""Bulk operations: begun, followed, steered, and what came of each run."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any

from django.urls import reverse
from rest_framework import serializers
from rest_framework.exceptions import ValidationError

from runs import idempotency
from runs.api import bulk_acts
from runs.api.bulk import OutcomePages
from runs.api.bulk_shapes import (
    KINDS,
    STATES,
    STATUSES,
    BulkDetailSerializer,
    BulkOutcomeSerializer,
    BulkSerializer,
    MakeBulkSerializer,
)
from runs.api.pagination import CreatedPages
from runs.api.problems import KeyReused
from runs.api.serializers import OneOf
from runs.api.trpc.procedure import Asking, Procedure
from runs.api.trpc.run_procedures import FILTER_NAMES
from runs.api.trpc.shapes import ID_LENGTH, FilterInput, Input, key, limit, word
from runs.bulk import exports, operations
from runs.models import BulkOperation, BulkOutcome


class StartBulkInput(MakeBulkSerializer, Input):
    filter = FilterInput(  # type: ignore[assignment]
        required=False, help_text="All that it finds; {}: all runs."
    )
    idempotency_key = key()


class BulkInput(Input):
    id = serializers.CharField(max_length=ID_LENGTH, help_text="The operation's id.")


class AgainInput(BulkInput):
    idempotency_key = key()


class BulksInput(Input):
    limit = limit(CreatedPages)
    cursor = word(allow_null=True, help_text="The last given one's: the list goes on behind it.")
    kind = OneOf(choices=KINDS, required=False)
    state = OneOf(choices=STATES, required=False)


class OutcomesInput(BulkInput):
    limit = limit(OutcomePages)
    cursor = word(allow_null=True, help_text="The last given entry's run: it goes on behind it.")
    status = OneOf(choices=STATUSES, required=False)


class ListedBulkSerializer(BulkSerializer):
    cursor = serializers.CharField(help_text="Where the list goes on behind this operation.")


def start_bulk(asking: Asking, given: dict[str, Any]) -> dict[str, Any]:
    own = given.pop("idempotency_key")
    if "filter" in given:
        named = {FILTER_NAMES.get(name, name): said for name, said in given["filter"].items()}
        given["filter"] = named
    pages = asking.request.build_absolute_uri(reverse("admin:runs_run_changelist"))

    def act() -> BulkOperation:
        return bulk_acts.make(given, by=asking.actor, now=asking.now, pages=pages)

    return _begun(asking, own, ["bulk", given], act)


def again(asking: Asking, given: dict[str, Any]) -> dict[str, Any]:
    def act() -> BulkOperation:
        return bulk_acts.again(given["id"], by=asking.actor, now=asking.now)

    return _begun(asking, given["idempotency_key"], ["again", given["id"]], act)


def _begun(
    asking: Asking, own: str | None, asked: Any, act: Callable[[], BulkOperation]
) -> dict[str, Any]:
    def made() -> tuple[uuid.UUID, dict[str, Any]]:
        operation = act()
        return operation.pk, _shown(asking, operation)

    if not own:
        return made()[1]
    try:
        # As the REST API does: a key means the same wherever it is sent to.
        return idempotency.once(asking.person.public_id, own, asked, made, now=asking.now).shown
    except idempotency.Mismatch:
        raise KeyReused from None


def list_bulks(asking: Asking, given: dict[str, Any]) -> list[dict[str, Any]]:
    wanted = {name: given[name] for name in ("kind", "state") if name in given}
    rows = BulkOperation.objects.filter(**wanted).defer("chosen")
    pages = CreatedPages()
    page = _page(pages, rows, given)
    return [{**_shown(asking, row), "cursor": pages.key(row)} for row in page]


def list_outcomes(_: Asking, given: dict[str, Any]) -> Any:
    rows = BulkOutcome.objects.filter(operation=bulk_acts.find_operation(given["id"]))
    if "status" in given:
        rows = rows.filter(status=given["status"])
    return BulkOutcomeSerializer(_page(OutcomePages(), rows, given), many=True).data


def _page(pages: CreatedPages | OutcomePages, rows: Any, given: dict[str, Any]) -> Any:
    try:
        return pages.page_at(rows, "after", given.get("cursor") or "")[: given["limit"]]
    except ValueError:
        said = "This is no cursor of this list; begin without one."
        raise ValidationError({"cursor": [said]}) from None


def get_bulk(asking: Asking, given: dict[str, Any]) -> Any:
    operation = bulk_acts.find_operation(given["id"])
    context = {**asking.context, "download": exports.downloads(operation, asking.now)}
    return BulkDetailSerializer(operation, context=context).data


def _switch(act: Callable[..., bool]) -> Callable[[Asking, dict[str, Any]], dict[str, Any]]:
    def switch(asking: Asking, given: dict[str, Any]) -> dict[str, Any]:
        found = bulk_acts.switch(act, given["id"], by=asking.actor, now=asking.now)
        return _shown(asking, found)

    return switch


def _shown(asking: Asking, operation: BulkOperation) -> dict[str, Any]:
    return dict(BulkSerializer(operation, context=asking.context).data)


def _of_kind(given: Any) -> str | None:
    return bulk_acts.permission_of(given.get("kind")) if isinstance(given, dict) else None


def _of_operation(given: Any) -> str | None:
    return bulk_acts.permission_for(given.get("id")) if isinstance(given, dict) else None


PROCEDURES = (
    Procedure(
        "bulk.start", "mutation", "runs.view_run", StartBulkInput, BulkSerializer, start_bulk,
        permission_for=_of_kind,
        says="Begins an act on many runs: those of a filter, named ones, or those for which an"
        " earlier one failed.",
    ),
    Procedure(
        "bulk.get", "query", "runs.view_run", BulkInput, BulkDetailSerializer, get_bulk,
        says="How far an operation is; of an export, also what there is to download.",
    ),
    Procedure(
        "bulk.list", "query", "runs.view_run", BulksInput, ListedBulkSerializer, list_bulks,
        gives_many=True, says="Operations, newest first.",
    ),
    Procedure(
        "bulk.outcomes", "query", "runs.view_run", OutcomesInput, BulkOutcomeSerializer,
        list_outcomes, gives_many=True, says="What became of each run, by the runs' ids.",
    ),
    Procedure(
        "bulk.pause", "mutation", "runs.view_run", BulkInput, BulkSerializer,
        _switch(operations.pause), permission_for=_of_operation,
        says="Lets it rest; what is done stays done.",
    ),
    Procedure(
        "bulk.resume", "mutation", "runs.view_run", BulkInput, BulkSerializer,
        _switch(operations.resume), permission_for=_of_operation,
        says="Lets one that is paused go on.",
    ),
    Procedure(
        "bulk.abort", "mutation", "runs.view_run", BulkInput, BulkSerializer,
        _switch(operations.abort), permission_for=_of_operation,
        says="Ends it for good; what is done stays done.",
    ),
    Procedure(
        "bulk.again", "mutation", "runs.view_run", AgainInput, BulkSerializer, again,
        permission_for=_of_operation,
        says="The same act on those of its runs for which it failed, as a new operation.",
    ),
)  # fmt: skip
