"""What the REST resources share."""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import Any, ClassVar, cast

from django.utils import timezone
from drf_spectacular.utils import OpenApiParameter
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.reverse import reverse
from rest_framework.routers import APIRootView
from rest_framework.viewsets import GenericViewSet

from runs.actors import Actor
from runs.api.acts import shown_runs
from runs.api.problems import LengthRequired
from runs.api.serializers import RunDetailSerializer
from runs.models import User

LOCATION = OpenApiParameter(
    "Location", response=[201], location=OpenApiParameter.HEADER, description="The new run."
)


class IndexView(APIRootView):
    """Where the resources are."""

    permission = "runs.view_run"


class ApiViewSet(GenericViewSet):
    """What all views share. A view says which permission it needs, and which else for an action."""

    permission: ClassVar[str]
    permissions: ClassVar[dict[str, str]] = {}
    lookup_value_converter = "slug"
    now: datetime

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        self.now = timezone.now()
        super().initial(request, *args, **kwargs)
        # The framework takes such a body for an empty one: a reason or an input would get lost.
        if "Transfer-Encoding" in request.headers and not request.META.get("CONTENT_LENGTH"):
            raise LengthRequired

    @property
    def actor(self) -> Actor:
        return cast(User, self.request.user).as_actor()

    def get_serializer_context(self) -> dict[str, Any]:
        return {**super().get_serializer_context(), "now": self.now}

    def refuse_unknown(self, *known: str) -> None:
        """A mistyped filter must not pass for none."""
        pager = self.paginator
        own = pager.get_schema_operation_parameters(self) if pager else []
        pages = {each["name"] for each in own}
        pages.add(self.settings.URL_FORMAT_OVERRIDE)
        if unknown := self.request.query_params.keys() - pages - set(known):
            raise ValidationError(
                {name[:64]: ["There is no such parameter."] for name in sorted(unknown)[:10]}
            )
        given = self.request.query_params
        if empty := [name for name in known if given.get(name) == "" and name != "fields"]:
            raise ValidationError({name: ["Leave it out, or give it a value."] for name in empty})

    def checked(self, request: Request) -> dict[str, Any]:
        """The request's body, checked by the action's serializer."""
        serializer = self.get_serializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        return serializer.validated_data

    @property
    def run_pages(self) -> str:
        """What the address of a run's page begins with."""
        return self.request.build_absolute_uri(reverse("admin:runs_run_changelist"))

    def shown_run(self, run_id: uuid.UUID) -> dict[str, Any]:
        run = shown_runs().get(pk=run_id)
        return RunDetailSerializer(run, context=self.get_serializer_context()).data

    def run_response(self, run_id: uuid.UUID, status: int = 200) -> Response:
        return self.answered(self.shown_run(run_id), status)

    def answered(self, shown: dict[str, Any], status: int, **headers: str) -> Response:
        """A run; of one that is new, also where it is."""
        if status == 201:
            headers["Location"] = reverse(
                "api:run-detail", args=[shown["id"]], request=self.request
            )
        return Response(shown, status=status, headers=headers)
