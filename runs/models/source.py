"""A system that executes runs elsewhere and reports them."""

from __future__ import annotations

from datetime import datetime, timedelta
from urllib.parse import urlsplit

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.validators import RegexValidator, URLValidator
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from runs.actors import ACTOR_REFS

NAME = r"^[a-z0-9][a-z0-9_.-]*\Z"
NAME_LENGTH = 64
# What reports on the portal's own runs, unless it names itself.
PORTAL = "portal"
RESERVED = frozenset({*ACTOR_REFS, "engine"})
# The time of the newest event is written no more often: every call would wait for this one row.
SEEN_EVERY = timedelta(minutes=1)
_web_address = URLValidator(schemes=["http", "https"])


def check_without_password(field: str, address: str) -> None:
    """It is shown to all who may see it, and stands in the audit."""
    try:
        named = urlsplit(address).netloc
    except ValueError:  # the field itself says that it is none
        return
    if "@" in named:
        raise ValidationError({field: "Leave the user name and password out of the address."})


def check_free(name: str) -> None:
    if name in RESERVED:
        raise ValidationError(f"“{name}” is the portal's own word; choose another.")


class SourceQuerySet(models.QuerySet["Source"]):
    def seen(self, source_ids: set[int], now: datetime) -> None:
        """Note that they sent events. Call it outside of a transaction, after the commit."""
        unnoted = Q(last_event_at__isnull=True) | Q(last_event_at__lt=now - SEEN_EVERY)
        self.filter(unnoted, pk__in=source_ids).update(last_event_at=now)


class Source(models.Model):
    """Event ids are unique within it, and so are its own ids of its runs."""

    name = models.CharField(
        max_length=NAME_LENGTH,
        unique=True,
        validators=[
            RegexValidator(
                NAME, "Use small letters, digits, dots, hyphens and underscores; no dot first."
            ),
            check_free,
        ],
        help_text="Its id, such as airflow-prod. It cannot be changed later.",
    )
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, editable=False,
        related_name="+",
    )  # fmt: skip
    last_event_at = models.DateTimeField(null=True, editable=False)
    # Where the portal asks it to act on a run of its own; blank: it cannot be asked.
    retry_url = models.CharField(
        "retry address", max_length=500, blank=True, validators=[_web_address],
        help_text="Called when somebody retries one of its runs.",
    )  # fmt: skip
    terminate_url = models.CharField(
        "terminate address", max_length=500, blank=True, validators=[_web_address],
        help_text="Called when somebody terminates one of its runs.",
    )  # fmt: skip

    objects = SourceQuerySet.as_manager()

    class Meta:
        db_table = "sources"
        ordering = ["name"]
        permissions = [("ingest_event", "Can report events of runs executed elsewhere")]

    def __str__(self) -> str:
        return self.name

    def clean(self) -> None:
        for field in ("retry_url", "terminate_url"):
            check_without_password(field, getattr(self, field))
