"""Questions to people as all APIs find and answer them, and why one cannot be answered."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.db.models import QuerySet
from rest_framework.exceptions import NotFound, PermissionDenied

from runs import ids
from runs.api.archived import archived
from runs.api.problems import Conflict, Unprocessable
from runs.engine import answers
from runs.graph import DefinitionError
from runs.models import Decision, User
from runs.states import DecisionAct

LISTS = ("open", "mine", "past")
_WITH_RUN = ("node", "node__run", "node__run__workflow")


def listed(which: str, person: User) -> QuerySet[Decision]:
    """`which` is one of LISTS."""
    rows = Decision.objects.past() if which == "past" else Decision.objects.open()
    if which == "mine":
        rows = rows.for_person(person)
    return rows.select_related(*_WITH_RUN)


def find_question(run_id: str, node: str) -> answers.Question:
    key = ids.decode("run", run_id)
    rows = Decision.objects.select_related(*_WITH_RUN).filter(run=key, node__key=node)
    # A name that no node has, such as one with a NUL, is not even looked for.
    found = rows.first() if key and node.isidentifier() else None
    if found is None:
        raise NotFound("Nothing waits, or waited, for a person there.")
    try:
        return answers.question(found)
    except answers.QuestionArchived as error:
        raise archived(found.node.run, f"What was asked cannot be read: {error}.") from None
    except DefinitionError as error:
        raise Conflict(f"Its workflow can no longer be read: {error}") from None


def answer(found: answers.Question, given: dict[str, Any], *, by: User, now: datetime) -> None:
    """`given` is what AnswerSerializer takes."""
    try:
        answers.answer(
            found.decision, DecisionAct(given["act"]), by=by.as_actor(), user=by,
            value=given.get("value"), comment=given["comment"], now=now,
        )  # fmt: skip
    except answers.NotYours as error:
        raise PermissionDenied(str(error)) from None
    except answers.AnswerInvalid as error:
        raise Unprocessable(str(error)) from None
    except answers.NotOpen as error:
        raise Conflict(str(error)) from None
    found.decision.refresh_from_db()
