"""One's own API tokens."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.exceptions import PermissionDenied, ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from runs import tokens
from runs.api import token_acts
from runs.api.permissions import NO_TOKEN_MAY, Staff
from runs.api.serializers import StampField, StrictSerializer
from runs.api.views import ApiViewSet
from runs.models import ApiToken, User
from runs.models.token import NAME_LENGTH
from runs.scopes import Scope


class TokenSerializer(serializers.Serializer):
    id = serializers.CharField(source="public_id")
    name = serializers.CharField()
    prefix = serializers.CharField(help_text="What the token begins with.")
    scopes = serializers.ListField(child=serializers.ChoiceField(choices=Scope.choices))
    created_at = StampField()
    expires_at = StampField(allow_null=True)
    last_used_at = StampField(allow_null=True, help_text="To the minute.")
    revoked_at = StampField(allow_null=True)


class NewTokenSerializer(TokenSerializer):
    """A token with its `secret`, which is shown this once."""

    secret = serializers.CharField()


class MakeTokenSerializer(StrictSerializer):
    name = serializers.CharField(max_length=NAME_LENGTH)
    scopes = serializers.ListField(child=serializers.CharField(max_length=20), max_length=20)
    expires_days = serializers.IntegerField(
        min_value=1, max_value=tokens.MOST_DAYS, allow_null=True, required=False,
        default=tokens.DEFAULT_DAYS,
        help_text="Days until it expires; null, for an administrator, is never.",
    )  # fmt: skip


class TokenViewSet(ApiViewSet):
    """Your own API tokens, newest first. Their secrets are stored nowhere."""

    permission_classes = [Staff]
    lookup_field = lookup_url_kwarg = "token_id"
    pagination_class = None
    serializer_class = TokenSerializer

    def get_queryset(self) -> QuerySet[ApiToken]:
        return token_acts.own_tokens(self._person)

    def get_object(self) -> ApiToken:
        return token_acts.find_token(self.kwargs["token_id"], self._person)

    def list(self, request: Request) -> Response:
        rows = token_acts.listed(self._person, request.auth)
        return Response(self.get_serializer(rows, many=True).data)

    @extend_schema(request=MakeTokenSerializer, responses={201: NewTokenSerializer})
    def create(self, request: Request) -> Response:
        """Make a token; the answer alone holds its secret. Needs a session: no token makes one."""
        if request.auth is not None:
            raise PermissionDenied(NO_TOKEN_MAY)
        given = MakeTokenSerializer(data=request.data)
        given.is_valid(raise_exception=True)
        token, secret = self._made(given.validated_data)
        token.secret = secret  # type: ignore[attr-defined]
        headers = {"Cache-Control": "no-store"}
        return Response(NewTokenSerializer(token).data, status=201, headers=headers)

    @extend_schema(responses={204: None})
    def destroy(self, request: Request, token_id: str) -> Response:  # noqa: ARG002
        """Revoke a token, for good. A token can do that to itself, but to no other."""
        token_acts.revoke(self.get_object(), request.auth, by=self._person, now=self.now)
        return Response(status=204)

    @property
    def _person(self) -> User:
        user = self.request.user
        assert isinstance(user, User)  # by the permission class
        return user

    def _made(self, given: dict[str, Any]) -> tuple[ApiToken, str]:
        try:
            return tokens.make(
                self._person,
                name=given["name"],
                scopes=given["scopes"],
                days=given["expires_days"],
                by=self.actor,
                now=self.now,
            )
        except tokens.TokenRefused as refused:
            raise ValidationError({refused.field: [str(refused)]}) from None
