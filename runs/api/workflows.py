"""Workflows, their versions, and starting runs of them."""

from __future__ import annotations

import uuid
from typing import Any

from django.db.models import QuerySet
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.reverse import reverse

from runs import idempotency, workflow_state
from runs.api import examples, workflow_acts
from runs.api.acts import find_workflow, shown_workflows, start
from runs.api.keys import KEY, REPEATED, key_of
from runs.api.pagination import VersionPages, WorkflowPages
from runs.api.problems import KeyReused
from runs.api.serializers import (
    LimitSerializer,
    MakeVersionSerializer,
    MakeWorkflowSerializer,
    ReasonSerializer,
    RunDetailSerializer,
    StartSerializer,
    VersionDetailSerializer,
    VersionSerializer,
    WorkflowDetailSerializer,
    WorkflowSerializer,
)
from runs.api.views import LOCATION, ApiViewSet
from runs.models import User, Workflow

_PAUSED = OpenApiParameter(
    "Workflow-Paused", bool, OpenApiParameter.HEADER, response=[201],
    description="true: the run starts when the workflow is resumed.",
)  # fmt: skip
_NUMBER = OpenApiParameter("number", OpenApiTypes.INT, OpenApiParameter.PATH)
_PLACE = OpenApiParameter(
    "Location", response=[201], location=OpenApiParameter.HEADER, description="What is new."
)


class WorkflowViewSet(ApiViewSet):
    """Workflows by id."""

    permission = "runs.view_workflow"
    permissions = {
        "start": "runs.execute_workflow",
        "create": "runs.add_workflow",
        "publish": "runs.change_workflow",
        "pause": "runs.change_workflow",
        "resume": "runs.change_workflow",
        "limit": "runs.change_workflow",
    }
    lookup_field = lookup_url_kwarg = "slug"
    pagination_class = WorkflowPages
    serializer_class = WorkflowSerializer

    def get_queryset(self) -> QuerySet[Workflow]:
        return shown_workflows()

    def get_object(self) -> Workflow:
        return find_workflow(self.kwargs["slug"])

    def list(self, request: Request) -> Response:  # noqa: ARG002
        """Workflows in the order of their ids."""
        self.refuse_unknown()
        page = self.paginate_queryset(self.get_queryset())
        return self.get_paginated_response(self.get_serializer(page, many=True).data)

    @extend_schema(responses=WorkflowDetailSerializer)
    def retrieve(self, request: Request, slug: str) -> Response:  # noqa: ARG002
        """A workflow with its newest definition and its versions, the newest 200 at most."""
        return Response(self._detail(slug))

    @extend_schema(
        request=MakeWorkflowSerializer,
        responses={201: WorkflowDetailSerializer},
        parameters=[_PLACE],
        examples=[examples.WORKFLOW],
    )
    def create(self, request: Request) -> Response:
        """A new workflow with its first version. A token needs the scope `workflows`."""
        given = _checked(MakeWorkflowSerializer, request)
        workflow_acts.create(given, by=self._person)
        place = reverse("api:workflow-detail", args=[given["id"]], request=request)
        shown = self._detail(given["id"])
        return Response(shown, status=201, headers={"Location": place})

    # -- Versions ----------------------------------------------------------------------------

    @extend_schema(responses=VersionSerializer(many=True))
    @action(detail=True, pagination_class=VersionPages, serializer_class=VersionSerializer)
    def versions(self, request: Request, slug: str) -> Response:  # noqa: ARG002
        """The workflow's versions, newest first."""
        self.refuse_unknown()
        page = self.paginate_queryset(workflow_acts.versions_of(slug))
        return self.get_paginated_response(VersionSerializer(page, many=True).data)

    @extend_schema(
        request=MakeVersionSerializer,
        responses={200: VersionDetailSerializer, 201: VersionDetailSerializer},
        parameters=[_PLACE],
        examples=[examples.VERSION],
    )
    @versions.mapping.post
    def publish(self, request: Request, slug: str) -> Response:
        """Publish a definition: 201 with the new version, or 200 with the newest one where the
        definition is no other than that."""
        self.get_object()
        given = _checked(MakeVersionSerializer, request)
        version, is_new = workflow_acts.publish(slug, given, by=self._person)
        place = reverse("api:workflow-version", args=[slug, version.number], request=request)
        headers = {"Location": place} if is_new else {}
        shown = VersionDetailSerializer(version).data
        return Response(shown, status=201 if is_new else 200, headers=headers)

    @extend_schema(parameters=[_NUMBER])
    @action(
        detail=True,
        url_path="versions/<int:number>",
        pagination_class=None,
        serializer_class=VersionDetailSerializer,
    )
    def version(self, request: Request, slug: str, number: int) -> Response:  # noqa: ARG002
        """One version as it was published; it never changes."""
        found = workflow_acts.version_of(slug, number)
        return Response(VersionDetailSerializer(found).data)

    # -- What its runs wait for ---------------------------------------------------------------

    @extend_schema(responses=WorkflowSerializer, examples=[examples.REASON])
    @action(detail=True, methods=["post"], serializer_class=ReasonSerializer)
    def pause(self, request: Request, slug: str) -> Response:
        """Let queued runs wait, and those that are started while it is paused; active runs go on.

        A workflow that is paused already stays as it is."""
        workflow, reason = self.get_object(), self.checked(request)["reason"]
        workflow_state.pause(workflow, by=self.actor, reason=reason, now=self.now)
        return self._state(slug)

    @extend_schema(responses=WorkflowSerializer, examples=[examples.REASON])
    @action(detail=True, methods=["post"], serializer_class=ReasonSerializer)
    def resume(self, request: Request, slug: str) -> Response:
        """Let queued runs start again, in the order of their creation."""
        reason = self.checked(request)["reason"]
        workflow_state.resume(self.get_object(), by=self.actor, reason=reason)
        return self._state(slug)

    @extend_schema(responses=WorkflowSerializer, examples=[examples.LIMIT])
    @action(detail=True, methods=["post"], serializer_class=LimitSerializer)
    def limit(self, request: Request, slug: str) -> Response:
        """Say how many runs may be active at once; the others wait, queued, in their order."""
        workflow, given = self.get_object(), self.checked(request)
        reason = given["reason"]
        workflow_state.limit(workflow, given["max_active"], by=self.actor, reason=reason)
        return self._state(slug)

    def _state(self, slug: str) -> Response:
        shown = WorkflowSerializer(find_workflow(slug), context=self.get_serializer_context())
        return Response(shown.data)

    # -- Runs --------------------------------------------------------------------------------

    @extend_schema(
        responses={201: RunDetailSerializer},
        parameters=[KEY, LOCATION, REPEATED, _PAUSED],
        examples=[examples.START],
    )
    @action(detail=True, methods=["post"], url_path="runs", serializer_class=StartSerializer)
    def start(self, request: Request, slug: str) -> Response:
        """Start a run. One whose input breaks the workflow's schema is recorded as failed.

        While the workflow is paused the run is taken and waits, queued: the answer then has the
        header `Workflow-Paused`."""
        workflow, given, key = self.get_object(), self.checked(request), key_of(request)

        def act() -> tuple[uuid.UUID, dict[str, Any]]:
            run = start(workflow, given, by=self.actor, now=self.now)
            return run.pk, self.shown_run(run.pk)

        paused = {"Workflow-Paused": "true"} if workflow.is_paused else {}
        if key is None:
            return self.answered(act()[1], 201, **paused)
        asked = [slug, given]
        try:
            answer = idempotency.once(self._person.public_id, key, asked, act, now=self.now)
        except idempotency.Mismatch:
            raise KeyReused from None
        repeated = {"Idempotency-Replayed": "true"} if answer.is_repeated else {}
        return self.answered(answer.shown, 201, **repeated, **paused)

    # ----------------------------------------------------------------------------------------

    @property
    def _person(self) -> User:
        user = self.request.user
        assert isinstance(user, User)  # by the permission class
        return user

    def _detail(self, slug: str) -> dict[str, Any]:
        context = self.get_serializer_context()
        return WorkflowDetailSerializer(workflow_acts.detailed(slug), context=context).data


def _checked(serializer: type, request: Request) -> dict[str, Any]:
    given = serializer(data=request.data)
    given.is_valid(raise_exception=True)
    return given.validated_data
