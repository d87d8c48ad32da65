"""Saved views of the Runs list: one's own, and those that others share."""

from __future__ import annotations

from typing import Any

from django.db import transaction
from django.db.models import QuerySet
from django.http import QueryDict
from drf_spectacular.utils import extend_schema
from rest_framework.exceptions import NotFound, PermissionDenied, ValidationError
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.reverse import reverse

from runs import ids, saved_views
from runs.api import examples
from runs.api.pagination import ViewPages
from runs.api.problems import Conflict
from runs.api.serializers import (
    ChangeViewSerializer,
    MakeViewSerializer,
    SavedViewSerializer,
    StrictSerializer,
)
from runs.api.views import ApiViewSet
from runs.models import SavedView, User
from runs.saved_views import MOST_OWN
from runs.scopes import Scope
from runs.views.list_address import ListAddress

_GONE = "There is no such view, or it is no longer shared."


class SavedViewSet(ApiViewSet):
    """Named views of the Runs list by name: yours, and those that are shared."""

    permission = "runs.view_run"
    scopes = {
        "create": Scope.VIEWS,
        "partial_update": Scope.VIEWS,
        "destroy": Scope.VIEWS,
    }
    lookup_field = lookup_url_kwarg = "view_id"
    pagination_class = ViewPages
    serializer_class = SavedViewSerializer

    def get_queryset(self) -> QuerySet[SavedView]:
        return SavedView.objects.seen_by(self.request.user).select_related("owner")

    def get_object(self) -> SavedView:
        view_id = ids.decode("view", self.kwargs["view_id"])
        saved = self.get_queryset().filter(pk=view_id).first() if view_id else None
        if saved is None:
            raise NotFound(_GONE)
        return saved

    def list(self, request: Request) -> Response:  # noqa: ARG002
        """Views that you can open, by name."""
        self.refuse_unknown()
        page = self.paginate_queryset(self.get_queryset())
        return self.get_paginated_response(self._shown(page, many=True))

    def retrieve(self, request: Request, view_id: str) -> Response:  # noqa: ARG002
        """One view."""
        return Response(self._shown(self.get_object()))

    @extend_schema(
        request=MakeViewSerializer,
        responses={201: SavedViewSerializer},
        examples=[examples.VIEW],
    )
    def create(self, request: Request) -> Response:
        """Save a view. A token needs the scope `views`."""
        given = _given(MakeViewSerializer, request)
        if self._person.saved_views.count() >= MOST_OWN:
            raise Conflict(f"You keep {MOST_OWN} views already; delete one first.")
        saved = SavedView(owner=self._person)
        self._save(saved, given)
        place = reverse("api:view-detail", args=[saved.public_id], request=request)
        return Response(self._shown(saved), status=201, headers={"Location": place})

    @extend_schema(request=ChangeViewSerializer, responses=SavedViewSerializer)
    def partial_update(self, request: Request, view_id: str) -> Response:  # noqa: ARG002
        """Rename a view, give it another query, share it or not, make it your default or not.

        Others' shared views can be made one's default by everybody, and changed by who may."""
        saved, given = self.get_object(), _given(ChangeViewSerializer, request)
        if given.keys() - {"is_default"}:
            self._check_may_change(saved)
        self._save(saved, given)
        return Response(self._shown(saved))

    @extend_schema(responses={204: None})
    def destroy(self, request: Request, view_id: str) -> Response:  # noqa: ARG002
        """Delete a view; no run is touched."""
        saved = self.get_object()
        self._check_may_change(saved)
        saved_views.delete(saved, by=self.actor)
        return Response(status=204)

    # ----------------------------------------------------------------------------------------

    @property
    def _person(self) -> User:
        user = self.request.user
        assert isinstance(user, User)  # by the permission class
        return user

    def _shown(self, found: Any, *, many: bool = False) -> Any:
        context = {**self.get_serializer_context(), "default": self._person.default_view_id}
        return SavedViewSerializer(found, many=many, context=context).data

    def _check_may_change(self, saved: SavedView) -> None:
        if not saved.can_be_changed_by(self._person):
            raise PermissionDenied("Only its owner or an administrator changes a view.")

    def _save(self, saved: SavedView, given: dict[str, Any]) -> None:
        if "query" in given:
            saved.query = _query(given["query"])
        saved.name = given.get("name", saved.name)
        saved.is_shared = given.get("is_shared", saved.is_shared)
        is_default = given.get("is_default")
        try:
            with transaction.atomic():
                if not saved_views.save(saved, by=self.actor):
                    raise NotFound(_GONE)
                if is_default is not None:
                    self._set_default(saved, is_default)
        except saved_views.NameTaken:
            raise Conflict(f"There is a view “{saved.name}” already.") from None

    def _set_default(self, saved: SavedView, is_default: bool) -> None:
        person = self._person
        if not is_default and person.default_view_id != saved.pk:
            return
        person.default_view = saved if is_default else None
        person.save(update_fields=["default_view"])


def _given(serializer: type[StrictSerializer], request: Request) -> dict[str, Any]:
    given = serializer(data=request.data)
    given.is_valid(raise_exception=True)
    return dict(given.validated_data)


def _query(text: str) -> str:
    address, errors = ListAddress.parse(QueryDict(text.removeprefix("?")))
    if errors:
        raise ValidationError({"query": list(errors.values())})
    return address.query()
