"""What waits for a person: the questions, and their answers."""

from __future__ import annotations

from typing import Any, cast

from django.db.models import Q, QuerySet
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from runs import ids
from runs.api import decision_acts, examples
from runs.api.pagination import KeyPages
from runs.api.serializers import OneOf, StampField, StrictSerializer
from runs.api.views import ApiViewSet
from runs.engine import answers
from runs.models import Decision, User
from runs.states import DecisionAct

ACTS = [(str(act), str(act)) for act in DecisionAct]
ANSWERS = [(str(act), str(act)) for act in answers.ACTS]


class DecisionSerializer(serializers.Serializer):
    run = serializers.SerializerMethodField()
    node = serializers.CharField(source="node.key")
    workflow_id = serializers.CharField(source="node.run.workflow.slug")
    title = serializers.CharField()
    people = serializers.ListField(
        child=serializers.CharField(), help_text="User names; with no groups either: anybody."
    )
    groups = serializers.ListField(child=serializers.CharField())
    asked_at = StampField()
    due_at = StampField(allow_null=True, help_text="When it is decided by itself; null: never.")
    decided_at = StampField(allow_null=True)
    decided_by = serializers.CharField(allow_blank=True)
    act = serializers.ChoiceField(choices=ACTS, allow_blank=True)

    def get_run(self, decision: Decision) -> str:
        return ids.encode("run", decision.run_id)


class DecisionDetailSerializer(DecisionSerializer):
    instructions = serializers.SerializerMethodField()
    input = serializers.SerializerMethodField()
    value = serializers.SerializerMethodField("get_subject")
    form = serializers.SerializerMethodField()

    def get_instructions(self, _: Decision) -> str:
        return str(self.context["question"].asked.get("instructions", ""))

    def get_input(self, _: Decision) -> dict[str, Any]:
        """What is shown."""
        return cast(dict[str, Any], self.context["question"].asked["input"])

    def get_subject(self, _: Decision) -> Any:
        """What is approved as it is, or corrected."""
        return self.context["question"].value

    def get_form(self, _: Decision) -> dict[str, Any] | None:
        """The JSON Schema of a correction; null where nothing can be corrected."""
        return cast("dict[str, Any] | None", self.context["question"].form)


class AnswerSerializer(StrictSerializer):
    act = OneOf(choices=ANSWERS)
    value = serializers.JSONField(
        required=False, allow_null=True, help_text="The correction; fits the form."
    )
    comment = serializers.CharField(
        required=False, allow_blank=True, max_length=answers.COMMENT_LENGTH, default=""
    )


class DecisionPages(KeyPages):
    """Oldest question first."""

    def key(self, row: Decision) -> str:
        return str(row.pk)

    def page_at(self, rows: QuerySet, side: str, key: str) -> QuerySet:
        if not key:
            return rows.order_by("asked_at", "node_id")
        if not (key.isascii() and key.isdecimal() and len(key) < 19):
            raise ValueError(key)
        at = Decision.objects.filter(pk=int(key)).values_list("asked_at", flat=True).first()
        if at is None:
            raise ValueError(key)
        if side == "before":
            before = Q(asked_at__lt=at) | Q(asked_at=at, node_id__lt=int(key))
            return rows.filter(before, asked_at__lte=at).order_by("-asked_at", "-node_id")
        after = Q(asked_at__gt=at) | Q(asked_at=at, node_id__gt=int(key))
        return rows.filter(after, asked_at__gte=at).order_by("asked_at", "node_id")


class DecisionViewSet(ApiViewSet):
    """What waits, or waited, for a person."""

    permission = "runs.view_run"
    permissions = {"answer": "runs.decide_decision"}
    pagination_class = DecisionPages
    serializer_class = DecisionSerializer
    queryset = Decision.objects.none()

    @extend_schema(
        parameters=[
            OpenApiParameter(
                "show", enum=decision_acts.LISTS, default="open",
                description="All that are open, those that you may answer, or those decided.",
            )
        ]
    )  # fmt: skip
    def list(self, request: Request) -> Response:
        """Questions, the oldest first."""
        self.refuse_unknown("show")
        shown = request.query_params.get("show", "open")
        if shown not in decision_acts.LISTS:
            raise ValidationError({"show": [f"One of {', '.join(decision_acts.LISTS)}."]})
        page = self.paginate_queryset(decision_acts.listed(shown, cast(User, request.user)))
        return self.get_paginated_response(DecisionSerializer(page, many=True).data)

    @extend_schema(responses=DecisionDetailSerializer)
    def retrieve(self, request: Request, run_id: str, node: str) -> Response:  # noqa: ARG002
        """One question, with what it shows."""
        return _shown(decision_acts.find_question(run_id, node))

    @extend_schema(
        request=AnswerSerializer,
        responses=DecisionDetailSerializer,
        examples=[examples.CORRECTION],
    )
    def answer(self, request: Request, run_id: str, node: str) -> Response:
        """Approve it, reject it, or correct it. Of several who answer at once one is taken."""
        found = decision_acts.find_question(run_id, node)
        serializer = AnswerSerializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        given, by = serializer.validated_data, cast(User, request.user)
        decision_acts.answer(found, given, by=by, now=self.now)
        return _shown(found)


def _shown(found: answers.Question) -> Response:
    return Response(detail_of(found))


def detail_of(found: answers.Question) -> Any:
    return DecisionDetailSerializer(found.decision, context={"question": found}).data
