"""One's own API tokens. None is made here: that needs a session, and the page or the REST API."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from runs.api import token_acts
from runs.api.tokens import TokenSerializer
from runs.api.trpc.procedure import Asking, Procedure
from runs.api.trpc.shapes import ID_LENGTH, Input, NoInput


class TokenInput(Input):
    id = serializers.CharField(max_length=ID_LENGTH, help_text="The token's id, not the token.")


def list_tokens(asking: Asking, _: dict[str, Any]) -> Any:
    return TokenSerializer(token_acts.listed(asking.person, asking.request.auth), many=True).data


def revoke_token(asking: Asking, given: dict[str, Any]) -> Any:
    token = token_acts.find_token(given["id"], asking.person)
    token_acts.revoke(token, asking.request.auth, by=asking.person, now=asking.now)
    token.refresh_from_db()
    return TokenSerializer(token).data


PROCEDURES = (
    Procedure(
        "tokens.list", "query", None, NoInput, TokenSerializer, list_tokens,
        gives_many=True, says="Your API tokens, the newest first; their secrets are kept nowhere.",
    ),
    Procedure(
        "tokens.revoke", "mutation", None, TokenInput, TokenSerializer, revoke_token,
        says="Revokes a token, for good. A token can do that to itself, but to no other.",
    ),
)  # fmt: skip
