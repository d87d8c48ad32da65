"""The retention policy by the REST API, and what it comes to."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import Serializer

from retention.api import acts, examples
from retention.api.shapes import (
    ChangeRetentionSerializer,
    PutRetentionSerializer,
    RetentionPreviewSerializer,
    RetentionSerializer,
    TryOwnSerializer,
    TryRetentionSerializer,
)
from runs.api.views import ApiViewSet


class RetentionViewSet(ApiViewSet):
    """How long runs and their logs are kept."""

    permission = "runs.view_run"
    permissions = {
        "update": "runs.manage_retention",
        "partial_update": "runs.manage_retention",
    }
    serializer_class = RetentionSerializer
    pagination_class = None
    needed = ""

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        given = request.query_params.keys() & TryOwnSerializer().fields.keys()
        if self.action == "preview" and (request.method == "POST" or given):
            self.needed = acts.TRY
        super().initial(request, *args, **kwargs)

    @extend_schema(responses=RetentionSerializer, examples=[examples.POLICY])
    def retrieve(self, request: Request) -> Response:  # noqa: ARG002
        """The policy as it is."""
        self.refuse_unknown()
        return Response(self._shown(acts.current(self.now)))

    @extend_schema(
        request=PutRetentionSerializer, responses=RetentionSerializer, examples=[examples.PUT]
    )
    def update(self, request: Request) -> Response:
        """Replace the policy. Needs `confirm_deletion` where runs go for good sooner."""
        return self._changed(PutRetentionSerializer(data=request.data))

    @extend_schema(
        request=ChangeRetentionSerializer, responses=RetentionSerializer, examples=examples.CHANGES
    )
    def partial_update(self, request: Request) -> Response:
        """Change some of the policy; given workflows replace all that have days of their own."""
        return self._changed(ChangeRetentionSerializer(data=request.data))

    @extend_schema(
        methods=["get"],
        parameters=[TryOwnSerializer],
        responses=RetentionPreviewSerializer,
        examples=[examples.PREVIEW],
    )
    @extend_schema(
        methods=["post"],
        request=TryRetentionSerializer,
        responses=RetentionPreviewSerializer,
        examples=[examples.TRY, examples.PREVIEW],
    )
    @action(detail=False, methods=["get", "post"], serializer_class=TryRetentionSerializer)
    def preview(self, request: Request) -> Response:
        """What the next night does, and what it would do with other values. Nothing is saved.

        What is saved is previewed for whoever sees runs; other values only for who may save them.
        Runs are counted; events and bytes are estimated from a sample where they are many."""
        given: Serializer
        if request.method == "POST":
            given = TryRetentionSerializer(data=request.data)
        else:
            self.refuse_unknown(*TryOwnSerializer().fields)
            given = TryOwnSerializer(data=request.query_params.dict())
        given.is_valid(raise_exception=True)
        wanted = dict(given.validated_data)
        if request.method != "POST" and wanted.get("delete_days") == 0:
            wanted["delete_days"] = None
        return Response(acts.look(wanted, self.now))

    def _changed(self, given: Any) -> Response:
        given.is_valid(raise_exception=True)
        return Response(self._shown(acts.change(given.validated_data, by=self.actor, now=self.now)))

    def _shown(self, policy: dict[str, Any]) -> Any:
        return RetentionSerializer(policy).data
