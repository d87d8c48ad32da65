"""Triggers: what starts runs by itself, made, changed, switched and tried."""

from __future__ import annotations

from typing import Any, cast

from django.db.models import QuerySet
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework.decorators import action
from rest_framework.exceptions import NotFound, PermissionDenied, ValidationError
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.reverse import reverse

from runs.api import examples
from runs.api.acts import LIST_SECONDS
from runs.api.pagination import FiringPages, TriggerPages
from runs.api.permissions import lacking
from runs.api.problems import MEDIA_TYPE, Conflict, Outdated, RuleRefused
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
    tried,
)
from runs.api.views import ApiViewSet
from runs.models import ApiToken, Firing, Trigger, User
from runs.payload import bounded
from runs.scopes import Scope
from runs.timeouts import statement_timeout
from runs.triggers import changes, signatures, trial
from runs.triggers.rule import Retry, Rule, RuleError, parse

PAYLOAD_BYTES = 1_000_000
_MOST = 2**63
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
        return Trigger.objects.select_related("created_by")

    def get_object(self) -> Trigger:
        number = int(self.kwargs["trigger_id"])
        trigger = self.get_queryset().filter(pk=number).first() if number < _MOST else None
        if trigger is None:
            raise NotFound(f"There is no trigger {str(number)[:20]}.")
        return trigger

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
        rows = self._filtered(request).defer("rule")
        page = self.paginate_queryset(rows)
        return self.get_paginated_response(self.get_serializer(page, many=True).data)

    @extend_schema(responses=TriggerDetailSerializer)
    def retrieve(self, request: Request, trigger_id: int) -> Response:  # noqa: ARG002
        """One trigger with its rule."""
        return Response(self._detail(self.get_object()))

    @extend_schema(
        parameters=[OpenApiParameter("status", enum=STATUSES, description="Only these.")],
        responses=FiringSerializer(many=True),
    )
    @action(detail=True, pagination_class=FiringPages, serializer_class=FiringSerializer)
    def firings(self, request: Request, trigger_id: int) -> Response:  # noqa: ARG002
        """What it did in the last 30 days, newest first, and why nothing where it did nothing."""
        self.refuse_unknown("status")
        rows = Firing.objects.filter(trigger=self.get_object()).defer("payload")
        if status := _one_of(request, "status", STATUSES):
            rows = rows.filter(status=status)
        with statement_timeout(LIST_SECONDS):
            page = self.paginate_queryset(rows)
        return self.get_paginated_response(FiringSerializer(page, many=True).data)

    @extend_schema(parameters=[_NUMBER], responses=FiringDetailSerializer)
    @action(detail=True, url_path="firings/<int:number>", pagination_class=None)
    def firing(self, request: Request, trigger_id: int, number: int) -> Response:  # noqa: ARG002
        """One of them, with what happened."""
        rows = Firing.objects.filter(trigger=self.get_object())
        found = rows.filter(pk=number).first() if number < _MOST else None
        if found is None:
            raise NotFound("There is no such firing of it, or no more.")
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
        self._check_scopes(given["kind"], given["rule"])
        try:
            trigger = changes.make(
                self._person, given["kind"], given["name"], given["rule"],
                description=given["description"], enabled=given["enabled"], now=self.now,
            )  # fmt: skip
        except RuleError as error:
            raise RuleRefused(error) from None
        except changes.NotAllowed as error:
            raise PermissionDenied(str(error)) from None
        secret = signatures.secret_of(trigger) if trigger.hook else None
        place = reverse("api:trigger-detail", args=[trigger.pk], request=request)
        headers = {"Location": place, "Cache-Control": "no-store"}
        return Response({**self._detail(trigger), "secret": secret}, status=201, headers=headers)

    @extend_schema(
        request=ChangeTriggerSerializer,
        responses={200: TriggerDetailSerializer, **_RULE_REFUSED},
        examples=[examples.TRIGGER_CHANGE],
    )
    def partial_update(self, request: Request, trigger_id: int) -> Response:  # noqa: ARG002
        """Change its name, description or rule. A run that it has started is not touched."""
        trigger, given = self.get_object(), _checked(ChangeTriggerSerializer, request)
        rule = given.get("rule", trigger.rule)
        self._check_scopes(trigger.kind, rule)
        try:
            trigger = changes.change(
                self._person, trigger, given["revision"], given.get("name", trigger.name), rule,
                description=given.get("description", trigger.description), now=self.now,
            )  # fmt: skip
        except RuleError as error:
            raise RuleRefused(error) from None
        except changes.NotAllowed as error:
            raise PermissionDenied(str(error)) from None
        except changes.Outdated:
            newest = self.get_object().revision
            raise Outdated(
                newest, f"Somebody changed it meanwhile, to revision {newest}; look at it first."
            ) from None
        return Response(self._detail(trigger))

    @extend_schema(parameters=[_REASON], responses={204: None})
    def destroy(self, request: Request, trigger_id: int) -> Response:  # noqa: ARG002
        """Delete a trigger and the record of what it did. The runs that it started stay."""
        self.refuse_unknown("reason")
        query = ReasonSerializer(data=request.query_params.dict())
        query.is_valid(raise_exception=True)
        changes.delete(self._person, self.get_object(), query.validated_data["reason"])
        return Response(status=204)

    @extend_schema(responses=TriggerDetailSerializer, examples=[examples.SWITCH])
    @action(detail=True, methods=["post"], serializer_class=SwitchSerializer)
    def switch(self, request: Request, trigger_id: int) -> Response:  # noqa: ARG002
        """Switch it on or off. What passes while it is off is not caught up."""
        trigger, given = self.get_object(), self.checked(request)
        changes.switch(self._person, trigger, given["on"], now=self.now, reason=given["reason"])
        return Response(self._detail(self.get_object()))

    @extend_schema(request=None, responses=SecretSerializer)
    @action(detail=True, methods=["post"], serializer_class=SecretSerializer)
    def secret(self, request: Request, trigger_id: int) -> Response:  # noqa: ARG002
        """Give a webhook a new secret: what is signed with the former one is refused at once."""
        trigger = self.get_object()
        if not trigger.hook:
            raise Conflict("Only a webhook has a secret.")
        trigger = changes.renew_secret(self._person, trigger)
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
    def try_out(self, request: Request, trigger_id: int) -> Response:  # noqa: ARG002
        """What it would do with a payload. With `start` it does so, also where it is off; that
        takes the permission and the scope to start runs, or to retry them."""
        trigger, given = self.get_object(), self.checked(request)
        try:
            rule = parse(trigger.kind, trigger.rule)
            payload = given.get("payload")
            if payload is None:
                payload = trial.sample(trigger, self.now)
            bounded(payload, PAYLOAD_BYTES, "the payload")
            preview, firing = trial.preview(rule, payload), None
            if given["start"]:
                self._check_token(rule)
                firing = changes.test(self._person, trigger, payload, now=self.now)
        except RuleError as error:
            raise RuleRefused(error) from None
        except changes.NotAllowed as error:
            raise PermissionDenied(str(error)) from None
        return Response(tried(payload, preview, firing))

    # ----------------------------------------------------------------------------------------

    @property
    def _person(self) -> User:
        return cast(User, self.request.user)

    def _detail(self, trigger: Trigger) -> dict[str, Any]:
        return TriggerDetailSerializer(trigger, context=self.get_serializer_context()).data

    def _filtered(self, request: Request) -> QuerySet[Trigger]:
        rows, given = self.get_queryset(), request.query_params
        if kind := _one_of(request, "kind", KINDS):
            rows = rows.filter(kind=kind)
        if enabled := _one_of(request, "enabled", ("true", "false")):
            rows = rows.filter(enabled=enabled == "true")
        if unfit := [each for each in ("workflow", "name") if "\0" in given.get(each, "")]:
            raise ValidationError({each: ["It holds a NUL character."] for each in unfit})
        if workflow := given.get("workflow"):
            rows = rows & Trigger.objects.about(workflow)
        if name := given.get("name"):
            rows = rows.filter(name__icontains=name)
        return rows

    def _check_scopes(self, kind: str, raw: Any) -> None:
        try:
            rule = parse(kind, raw)
        except RuleError:  # which is said better, with the rest of what is wrong
            return
        self._check_token(rule)

    def _check_token(self, rule: Rule) -> None:
        """A trigger acts as long as it is there: a token that may start no runs makes none."""
        token = self.request.auth
        if not isinstance(token, ApiToken):
            return
        for target in rule.targets:
            scope = Scope.RETRY if isinstance(target, Retry) else Scope.EXECUTE
            if not token.allows(scope):
                raise PermissionDenied(lacking(token, scope))


def _one_of(request: Request, name: str, choices: Any) -> str | None:
    given = request.query_params.get(name)
    if given is not None and given not in choices:
        raise ValidationError({name: [f"One of {', '.join(choices)}."]})
    return given


def _checked(serializer: type, request: Request) -> dict[str, Any]:
    given = serializer(data=request.data)
    given.is_valid(raise_exception=True)
    return given.validated_data
