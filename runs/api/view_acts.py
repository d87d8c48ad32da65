"""Saved views of the Runs list as all APIs find and change them, and why one cannot be."""

from __future__ import annotations

from typing import Any

from django.db import transaction
from django.db.models import QuerySet
from django.http import QueryDict
from rest_framework.exceptions import NotFound, PermissionDenied, ValidationError

from runs import ids, saved_views
from runs.api.problems import Conflict
from runs.models import SavedView, User
from runs.saved_views import MOST_OWN
from runs.views.list_address import ListAddress

_GONE = "There is no such view, or it is no longer shared."


def seen_views(person: User) -> QuerySet[SavedView]:
    return SavedView.objects.seen_by(person).select_related("owner")


def find_view(public_id: str, person: User) -> SavedView:
    view_id = ids.decode("view", public_id)
    saved = seen_views(person).filter(pk=view_id).first() if view_id else None
    if saved is None:
        raise NotFound(_GONE)
    return saved


def create(given: dict[str, Any], *, by: User) -> SavedView:
    """`given` is what MakeViewSerializer takes."""
    if by.saved_views.count() >= MOST_OWN:
        raise Conflict(f"You keep {MOST_OWN} views already; delete one first.")
    saved = SavedView(owner=by)
    _save(saved, given, by)
    return saved


def change(saved: SavedView, given: dict[str, Any], *, by: User) -> None:
    """`given` is what ChangeViewSerializer takes."""
    if given.keys() - {"is_default"}:
        _check_may_change(saved, by)
    _save(saved, given, by)


def delete(saved: SavedView, *, by: User) -> None:
    _check_may_change(saved, by)
    saved_views.delete(saved, by=by.as_actor())


def _check_may_change(saved: SavedView, person: User) -> None:
    if not saved.can_be_changed_by(person):
        raise PermissionDenied("Only its owner or an administrator changes a view.")


def _save(saved: SavedView, given: dict[str, Any], person: User) -> None:
    if "query" in given:
        saved.query = _query(given["query"])
    saved.name = given.get("name", saved.name)
    saved.is_shared = given.get("is_shared", saved.is_shared)
    is_default = given.get("is_default")
    try:
        with transaction.atomic():
            if not saved_views.save(saved, by=person.as_actor()):
                raise NotFound(_GONE)
            if is_default is not None:
                _set_default(saved, is_default, person)
    except saved_views.NameTaken:
        raise Conflict(f"There is a view “{saved.name}” already.") from None


def _set_default(saved: SavedView, is_default: bool, person: User) -> None:
    if not is_default and person.default_view_id != saved.pk:
        return
    person.default_view = saved if is_default else None
    person.save(update_fields=["default_view"])


def _query(text: str) -> str:
    address, errors = ListAddress.parse(QueryDict(text.removeprefix("?")))
    if errors:
        raise ValidationError({"query": list(errors.values())})
    return address.query()
