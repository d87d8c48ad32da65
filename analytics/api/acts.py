"""The analysis as all APIs ask it, and why it cannot be answered."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from rest_framework.exceptions import NotFound, ValidationError

from analytics import costs, documents, durations, failures, marking, overview, upkeep
from analytics.models.failures import Mark
from analytics.one_group import OneGroup, group_of
from analytics.one_run import analysis_of
from analytics.scope import Scope, TooWide
from analytics.views.address import Address
from runs.actors import Actor
from runs.api.acts import find_run
from runs.filters import RunFilter
from runs.fingerprint import parsed


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked of a scope and what it is compared with, in an order; and how it is told."""

    name: str
    # The usual order comes first.
    sorts: tuple[str, ...]
    answer: Callable[[Scope, Scope | None, str, int], Any]
    document: Callable[[Any, str], dict[str, Any]]
    table: Callable[[Any, str], documents.Table]
    # Whether it has pages; else the largest are all there is.
    is_paged: bool = True


FAILURES = Question(
    "failures",
    failures.SORTS,
    failures.failures,
    lambda found, _: documents.failures(found),
    lambda found, _: documents.failures_table(found),
)
COST = Question(
    "cost",
    costs.SORTS,
    lambda scope, before, _, __: costs.costs(scope, before),
    documents.costs,
    documents.costs_table,
    is_paged=False,
)
DURATION = Question(
    "duration",
    durations.SORTS,
    durations.durations,
    lambda found, _: documents.durations(found),
    lambda found, _: documents.durations_table(found),
)


@dataclass(frozen=True, slots=True)
class Answer:
    question: Question
    address: Address
    sort: str
    found: Any
    fresh_until: datetime

    def document(self) -> dict[str, Any]:
        """For the question's serializer."""
        return {
            "filter": dict(self.address.filter.pairs()),
            "compared_with": self.address.compared,
            "counted_until": self.fresh_until,
            **self.question.document(self.found, self.sort),
        }

    def csv(self) -> str:
        return documents.csv_text(*self.question.table(self.found, self.sort))


def ask(question: Question, wanted: RunFilter, given: Mapping[str, Any], now: datetime) -> Answer:
    """`given`: `compare`, `sort` and `page`, where they are said. Raises ValidationError."""
    address, errors = Address.of(wanted, given, question.sorts)
    if errors:
        raise ValidationError({name: [said] for name, said in errors.items()})
    sort = address.sort or question.sorts[0]
    try:
        fresh_until = upkeep.fresh_until(now)
        scope, before = address.scopes(now)
        found = question.answer(scope, before, sort, address.page)
    except TooWide as error:
        raise ValidationError({"created": [str(error)]}) from None
    return Answer(question, address, sort, found, fresh_until)


def look(now: datetime) -> dict[str, Any]:
    """For OverviewSerializer."""
    return documents.overview(overview.overview(now), upkeep.fresh_until(now))


def of_run(public_id: str, now: datetime) -> dict[str, Any]:
    """For RunAnalysisSerializer."""
    return analysis_of(find_run(public_id), now).document()


def find_group(public_id: str) -> OneGroup:
    found = group_of(public_id)
    if found is None:
        raise NotFound(f"There is no failure group “{public_id[:100]}”.")
    return found


def mark_group(public_id: str, given: Mapping[str, Any], *, by: Actor, now: datetime) -> OneGroup:
    """`given` is what MarkSerializer takes."""
    number = parsed(public_id)
    if number is not None:
        marking.mark(number, Mark(given["mark"]), by=by, note=given["note"], now=now)
    return find_group(public_id)
