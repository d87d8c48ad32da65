"""What procedures take and give. Input is strict: no unknown members, no number as text."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rest_framework import serializers

from runs.api.bulk_shapes import RestoreSerializer
from runs.api.pagination import (
    MAX_SEQ,
    EventPages,
    KeyPages,
    RunPages,
    VersionPages,
    WorkflowPages,
)
from runs.api.serializers import (
    EventQuerySerializer,
    EventSerializer,
    HoldSerializer,
    LimitSerializer,
    MakeVersionSerializer,
    MakeWorkflowSerializer,
    OneOf,
    ReasonSerializer,
    RunSerializer,
    StartSerializer,
    StrictSerializer,
)
from runs.filters import (
    HELD,
    IS_RETRY,
    LOGS,
    NODE_STATUSES,
    RANGES,
    RETRIED,
    SPENT,
    STUCK,
    TIMED,
    FilterForm,
)
from runs.models.idempotency import KEY_LENGTH
from runs.states import RunState, Trigger

ID_LENGTH = 100
MOST_VERSIONS = 2**31 - 1
WORD_LENGTH = 200


class Input(StrictSerializer):
    def to_internal_value(self, data: Any) -> Any:
        given = data if isinstance(data, Mapping) else {}
        wrong = {
            name: [problem]
            for name, field in self.fields.items()
            if name in given and (problem := _misfit(field, given[name]))
        }
        if wrong:
            raise serializers.ValidationError(wrong)
        return super().to_internal_value(data)


def _misfit(field: serializers.Field, value: Any) -> str:
    """What speaks against the value's type in JSON; the field itself judges the rest."""
    if value is None:
        return ""
    if isinstance(field, serializers.IntegerField):
        return "" if type(value) is int else "A whole number."
    if isinstance(field, serializers.BooleanField):
        return "" if isinstance(value, bool) else "true or false."
    if isinstance(field, serializers.MultipleChoiceField):
        fits = isinstance(value, list) and all(isinstance(each, str) for each in value)
        return "" if fits else "A list of strings."
    if isinstance(field, serializers.CharField | serializers.ChoiceField):
        return "" if isinstance(value, str) else "A string."
    return ""


def word(**more: Any) -> serializers.CharField:
    return serializers.CharField(max_length=WORD_LENGTH, required=False, **more)


def limit(pages: type[KeyPages] | type[EventPages]) -> serializers.IntegerField:
    return serializers.IntegerField(
        min_value=1, max_value=pages.max_limit, default=pages.default_limit,
        help_text="Most entries that are given.",
    )  # fmt: skip


def key() -> serializers.RegexField:
    return serializers.RegexField(
        r"^[ -~]+\Z", max_length=KEY_LENGTH, required=False, allow_null=True, default=None,
        error_messages={"invalid": "Printable ASCII characters only."},
        help_text="A word of yours for this call: sent again within 24 hours, it starts nothing"
        " and gives the same answer.",
    )  # fmt: skip


# -- Taken -----------------------------------------------------------------------------------


class NoInput(Input):
    pass


class RunInput(Input):
    id = serializers.CharField(max_length=ID_LENGTH, help_text="The run's id.")


class ActInput(ReasonSerializer, RunInput):
    pass


class HoldInput(HoldSerializer, RunInput):
    pass


class RestoreInput(RestoreSerializer, RunInput):
    pass


class ProlongInput(RestoreSerializer, RunInput):
    pass


class RetryInput(ActInput):
    from_failed = serializers.BooleanField(
        required=False, default=False,
        help_text="Go on from the failed node: results of nodes that completed are reused.",
    )  # fmt: skip


class FilterInput(Input):
    """The filter of the Runs view."""

    status = OneOf(
        choices=[str(name) for name, _ in FilterForm.base_fields["state"].choices],  # type: ignore[attr-defined]
        required=False,
        help_text="A state, or its word on the page.",
    )
    workflow_id = word()
    created = OneOf(choices=list(RANGES), required=False, help_text="A range that ends now.")
    created_from = word(help_text="A time such as 2026-11-21T14:59:00Z.")
    created_to = word(help_text="A day alone is its end.")
    created_after = word(help_text="The same as created_from.")
    created_before = word(help_text="A day alone is its beginning.")
    triggered_by = word()
    trigger = OneOf(choices=[str(each) for each in Trigger], required=False)
    ref = word(help_text="A reference's id, or its beginning.")
    error = word(help_text="An error's kind, “@” and the node, if one failed.")
    group = word(help_text="A failure group's id, as the analysis of failures gives it.")
    version = serializers.IntegerField(
        required=False, min_value=1, help_text="A version of the workflow, which is named too."
    )
    node = word(help_text="A node that was executed; give created or created_from too.")
    node_status = OneOf(
        choices=list(NODE_STATUSES), required=False,
        help_text="What the node is in now.",
    )  # fmt: skip
    model = word(help_text="A model that was called; give created or created_from too.")
    spent = OneOf(
        choices=list(SPENT), required=False,
        help_text="On attempts that failed; give created or created_from too.",
    )  # fmt: skip
    is_retry = OneOf(
        choices=list(IS_RETRY), required=False, help_text="Whether they retry another run."
    )
    retried = OneOf(
        choices=list(RETRIED), required=False,
        help_text="Of failed runs: whether they were retried, and whether that helped.",
    )  # fmt: skip
    timed = OneOf(
        choices=list(TIMED), required=False, help_text="Those that have started and ended."
    )
    stuck = OneOf(
        choices=list(STUCK), required=False,
        help_text="Those that do not get on, or those of one class.",
    )  # fmt: skip
    logs = OneOf(choices=list(LOGS), required=False, help_text="Where the runs' logs are.")
    held = OneOf(choices=list(HELD), required=False, help_text="Whether under legal hold.")
    q = word(help_text="Text of an error; give created or created_from too.")


class ListInput(FilterInput):
    limit = limit(RunPages)
    cursor = word(allow_null=True, help_text="The last given run's: the list goes on behind it.")


class ExportInput(FilterInput):
    cursor = word(allow_null=True, help_text="The last answer's `export.next`: it goes on there.")


class CountsInput(FilterInput):
    status = None  # type: ignore[assignment]


class EventsInput(EventQuerySerializer, RunInput):
    limit = limit(EventPages)
    after = serializers.IntegerField(
        min_value=0, max_value=MAX_SEQ, default=0, help_text="Only events with a higher number."
    )


class StreamInput(Input):
    runId = serializers.CharField(max_length=ID_LENGTH)  # noqa: N815  (the client's spelling)
    lastEventId = serializers.CharField(  # noqa: N815
        max_length=20, required=False, allow_null=True, allow_blank=True,
        help_text="The number of the last event that is known; without it all are given.",
    )  # fmt: skip

    def validate_lastEventId(self, text: str | None) -> str | None:  # noqa: N802
        if text and not (text.isascii() and text.isdecimal()):
            raise serializers.ValidationError("The number of an event, as text.")
        return text


class ExecuteInput(StartSerializer, Input):
    workflow_id = serializers.CharField(max_length=WORD_LENGTH)
    idempotency_key = key()


class WorkflowInput(Input):
    id = serializers.CharField(max_length=WORD_LENGTH, help_text="The workflow's id.")


class WorkflowsInput(Input):
    limit = limit(WorkflowPages)
    after = word(help_text="The last given workflow's id: the list goes on behind it.")


class VersionsInput(WorkflowInput):
    limit = limit(VersionPages)
    before = serializers.IntegerField(
        min_value=1, max_value=MOST_VERSIONS, required=False,
        help_text="The last given version's number: the list goes on behind it.",
    )  # fmt: skip


class VersionInput(WorkflowInput):
    number = serializers.IntegerField(min_value=1, max_value=MOST_VERSIONS)


class MakeWorkflowInput(MakeWorkflowSerializer, Input):
    pass


class PublishInput(MakeVersionSerializer, Input):
    id = serializers.CharField(max_length=WORD_LENGTH, help_text="The workflow's id.")


class PauseInput(ReasonSerializer, WorkflowInput):
    pass


class LimitWorkflowInput(LimitSerializer, WorkflowInput):
    pass


# -- Given -----------------------------------------------------------------------------------


class ListedRunSerializer(RunSerializer):
    cursor = serializers.CharField(help_text="Where the list goes on behind this run.")


class StartedSerializer(serializers.Serializer):
    id = serializers.CharField(help_text="The new run's id.")


class DeletedSerializer(serializers.Serializer):
    id = serializers.CharField(help_text="The id of the run that is no more.")


class EventsSerializer(serializers.Serializer):
    events = EventSerializer(many=True)
    next = serializers.IntegerField(
        allow_null=True, help_text="The `after` of the next page; null where this is the last."
    )


class ChangedRunSerializer(serializers.Serializer):
    id = serializers.CharField()
    state = serializers.ChoiceField(choices=[str(state) for state in RunState])
    new = serializers.BooleanField(help_text="Whether the run was not there before.")


class NoticeSerializer(serializers.Serializer):
    runs = ChangedRunSerializer(many=True)
    reset = serializers.BooleanField(
        help_text="true: more may have changed than is said here; fetch what you show anew."
    )
