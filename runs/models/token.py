"""Personal tokens for the API: a secret that acts for its owner, within its scopes."""

from __future__ import annotations

import hashlib
import secrets
import string
from datetime import datetime, timedelta
from functools import cache
from typing import Any

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from runs import ids
from runs.driver import plain_cursor

NAME_LENGTH = 80
# Longer ones are none of ours.
SECRET_LENGTH = 100
PREFIX = "runs_"
# Of the part that is shown, with the word before it.
PREFIX_LENGTH = 11
# When a token was last used is written no more often.
USED_EVERY = timedelta(minutes=1)
_MARK = string.ascii_lowercase + string.digits


def new_secret() -> tuple[str, str]:
    """A secret, and the part of it by which its owner knows it again."""
    # The part that is shown is drawn for itself: all 256 bits of the rest stay unknown.
    prefix = PREFIX + "".join(secrets.choice(_MARK) for _ in range(PREFIX_LENGTH - len(PREFIX)))
    return f"{prefix}_{secrets.token_urlsafe(32)}", prefix


def digest_of(secret: str) -> str:
    """What is stored of a secret.

    A slow hash is for passwords, which can be guessed: it makes each guess dear. Nobody guesses
    256 random bits, so a fast one is as safe, costs a request nothing, and can be looked up. That
    also compares in constant time: how far a digest agrees tells nothing about the secret.
    """
    return hashlib.sha256(secret.encode()).hexdigest()


@cache
def _with_digest(tokens: type[ApiToken]) -> tuple[list[str], list[str], str]:
    """The fields of a token and of its user, and what reads both."""
    users: Any = tokens._meta.get_field("user").related_model
    ours, theirs = (list(model._meta.concrete_fields) for model in (tokens, users))
    columns = [f't."{field.column}"' for field in ours]
    columns += [f'u."{field.column}"' for field in theirs]
    sql = (
        f'SELECT {", ".join(columns)} FROM "{tokens._meta.db_table}" t'
        f' JOIN "{users._meta.db_table}" u ON u.id = t.user_id WHERE t.digest = %s'
    )
    return [field.attname for field in ours], [field.attname for field in theirs], sql


class ApiTokenQuerySet(models.QuerySet["ApiToken"]):
    def with_digest(self, digest: str) -> ApiToken | None:
        """With its user. Every call by token asks this first, so it is one prepared statement."""
        token_fields, user_fields, sql = _with_digest(self.model)
        with plain_cursor() as cursor:
            row = cursor.execute(sql, [digest]).fetchone()
        if row is None:
            return None
        token: ApiToken = self.model.from_db(self.db, token_fields, row[: len(token_fields)])
        users: Any = self.model._meta.get_field("user").related_model
        token.user = users.from_db(self.db, user_fields, row[len(token_fields) :])
        return token

    def usable(self, now: datetime) -> ApiTokenQuerySet:
        return self.filter(
            Q(expires_at__isnull=True) | Q(expires_at__gt=now), revoked_at__isnull=True
        )


class ApiToken(models.Model):
    id = models.UUIDField(primary_key=True, default=ids.new_id, editable=False)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="api_tokens"
    )
    name = models.CharField(max_length=NAME_LENGTH)
    scopes = ArrayField(models.CharField(max_length=20))
    digest = models.CharField(max_length=64, unique=True, editable=False)
    prefix = models.CharField(max_length=16, editable=False)
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    expires_at = models.DateTimeField(null=True, blank=True)
    last_used_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)

    objects = ApiTokenQuerySet.as_manager()

    class Meta:
        db_table = "api_tokens"
        verbose_name = "API token"
        constraints = [
            # Also whoever sends the form twice gets one.
            models.UniqueConstraint(
                fields=["user", "name"],
                name="api_tokens_name",
                condition=Q(revoked_at__isnull=True),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.prefix} “{self.name}”"

    @property
    def public_id(self) -> str:
        return ids.encode("token", self.id)

    def is_expired(self, now: datetime) -> bool:
        return self.expires_at is not None and self.expires_at <= now

    def flaw(self, now: datetime) -> str:
        """Why nobody comes in with it; "" where somebody does."""
        if self.revoked_at is not None:
            return f"The token {self.prefix} was revoked."
        if self.is_expired(now):
            return f"The token {self.prefix} has expired."
        if not self.user.is_active:
            return f"The account of the token {self.prefix} is shut."
        return ""

    def used(self, now: datetime) -> None:
        """Note that it was used. A request writes nothing where one did so a moment ago."""
        before = now - USED_EVERY
        if self.last_used_at is None or self.last_used_at < before:
            unnoted = Q(last_used_at__isnull=True) | Q(last_used_at__lt=before)
            ApiToken.objects.filter(unnoted, pk=self.pk).update(last_used_at=now)

    def allows(self, scope: str | None) -> bool:
        return scope in self.scopes

    @property
    def is_revoked(self) -> bool:
        return self.revoked_at is not None
