"""Saved views of the Runs list: one's own, and those that others share."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.reverse import reverse

from runs.api import examples, view_acts
from runs.api.pagination import ViewPages
from runs.api.serializers import (
    ChangeViewSerializer,
    MakeViewSerializer,
    SavedViewSerializer,
    StrictSerializer,
)
from runs.api.views import ApiViewSet
from runs.models import SavedView, User
from runs.scopes import Scope


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
        return view_acts.seen_views(self._person)

    def get_object(self) -> SavedView:
        return view_acts.find_view(self.kwargs["view_id"], self._person)

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
        saved = view_acts.create(given, by=self._person)
        place = reverse("api:view-detail", args=[saved.public_id], request=request)
        return Response(self._shown(saved), status=201, headers={"Location": place})

    @extend_schema(request=ChangeViewSerializer, responses=SavedViewSerializer)
    def partial_update(self, request: Request, view_id: str) -> Response:  # noqa: ARG002
        """Rename a view, give it another query, share it or not, make it your default or not.

        Others' shared views can be made one's default by everybody, and changed by who may."""
        saved, given = self.get_object(), _given(ChangeViewSerializer, request)
        view_acts.change(saved, given, by=self._person)
        return Response(self._shown(saved))

    @extend_schema(responses={204: None})
    def destroy(self, request: Request, view_id: str) -> Response:  # noqa: ARG002
        """Delete a view; no run is touched."""
        view_acts.delete(self.get_object(), by=self._person)
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


def _given(serializer: type[StrictSerializer], request: Request) -> dict[str, Any]:
    given = serializer(data=request.data)
    given.is_valid(raise_exception=True)
    return dict(given.validated_data)
