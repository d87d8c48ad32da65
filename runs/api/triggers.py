"""Triggers: what starts runs by itself, made, changed, switched and tried."""

from __future__ import annotations

from typing import Any, cast

from django.db.models import QuerySet
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework.decorators import action
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.reverse import reverse

from runs.api import examples, trigger_acts
from runs.api.acts import LIST_SECONDS
from runs.api.pagination import FiringPages, TriggerPages
from runs.api.problems import MEDIA_TYPE
from runs.api.serializers import ReasonSerializer
from runs.api.trigger_shapes import (
    KINDS,
    STATUSES,
    ChangeTriggerSerializer,
    FiringDetailSerializer,
    FiringSerializer,
    MakeTriggerSerializer,
    NewTriggerSerializer,
    SecretSerializer,
    SwitchSerializer,
    TriedSerializer,
    TriggerDetailSerializer,
    TriggerSerializer,
    TryTriggerSerializer,
)
from runs.api.views import ApiViewSet
from runs.models import Trigger, User
from runs.timeouts import statement_timeout
from runs.triggers import changes, signatures

_PLACE = OpenApiParameter(
    "Location", response=[201], location=OpenApiParameter.HEADER, description="The new trigger."
)
_REASON = OpenApiParameter("reason", description="Why; it is kept in the audit.")
_RULE_REFUSED = {
    (422, MEDIA_TYPE): OpenApiResponse(
        {"$ref": "#/components/schemas/Problem"},
        "The rule cannot be kept: `errors` says what is wrong, and where in it.",
    )
}
_NUMBER = OpenApiParameter("number", OpenApiTypes.INT, OpenApiParameter.PATH)


class TriggerViewSet(ApiViewSet):
    """Triggers by name. Who makes or changes one must be allowed what its rule does: start runs,
    or retry them."""

    permission = "runs.view_trigger"
    permissions = {
        "create": "runs.add_trigger",
        "partial_update": "runs.change_trigger",
        "destroy": "runs.delete_trigger",
        "switch": "runs.fire_trigger",
        "try_out": "runs.fire_trigger",
        "secret": "runs.change_trigger",
    }
    lookup_field = lookup_url_kwarg = "trigger_id"
    lookup_value_converter = "int"
    pagination_class = TriggerPages
    serializer_class = TriggerSerializer

    def get_queryset(self) -> QuerySet[Trigger]:
        return trigger_acts.shown_triggers()

    # -- Found and read ----------------------------------------------------------------------

    @extend_schema(
        parameters=[
            OpenApiParameter("kind", enum=KINDS, description="Only of this kind."),
            OpenApiParameter("enabled", bool, description="Only those that are on, or off."),
            OpenApiParameter(
                "workflow", description="Only those that start runs of this workflow, or wait for"
                " something in its runs.",
            ),
            OpenApiParameter("name", description="Only those whose name holds these letters."),
        ]
    )  # fmt: skip
    def list(self, request: Request) -> Response:
        """Triggers, by name."""
        self.refuse_unknown("kind", "enabled", "workflow", "name")
        given: dict[str, Any] = request.query_params.dict()
        given["kind"] = _one_of(request, "kind", KINDS)
        enabled = _one_of(request, "enabled", ("true", "false"))
        given["enabled"] = None if enabled is None else enabled == "true"
        rows = trigger_acts.listed(given)
        page = self.paginate_queryset(rows)
        return self.get_paginated_response(self.get_serializer(page, many=True).data)

    @extend_schema(responses=TriggerDetailSerializer)
    def retrieve(self, request: Request, trigger_id: int) -> Response:  # noqa: ARG002
        """One trigger with its rule."""
        return Response(self._detail(trigger_acts.find_trigger(trigger_id)))

    @extend_schema(
        parameters=[OpenApiParameter("status", enum=STATUSES, description="Only these.")],
        responses=FiringSerializer(many=True),
    )
    @action(detail=True, pagination_class=FiringPages, serializer_class=FiringSerializer)
    def firings(self, request: Request, trigger_id: int) -> Response:
        """What it did in the last 30 days, newest first, and why nothing where it did nothing."""
        self.refuse_unknown("status")
        rows = trigger_acts.firings_of(trigger_id, _one_of(request, "status", STATUSES))
        with statement_timeout(LIST_SECONDS):
            page = self.paginate_queryset(rows)
        return self.get_paginated_response(FiringSerializer(page, many=True).data)

    @extend_schema(parameters=[_NUMBER], responses=FiringDetailSerializer)
    @action(detail=True, url_path="firings/<int:number>", pagination_class=None)
    def firing(self, request: Request, trigger_id: int, number: int) -> Response:  # noqa: ARG002
        """One of them, with what happened."""
        found = trigger_acts.find_firing(trigger_id, number)
        return Response(FiringDetailSerializer(found).data)

    # -- Made and changed --------------------------------------------------------------------

    @extend_schema(
        request=MakeTriggerSerializer,
        responses={201: NewTriggerSerializer, **_RULE_REFUSED},
        parameters=[_PLACE],
        examples=examples.TRIGGERS,
    )
    def create(self, request: Request) -> Response:
        """Make a trigger. A token needs the scope `triggers`, and `execute` or `retry` for what the
        rule does. Of a webhook the answer holds the `secret`."""
        given = _checked(MakeTriggerSerializer, request)
        trigger = trigger_acts.make(given, by=self._person, token=request.auth, now=self.now)
        secret = signatures.secret_of(trigger) if trigger.hook else None
        place = reverse("api:trigger-detail", args=[trigger.pk], request=request)
        headers = {"Location": place, "Cache-Control": "no-store"}
        return Response({**self._detail(trigger), "secret": secret}, status=201, headers=headers)

    @extend_schema(
        request=ChangeTriggerSerializer,
        responses={200: TriggerDetailSerializer, **_RULE_REFUSED},
        examples=[examples.TRIGGER_CHANGE],
    )
    def partial_update(self, request: Request, trigger_id: int) -> Response:
        """Change its name, description or rule. A run that it has started is not touched."""
        trigger_acts.find_trigger(trigger_id)
        given = _checked(ChangeTriggerSerializer, request)
        trigger = trigger_acts.change(
            trigger_id, given, by=self._person, token=request.auth, now=self.now
        )
        return Response(self._detail(trigger))

    @extend_schema(parameters=[_REASON], responses={204: None})
    def destroy(self, request: Request, trigger_id: int) -> Response:
        """Delete a trigger and the record of what it did. The runs that it started stay."""
        self.refuse_unknown("reason")
        query = ReasonSerializer(data=request.query_params.dict())
        query.is_valid(raise_exception=True)
        trigger = trigger_acts.find_trigger(trigger_id)
        changes.delete(self._person, trigger, query.validated_data["reason"])
        return Response(status=204)

    @extend_schema(responses=TriggerDetailSerializer, examples=[examples.SWITCH])
    @action(detail=True, methods=["post"], serializer_class=SwitchSerializer)
    def switch(self, request: Request, trigger_id: int) -> Response:
        """Switch it on or off. What passes while it is off is not caught up."""
        given = self.checked(request)
        trigger = trigger_acts.switch(trigger_id, given, by=self._person, now=self.now)
        return Response(self._detail(trigger))

    @extend_schema(request=None, responses=SecretSerializer)
    @action(detail=True, methods=["post"], serializer_class=SecretSerializer)
    def secret(self, request: Request, trigger_id: int) -> Response:
        """Give a webhook a new secret: what is signed with the former one is refused at once."""
        trigger = trigger_acts.renew_secret(trigger_id, by=self._person)
        shown = {
            "hook_url": reverse("api:hook", args=[trigger.hook], request=request),
            "secret": signatures.secret_of(trigger),
        }
        return Response(shown, headers={"Cache-Control": "no-store"})

    # -- Tried -------------------------------------------------------------------------------

    @extend_schema(
        responses={200: TriedSerializer, **_RULE_REFUSED}, examples=[examples.TRY_TRIGGER]
    )
    @action(
        detail=True, methods=["post"], url_path="test", serializer_class=TryTriggerSerializer
    )  # fmt: skip
    def try_out(self, request: Request, trigger_id: int) -> Response:
        """What it would do with a payload. With `start` it does so, also where it is off; that
        takes the permission and the scope to start runs, or to retry them."""
        trigger_acts.find_trigger(trigger_id)
        given = self.checked(request)
        told = trigger_acts.try_out(
            trigger_id, given, by=self._person, token=request.auth, now=self.now
        )
        return Response(told)

    # ----------------------------------------------------------------------------------------

    @property
    def _person(self) -> User:
        return cast(User, self.request.user)

    def _detail(self, trigger: Trigger) -> dict[str, Any]:
        return TriggerDetailSerializer(trigger, context=self.get_serializer_context()).data


def _one_of(request: Request, name: str, choices: Any) -> str | None:
    given = request.query_params.get(name)
    if given is not None and given not in choices:
        raise ValidationError({name: [f"One of {', '.join(choices)}."]})
    return given


def _checked(serializer: type, request: Request) -> dict[str, Any]:
    given = serializer(data=request.data)
    given.is_valid(raise_exception=True)
    return given.validated_data
