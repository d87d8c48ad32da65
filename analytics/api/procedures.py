"""The analysis by tRPC."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from analytics.api import acts
from analytics.api.acts import Question
from analytics.api.run_shapes import RunAnalysisSerializer
from analytics.api.shapes import (
    CostsSerializer,
    DurationsSerializer,
    FailuresSerializer,
    MarkSerializer,
    OneFailureGroupSerializer,
    OverviewSerializer,
)
from analytics.api.views import MOST_PAGES
from analytics.views.address import dated
from runs.api.serializers import OneOf
from runs.api.trpc.procedure import Asking, Procedure
from runs.api.trpc.run_procedures import wanted
from runs.api.trpc.shapes import ID_LENGTH, FilterInput, Input, NoInput, RunInput, word

# What stands beside the filter.
_BESIDE = ("compare", "sort", "page")


class _AnalysisInput(FilterInput):
    compare = word(help_text="`before`, `none`, or another version such as `v3`.")


def _page() -> serializers.IntegerField:
    return serializers.IntegerField(
        min_value=1, max_value=MOST_PAGES, default=1, help_text="Of the table."
    )


def _sort(question: Question) -> OneOf:
    return OneOf(choices=list(question.sorts), required=False, help_text="Largest first.")


class FailuresInput(_AnalysisInput):
    sort = _sort(acts.FAILURES)
    page = _page()


class CostInput(_AnalysisInput):
    sort = _sort(acts.COST)


class DurationInput(_AnalysisInput):
    sort = _sort(acts.DURATION)
    page = _page()


class GroupInput(Input):
    id = serializers.CharField(max_length=ID_LENGTH, help_text="The group's id.")


class MarkGroupInput(MarkSerializer, GroupInput):
    pass


def get_failures(asking: Asking, given: dict[str, Any]) -> Any:
    return FailuresSerializer(_document(acts.FAILURES, asking, given), context=asking.context).data


def get_cost(asking: Asking, given: dict[str, Any]) -> Any:
    return CostsSerializer(_document(acts.COST, asking, given), context=asking.context).data


def get_duration(asking: Asking, given: dict[str, Any]) -> Any:
    return DurationsSerializer(_document(acts.DURATION, asking, given), context=asking.context).data


def _document(question: Question, asking: Asking, given: dict[str, Any]) -> dict[str, Any]:
    beside: dict[str, Any] = {name: given.pop(name) for name in _BESIDE if name in given}
    return acts.ask(question, wanted(dated(given)), beside, asking.now).document()


def get_overview(asking: Asking, _: dict[str, Any]) -> Any:
    return OverviewSerializer(acts.look(asking.now), context=asking.context).data


def get_run(asking: Asking, given: dict[str, Any]) -> Any:
    found = acts.of_run(given["id"], asking.now)
    return RunAnalysisSerializer(found, context=asking.context).data


def get_group(asking: Asking, given: dict[str, Any]) -> Any:
    return OneFailureGroupSerializer(acts.find_group(given["id"]), context=asking.context).data


def mark_group(asking: Asking, given: dict[str, Any]) -> Any:
    found = acts.mark_group(given["id"], given, by=asking.actor, now=asking.now)
    return OneFailureGroupSerializer(found, context=asking.context).data


_SEE = "runs.view_run"
PROCEDURES = (
    Procedure(
        "analysis.failures", "query", _SEE, FailuresInput, FailuresSerializer, get_failures,
        says="What fails: how often, how alike, since which version, and whether a retry helps.",
    ),
    Procedure(
        "analysis.cost", "query", _SEE, CostInput, CostsSerializer, get_cost,
        says="What runs cost, by workflow, node, model and person.",
    ),
    Procedure(
        "analysis.duration", "query", _SEE, DurationInput, DurationsSerializer, get_duration,
        says="How long runs take, which nodes it is spent in, and what they wait for.",
    ),
    Procedure(
        "analysis.overview", "query", _SEE, NoInput, OverviewSerializer, get_overview,
        says="What runs now, how the last 24 hours compare with usual, and what has changed.",
    ),
    Procedure(
        "analysis.run", "query", _SEE, RunInput, RunAnalysisSerializer, get_run,
        says="Where a run's time went, what ran longer than usual, its cost, and why it failed.",
    ),
    Procedure(
        "analysis.group", "query", _SEE, GroupInput, OneFailureGroupSerializer, get_group,
        says="One failure group, with its runs by workflow.",
    ),
    Procedure(
        "analysis.markGroup", "mutation", "analytics.mark_failuregroup", MarkGroupInput,
        OneFailureGroupSerializer, mark_group,
        says="Says that a failure group is known, or resolved, or takes that back.",
    ),
)  # fmt: skip
