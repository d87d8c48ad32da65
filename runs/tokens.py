"""Making and revoking API tokens, each with its entry in the audit."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import datetime, timedelta

from django.db import IntegrityError, transaction

from runs.actors import Actor
from runs.models import ApiToken, AuditEntry, User
from runs.models.token import NAME_LENGTH, digest_of, new_secret
from runs.scopes import Scope, scopes_of

DEFAULT_DAYS = 90
MOST_DAYS = 365
# Of one person, in use at a time.
MOST_TOKENS = 50
# Sees everyone's tokens; revokes them, and makes some that do not expire.
SEES_ALL = "runs.view_apitoken"
MANAGES_ALL = "runs.change_apitoken"


class TokenRefused(Exception):  # noqa: N818  (an answer, not an error)
    """No such token is made; `field` is what is wrong with what was asked for."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field


def may_keep_for_ever(user: User) -> bool:
    return user.has_perm(MANAGES_ALL)


def make(
    user: User,
    *,
    name: str,
    scopes: Collection[str],
    days: int | None,
    by: Actor,
    now: datetime,
) -> tuple[ApiToken, str]:
    """A token of `user`, and its secret, which is nowhere else. `days` None: it never expires."""
    name = name.strip()
    if not 1 <= len(name) <= NAME_LENGTH or not name.isprintable():
        raise TokenRefused("name", f"A token's name has 1 to {NAME_LENGTH} characters.")
    chosen = _checked_scopes(user, scopes)
    _check_days(user, days)
    if user.api_tokens.usable(now).count() >= MOST_TOKENS:
        raise TokenRefused("name", f"There are {MOST_TOKENS} tokens already. Revoke one first.")
    secret, prefix = new_secret()
    token = ApiToken(
        user=user,
        name=name,
        scopes=chosen,
        digest=digest_of(secret),
        prefix=prefix,
        created_at=now,
        expires_at=None if days is None else now + timedelta(days=days),
    )
    try:
        with transaction.atomic():
            token.save(force_insert=True)
            _note(by, "create", token)
    except IntegrityError:
        message = f"There is a token “{name}” already; revoke it, or choose another name."
        raise TokenRefused("name", message) from None
    return token, secret


def revoke(token: ApiToken, *, by: Actor, now: datetime) -> bool:
    """Whether it was this that ended the token."""
    with transaction.atomic():
        alive = ApiToken.objects.filter(pk=token.pk, revoked_at__isnull=True)
        if not alive.update(revoked_at=now):
            return False
        _note(by, "revoke", token)
    return True


def _checked_scopes(user: User, scopes: Iterable[str]) -> list[str]:
    wanted = set(scopes)
    if unknown := sorted(wanted - set(Scope.values)):
        known = ", ".join(Scope.values)
        raise TokenRefused("scopes", f"There is no scope {unknown[0][:20]}; there are {known}.")
    if not wanted:
        raise TokenRefused("scopes", "Choose at least one scope.")
    if beyond := sorted(wanted - set(scopes_of(user))):
        who = user.get_username()
        raise TokenRefused("scopes", f"{who} has no permission for: {', '.join(beyond)}.")
    return [scope for scope in Scope.values if scope in wanted]


def _check_days(user: User, days: int | None) -> None:
    if days is None:
        if not may_keep_for_ever(user):
            raise TokenRefused(
                "expires_days", "Only an administrator's token may go without an expiry."
            )
    elif not 1 <= days <= MOST_DAYS:
        raise TokenRefused("expires_days", f"A token is good for 1 to {MOST_DAYS} days.")


def _note(by: Actor, action: str, token: ApiToken) -> None:
    until = f"until {token.expires_at:%Y-%m-%d}" if token.expires_at else "without an expiry"
    scopes = ", ".join(token.scopes)
    reason = f"{token} of {token.user.get_username()}: {scopes}; {until}"
    AuditEntry.objects.note(by, action, ("token", token.public_id), reason)
