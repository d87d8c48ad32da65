"""One's own API tokens as all APIs find and revoke them, and why one cannot be."""

from __future__ import annotations

from datetime import datetime

from django.db.models import QuerySet
from rest_framework.exceptions import NotFound, PermissionDenied

from runs import ids, tokens
from runs.api.permissions import lacking
from runs.models import ApiToken, User
from runs.scopes import Scope

# Newest first; older ones are on no page.
MOST_LISTED = 200


def own_tokens(person: User) -> QuerySet[ApiToken]:
    return ApiToken.objects.filter(user=person.pk).order_by("-created_at", "-id")


def listed(person: User, auth: object) -> QuerySet[ApiToken]:
    """`auth`: the token that asks, or none."""
    if isinstance(auth, ApiToken) and not auth.allows(Scope.VIEW):
        raise PermissionDenied(lacking(auth, Scope.VIEW))
    return own_tokens(person)[:MOST_LISTED]


def find_token(public_id: str, person: User) -> ApiToken:
    token_id = ids.decode("token", public_id)
    token = own_tokens(person).filter(pk=token_id).first() if token_id else None
    if token is None:
        raise NotFound(f"You have no token “{public_id[:100]}”.")
    return token


def revoke(token: ApiToken, auth: object, *, by: User, now: datetime) -> None:
    if isinstance(auth, ApiToken) and auth != token:
        raise PermissionDenied("A token revokes none but itself.")
    tokens.revoke(token, by=by.as_actor(), now=now)
