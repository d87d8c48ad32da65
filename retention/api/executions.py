"""Executions over REST: what retention did and does, begun and aborted by hand."""

from __future__ import annotations

import uuid
from typing import Any, cast

from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.decorators import action
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from retention import executions
from retention.api import execution_acts, execution_shapes
from retention.api.execution_acts import FindingPages
from retention.models import Execution, Finding
from retention.models.execution import ExecutionKind, ExecutionState
from runs import idempotency
from runs.api.keys import KEY, REPEATED, key_of
from runs.api.pagination import CreatedPages
from runs.api.problems import KeyReused
from runs.api.serializers import ReasonSerializer
from runs.api.views import ApiViewSet
from runs.models import User

_PLACE = OpenApiParameter(
    "Location", response=[202], location=OpenApiParameter.HEADER, description="The execution."
)


class ExecutionViewSet(ApiViewSet):
    """What carries the policy out: nights, orphan sweeps, integrity checks, and dry runs."""

    permission = executions.PERMISSION
    lookup_field = lookup_url_kwarg = "execution_id"
    pagination_class = CreatedPages
    serializer_class = execution_shapes.ExecutionSerializer
    queryset = Execution.objects.none()

    @extend_schema(
        parameters=[
            OpenApiParameter("kind", enum=ExecutionKind.values, description="Only of this kind."),
            OpenApiParameter(
                "state", enum=ExecutionState.values, description="Only in this state."
            ),
        ]
    )
    def list(self, request: Request) -> Response:
        """Executions, newest first."""
        self.refuse_unknown("kind", "state")
        rows = Execution.objects.all()
        for name, choices in (("kind", ExecutionKind.values), ("state", ExecutionState.values)):
            if (value := request.query_params.get(name)) is not None:
                if value not in choices:
                    raise ValidationError({name: [f"One of {', '.join(choices)}."]})
                rows = rows.filter(**{name: value})
        page = self.paginate_queryset(rows)
        return self.get_paginated_response(self.get_serializer(page, many=True).data)

    def retrieve(self, request: Request, execution_id: str) -> Response:  # noqa: ARG002
        """One execution: how far it has come, and what it did."""
        return Response(self._shown(execution_acts.find(execution_id)))

    @extend_schema(
        request=execution_shapes.BeginExecutionSerializer,
        responses={202: execution_shapes.ExecutionSerializer},
        parameters=[KEY, _PLACE, REPEATED],
    )
    def create(self, request: Request) -> Response:
        """Begin one now: `archive` does what a night does, `sweep` compares storage with the
        database both ways, `check` reads archived logs again. It is carried out by workers."""
        serializer = execution_shapes.BeginExecutionSerializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        given = serializer.validated_data

        def made() -> tuple[uuid.UUID, dict[str, Any]]:
            execution = execution_acts.begin(given, by=self.actor, now=self.now)
            return execution.pk, self._shown(execution)

        headers: dict[str, str] = {}
        if (key := key_of(request)) is None:
            shown = made()[1]
        else:
            caller = cast(User, request.user).public_id
            try:
                shown, is_repeated = idempotency.once(
                    caller, key, ["retention", given], made, now=self.now
                )
            except idempotency.Mismatch:
                raise KeyReused from None
            if is_repeated:
                headers["Idempotency-Replayed"] = "true"
        return Response(shown, status=202, headers={"Location": shown["url"], **headers})

    @extend_schema(request=ReasonSerializer)
    @action(detail=True, methods=["post"])
    def abort(self, request: Request, execution_id: str) -> Response:
        """End it; what is done stays done, and what is left is due again in the next night."""
        execution_acts.find(execution_id)
        serializer = ReasonSerializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        reason = serializer.validated_data["reason"]
        found = execution_acts.abort(execution_id, reason, by=self.actor, now=self.now)
        return Response(self._shown(found))

    @extend_schema(responses=execution_shapes.FindingSerializer(many=True))
    @action(
        detail=True,
        pagination_class=FindingPages,
        serializer_class=execution_shapes.FindingSerializer,
    )
    def findings(self, request: Request, execution_id: str) -> Response:  # noqa: ARG002
        """What it met that a person should know, in the order in which it did."""
        self.refuse_unknown()
        rows = Finding.objects.filter(execution=execution_acts.find(execution_id))
        page = self.paginate_queryset(rows)
        return self.get_paginated_response(self.get_serializer(page, many=True).data)

    def _shown(self, execution: Execution) -> dict[str, Any]:
        return execution_shapes.shown(execution, self.get_serializer_context())
