"""Saving, changing and deleting views of the list, each with its entry in the audit."""

from __future__ import annotations

from django.db import IntegrityError, transaction

from runs.actors import Actor
from runs.models import AuditEntry, SavedView

# Views that one person may keep.
MOST_OWN = 100


class NameTaken(Exception):  # noqa: N818  (an answer, not an error)
    """Its owner has another view of that name."""


def save(saved: SavedView, *, by: Actor) -> bool:
    """Store a new view, or what was changed of one. False: it was deleted meanwhile."""
    try:
        with transaction.atomic():
            if saved._state.adding:
                saved.save(force_insert=True)
                _note(by, "create", saved, _words(saved))
                return True
            before = SavedView.objects.select_for_update().filter(pk=saved.pk).first()
            if before is None:
                return False
            if changes := _changes(before, saved):
                saved.save(force_update=True)
                _note(by, "change", saved, changes)
    except IntegrityError:
        raise NameTaken from None
    return True


def delete(saved: SavedView, *, by: Actor) -> None:
    with transaction.atomic():
        _note(by, "delete", saved, _words(saved))
        saved.delete()


def _words(saved: SavedView) -> list[str]:
    return [*(["shared"] if saved.is_shared else []), saved.query or "all runs"]


def _changes(before: SavedView, after: SavedView) -> list[str]:
    found = []
    if after.name != before.name:
        found.append(f"name was {before.name}")
    if after.is_shared != before.is_shared:
        found.append(f"shared {'on' if after.is_shared else 'off'}")
    if after.query != before.query:
        found.append(after.query or "all runs")
    return found


def _note(by: Actor, action: str, saved: SavedView, said: list[str]) -> None:
    AuditEntry.objects.note(by, action, ("view", saved.public_id), f"“{saved}”: {'; '.join(said)}")
