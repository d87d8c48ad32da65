"""What procedures take and give. Input is strict: no unknown members, no number as text."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rest_framework import serializers

from runs.api.pagination import RunPages, WorkflowPages
from runs.api.serializers import (
    MakeVersionSerializer,
    MakeWorkflowSerializer,
    RunSerializer,
    StartSerializer,
    StrictSerializer,
)
from runs.filters import RANGES, FilterForm
from runs.models.idempotency import KEY_LENGTH
from runs.states import Trigger

ID_LENGTH = 100
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
    if isinstance(field, serializers.CharField | serializers.ChoiceField):
        return "" if isinstance(value, str) else "A string."
    return ""


def _word(**more: Any) -> serializers.CharField:
    return serializers.CharField(max_length=WORD_LENGTH, required=False, **more)


# -- Taken -----------------------------------------------------------------------------------


class RunInput(Input):
    id = serializers.CharField(max_length=ID_LENGTH, help_text="The run's id.")


class ActInput(RunInput):
    reason = serializers.CharField(
        max_length=500, required=False, allow_blank=True, default="",
        help_text="Why; it is kept in the audit.",
    )  # fmt: skip


class RetryInput(ActInput):
    from_failed = serializers.BooleanField(
        required=False, default=False,
        help_text="Go on from the failed node: results of nodes that completed are reused.",
    )  # fmt: skip


class ListInput(Input):
    """The filter of the Runs view, and a stretch of the list."""

    limit = serializers.IntegerField(
        min_value=1, max_value=RunPages.max_limit, default=RunPages.default_limit,
        help_text="Most runs that are given.",
    )  # fmt: skip
    cursor = _word(allow_null=True, help_text="The last given run's: the list goes on behind it.")
    status = serializers.ChoiceField(
        choices=[str(name) for name, _ in FilterForm.base_fields["state"].choices],  # type: ignore[attr-defined]
        required=False,
        help_text="A state, or its word on the page.",
    )
    workflow_id = _word()
    created = serializers.ChoiceField(
        choices=list(RANGES), required=False, help_text="A range that ends now."
    )
    created_from = _word(help_text="A time such as 2026-11-21T14:59:00Z.")
    created_to = _word(help_text="A day alone is its end.")
    created_after = _word(help_text="The same as created_from.")
    created_before = _word(help_text="A day alone is its beginning.")
    triggered_by = _word()
    trigger = serializers.ChoiceField(choices=[str(each) for each in Trigger], required=False)
    ref = _word(help_text="A reference's id, or its beginning.")
    error = _word(help_text="An error's kind, “@” and the node, if one failed.")
    q = _word(help_text="Text of an error; give created or created_from too.")


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
    idempotency_key = serializers.RegexField(
        r"^[ -~]+\Z", max_length=KEY_LENGTH, required=False, allow_null=True, default=None,
        error_messages={"invalid": "Printable ASCII characters only."},
        help_text="A word of yours for this call: sent again within 24 hours, it starts nothing"
        " and gives the same run.",
    )  # fmt: skip


class WorkflowInput(Input):
    id = serializers.CharField(max_length=WORD_LENGTH, help_text="The workflow's id.")


class WorkflowsInput(Input):
    limit = serializers.IntegerField(
        min_value=1, max_value=WorkflowPages.max_limit, default=WorkflowPages.default_limit,
        help_text="Most workflows that are given.",
    )  # fmt: skip
    after = _word(help_text="The last given workflow's id: the list goes on behind it.")


class MakeWorkflowInput(MakeWorkflowSerializer, Input):
    pass


class PublishInput(MakeVersionSerializer, Input):
    id = serializers.CharField(max_length=WORD_LENGTH, help_text="The workflow's id.")


# -- Given -----------------------------------------------------------------------------------


class ListedRunSerializer(RunSerializer):
    cursor = serializers.CharField(help_text="Where the list goes on behind this run.")


class StartedSerializer(serializers.Serializer):
    id = serializers.CharField(help_text="The new run's id.")


class DeletedSerializer(serializers.Serializer):
    id = serializers.CharField(help_text="The id of the run that is no more.")
