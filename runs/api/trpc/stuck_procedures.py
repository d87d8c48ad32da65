"""Runs that do not get on: what is in their way, and what helps one."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers
from rest_framework.exceptions import ValidationError

from runs.api import acts
from runs.api.serializers import OneOf, RunSerializer
from runs.api.stuck import CLASSES, StuckPages, StuckSerializer, listed, told
from runs.api.trpc.procedure import Asking, Procedure
from runs.api.trpc.shapes import ActInput, Input, limit, word
from runs.stuck.rescue import rescue


class StuckInput(Input):
    limit = limit(StuckPages)
    cursor = word(allow_null=True, help_text="The last given one's: the list goes on behind it.")
    cause = OneOf(choices=CLASSES, required=False, help_text="Those of this class.")
    workflow_id = word()


class ListedStuckSerializer(StuckSerializer):
    cursor = serializers.CharField(help_text="Where the list goes on behind this one.")


def list_stuck(_: Asking, given: dict[str, Any]) -> list[dict[str, Any]]:
    pages = StuckPages()
    rows = listed(given.get("cause", ""), given.get("workflow_id", ""))
    try:
        page = pages.page_at(rows, "after", given.get("cursor") or "")[: given["limit"]]
    except ValueError:
        said = "This is no cursor of a stuck run; begin without one."
        raise ValidationError({"cursor": [said]}) from None
    return [{**StuckSerializer(told(row)).data, "cursor": pages.key(row)} for row in page]


def rescue_run(asking: Asking, given: dict[str, Any]) -> dict[str, Any]:
    run, reason = acts.find_run(given["id"]), given["reason"]
    came = acts.change(rescue, run, by=asking.actor, reason=reason, now=asking.now)
    return asking.shown(acts.shown_runs().get(pk=came))


PROCEDURES = (
    Procedure(
        "runs.stuck", "query", "runs.view_run", StuckInput, ListedStuckSerializer, list_stuck,
        gives_many=True,
        says="Runs that do not get on, with what speaks for it; longest stuck first.",
    ),
    Procedure(
        "runs.rescue", "mutation", "runs.retry_run", ActInput, RunSerializer, rescue_run,
        says="Helps a stuck run: runs its silent nodes again, offers those that nobody takes.",
    ),
)  # fmt: skip
