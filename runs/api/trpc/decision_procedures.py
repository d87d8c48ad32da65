"""What waits for a person: the questions, and their answers."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers
from rest_framework.exceptions import ValidationError

from runs.api import decision_acts
from runs.api.decisions import (
    AnswerSerializer,
    DecisionDetailSerializer,
    DecisionPages,
    DecisionSerializer,
    detail_of,
)
from runs.api.serializers import OneOf
from runs.api.trpc.procedure import Asking, Procedure
from runs.api.trpc.shapes import ID_LENGTH, Input, limit, word


class DecisionsInput(Input):
    limit = limit(DecisionPages)
    cursor = word(
        allow_null=True, help_text="The last given question's: the list goes on behind it."
    )
    show = OneOf(
        choices=decision_acts.LISTS, default="open",
        help_text="All that are open, those that you may answer, or those decided.",
    )  # fmt: skip


class DecisionInput(Input):
    run = serializers.CharField(max_length=ID_LENGTH, help_text="The run's id.")
    node = serializers.CharField(max_length=ID_LENGTH, help_text="The node's id in the workflow.")


class AnswerInput(AnswerSerializer, DecisionInput):
    pass


class ListedDecisionSerializer(DecisionSerializer):
    cursor = serializers.CharField(help_text="Where the list goes on behind this question.")


def list_decisions(asking: Asking, given: dict[str, Any]) -> list[dict[str, Any]]:
    pages, rows = DecisionPages(), decision_acts.listed(given["show"], asking.person)
    try:
        page = pages.page_at(rows, "after", given.get("cursor") or "")[: given["limit"]]
    except ValueError:
        said = "This is no cursor of a question; begin without one."
        raise ValidationError({"cursor": [said]}) from None
    return [{**DecisionSerializer(row).data, "cursor": pages.key(row)} for row in page]


def get_decision(_: Asking, given: dict[str, Any]) -> Any:
    return detail_of(decision_acts.find_question(given["run"], given["node"]))


def answer_decision(asking: Asking, given: dict[str, Any]) -> Any:
    found = decision_acts.find_question(given["run"], given["node"])
    decision_acts.answer(found, given, by=asking.person, now=asking.now)
    return detail_of(found)


PROCEDURES = (
    Procedure(
        "decisions.list", "query", "runs.view_run", DecisionsInput, ListedDecisionSerializer,
        list_decisions, gives_many=True, says="Questions to people, the oldest first.",
    ),
    Procedure(
        "decisions.get", "query", "runs.view_run", DecisionInput, DecisionDetailSerializer,
        get_decision, says="One question, with what it shows.",
    ),
    Procedure(
        "decisions.answer", "mutation", "runs.decide_decision", AnswerInput,
        DecisionDetailSerializer, answer_decision,
        says="Approves, rejects or corrects. Of several who answer at once one is taken.",
    ),
)  # fmt: skip
