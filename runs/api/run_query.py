"""The query parameters of lists and exports of runs."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC
from typing import Any

from django.http import QueryDict
from django.utils import timezone
from django.utils.dateparse import parse_date
from drf_spectacular.utils import OpenApiExample, OpenApiParameter
from rest_framework.exceptions import ValidationError

from runs.api.serializers import RunSerializer
from runs.filters import RANGES, UNDATED, FilterForm, RunFilter

FIELDS = tuple(RunSerializer().fields)
# Other names of bounds, and whether a day alone means its beginning there as well.
BOUNDS = {"created_after": "created_from", "created_before": "created_to"}
NAMES = (*FilterForm.base_fields, *BOUNDS)

WORDS = {
    "state": "Runs in this state; `running` and `queued` are the page's words for two of them.",
    "workflow": "Runs of the workflow with this id.",
    "created": "Runs created in the last hour, day, week or month, up to now.",
    "created_from": "Runs created at this time or later; a day alone is its beginning.",
    "created_to": "Runs created before this time; a day alone is its end, so it is included.",
    "created_after": "The same as `created_from`.",
    "created_before": "Runs created before this time; a day alone is its beginning.",
    "triggered_by": "Runs that this person, token owner or trigger caused: the name in full.",
    "trigger": "Runs that were started in this way.",
    "ref": "Runs with this reference id, or with one that begins so.",
    "error": "Runs that failed so: the error's kind, “@” and the node, if one failed.",
    "group": "Runs of this failure group: its id, as the analysis of failures gives it.",
    "version": "Runs of this version of the workflow, which has to be given too.",
    "node": "Runs in which this node was executed; needs a beginning of the creation time.",
    "node_status": "Beside `node`: those in which it is in this status.",
    "model": "Runs that called this model; needs a beginning of the creation time.",
    "spent": "`failed`: runs in which attempts that failed, were lost or came too late cost"
    " something; needs a beginning of the creation time.",
    "is_retry": "`yes`: runs that retry another one; `no`: the others.",
    "retried": "Failed runs: `yes`: that were retried; `recovered`: of which a retry completed;"
    " `no`: that were not retried.",
    "timed": "`yes`: runs that have started and ended, of which a duration is told.",
    "stuck": "`yes`: runs that do not get on, as they were found within the last 15 seconds; or one"
    " class of them.",
    "logs": "`archived`: runs whose log is not wholly in the database; `live`: the others. Of the"
    " former `archiving`, `restoring`, and `partly`: with events that came after it was archived;"
    " of the latter `restored`: back from the archive for a time. `damaged`: runs whose archive was"
    " not whole, or not there, when it was looked at last.",
    "held": "`yes`: runs under legal hold; `no`: the others.",
    "q": "Failed runs with this text in their error; needs a beginning of the creation time.",
}
_TIMES = ("created_from", "created_to", *BOUNDS)


def _parameter(name: str) -> OpenApiParameter:
    field = FilterForm.base_fields.get(name)
    examples = [OpenApiExample("a time", "2026-11-21T14:59:00Z")] if name in _TIMES else []
    if name in _TIMES:
        words = f"{WORDS[name]} Without an offset it is UTC."
    else:
        words = WORDS[name]
    choices = [str(key) for key, _ in getattr(field, "choices", ())]
    return OpenApiParameter(name, description=words, enum=choices or None, examples=examples)


FILTERS = [_parameter(name) for name in NAMES]
FIELDS_PARAMETER = OpenApiParameter(
    "fields",
    description="Only these members of each run, separated by commas.",
    examples=[OpenApiExample("two members", "id,state")],
)


def wanted_runs(given: Mapping[str, Any]) -> RunFilter:
    """The filter that the parameters say; raises ValidationError for what cannot be meant."""
    data: dict[str, Any] = {name: given[name] for name in FilterForm.base_fields if name in given}
    names = {}
    for name, own in BOUNDS.items():
        if name not in given:
            continue
        if own in data:
            raise ValidationError({name: [f"Give this or {own}, not both."]})
        data[own] = _moment(name, str(given[name]))
        names[own] = name
    # Callers have no zone of their own, as persons at a page have.
    with timezone.override(UTC):
        wanted, errors = RunFilter.parse(data)
    for name in [name for name, said in UNDATED.items() if errors.get(name) == said]:
        errors[name] += (
            f" Add created ({', '.join(RANGES)}), or created_after with a time such as"
            " 2026-11-21T14:59:00Z."
        )
    if errors:
        raise ValidationError({names.get(name, name): [said] for name, said in errors.items()})
    return wanted


def _moment(name: str, text: str) -> str:
    try:
        is_day = parse_date(text.strip()) is not None
    except ValueError:
        is_day = False
    return f"{text.strip()}T00:00" if is_day and name == "created_before" else text


def wanted_fields(given: QueryDict) -> tuple[str, ...]:
    """The members of each run that are asked for; all where none is named."""
    named = [name for name in given.get("fields", "").split(",") if name]
    if unknown := sorted(set(named) - set(FIELDS)):
        raise ValidationError({"fields": [f"There is no member “{unknown[0][:40]}” of a run."]})
    return tuple(named) or FIELDS
