"""Saved views of the Runs list: a name for a filter, an order and columns."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.db import models
from django.db.models import Q

from runs import ids


class SavedViewQuerySet(models.QuerySet["SavedView"]):
    def seen_by(self, user: Any) -> SavedViewQuerySet:
        return self.filter(Q(owner=user) | Q(is_shared=True))


class SavedView(models.Model):
    """`query` is the list's own address, ``?state=failed&created=24h``; it is parsed again each
    time, so a view that no longer makes sense is said to be wrong like any other address."""

    id = models.UUIDField(primary_key=True, default=ids.new_id, editable=False)
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="saved_views"
    )
    name = models.CharField(max_length=80)
    query = models.TextField()
    is_shared = models.BooleanField(default=False)

    objects = SavedViewQuerySet.as_manager()

    class Meta:
        db_table = "saved_views"
        ordering = ["name", "id"]
        constraints = [
            models.UniqueConstraint(fields=["owner", "name"], name="saved_views_name"),
        ]
        indexes = [
            models.Index(fields=["name"], name="saved_views_shared", condition=Q(is_shared=True)),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def public_id(self) -> str:
        return ids.encode("view", self.id)

    def can_be_changed_by(self, user: Any) -> bool:
        """By its owner; a shared one by an administrator too."""
        if self.owner_id == user.pk:
            return True
        return self.is_shared and bool(user.has_perm("runs.change_savedview"))
