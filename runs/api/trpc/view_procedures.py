"""Saved views of the Runs list: one's own, and those that others share."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers
from rest_framework.exceptions import ValidationError

from runs.api import view_acts
from runs.api.pagination import ViewPages
from runs.api.serializers import ChangeViewSerializer, MakeViewSerializer, SavedViewSerializer
from runs.api.trpc.procedure import Asking, Procedure
from runs.api.trpc.shapes import ID_LENGTH, Input, limit, word
from runs.models import SavedView
from runs.scopes import Scope


class ViewsInput(Input):
    limit = limit(ViewPages)
    after = word(help_text="The last given view's id: the list goes on behind it.")


class ViewInput(Input):
    id = serializers.CharField(max_length=ID_LENGTH, help_text="The view's id.")


class MakeViewInput(MakeViewSerializer, Input):
    pass


class ChangeViewInput(ChangeViewSerializer, ViewInput):
    pass


class DeletedViewSerializer(serializers.Serializer):
    id = serializers.CharField(help_text="The id of the view that is no more.")


def list_views(asking: Asking, given: dict[str, Any]) -> Any:
    seen = view_acts.seen_views(asking.person)
    try:
        page = ViewPages().page_at(seen, "after", given.get("after", ""))
    except ValueError:
        raise ValidationError({"after": ["This is no id of a view."]}) from None
    return _shown(asking, page[: given["limit"]], many=True)


def get_view(asking: Asking, given: dict[str, Any]) -> Any:
    return _shown(asking, view_acts.find_view(given["id"], asking.person))


def create_view(asking: Asking, given: dict[str, Any]) -> Any:
    return _shown(asking, view_acts.create(given, by=asking.person))


def update_view(asking: Asking, given: dict[str, Any]) -> Any:
    saved = view_acts.find_view(given.pop("id"), asking.person)
    view_acts.change(saved, given, by=asking.person)
    return _shown(asking, saved)


def delete_view(asking: Asking, given: dict[str, Any]) -> dict[str, str]:
    saved: SavedView = view_acts.find_view(given["id"], asking.person)
    public_id = saved.public_id
    view_acts.delete(saved, by=asking.person)
    return {"id": public_id}


def _shown(asking: Asking, found: Any, *, many: bool = False) -> Any:
    context = {**asking.context, "default": asking.person.default_view_id}
    return SavedViewSerializer(found, many=many, context=context).data


PROCEDURES = (
    Procedure(
        "views.list", "query", "runs.view_run", ViewsInput, SavedViewSerializer, list_views,
        gives_many=True, says="Saved views of the list by name: yours, and those that are shared.",
    ),
    Procedure(
        "views.get", "query", "runs.view_run", ViewInput, SavedViewSerializer, get_view,
        says="One view.",
    ),
    Procedure(
        "views.create", "mutation", "runs.view_run", MakeViewInput, SavedViewSerializer,
        create_view, scope=Scope.VIEWS, says="Saves a view.",
    ),
    Procedure(
        "views.update", "mutation", "runs.view_run", ChangeViewInput, SavedViewSerializer,
        update_view, scope=Scope.VIEWS,
        says="Changes what is named of a view; anybody may make a shared one the own default.",
    ),
    Procedure(
        "views.delete", "mutation", "runs.view_run", ViewInput, DeletedViewSerializer,
        delete_view, scope=Scope.VIEWS, says="Deletes a view; no run is touched.",
    ),
)  # fmt: skip
