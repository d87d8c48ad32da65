"""The REST resources: runs and workflows."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from datetime import datetime
from typing import Any, ClassVar, cast

from django.db.models import Case, Count, IntegerField, Max, OuterRef, QuerySet, Subquery, When
from django.db.models.functions import Coalesce
from django.utils import timezone
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.decorators import action
from rest_framework.exceptions import NotFound, ValidationError
from rest_framework.pagination import BasePagination
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.reverse import reverse
from rest_framework.routers import APIRootView
from rest_framework.viewsets import GenericViewSet

from runs import ids, lifecycle
from runs.actors import Actor
from runs.api.pagination import EventPages, RunPages, WorkflowPages
from runs.api.problems import Conflict, LengthRequired, WrongState
from runs.api.serializers import (
    ContextSerializer,
    EventQuerySerializer,
    EventSerializer,
    JobSerializer,
    ReasonSerializer,
    RunSerializer,
    StartSerializer,
    WorkflowDetailSerializer,
    WorkflowSerializer,
)
from runs.context import context_of, job_of
from runs.filters import FilterForm, RunFilter
from runs.live import public_event
from runs.models import Attempt, Event, Run, User, Workflow, WorkflowVersion
from runs.querysets import RunQuerySet
from runs.states import FINAL_STATES, AttemptStatus, Trigger
from runs.timeouts import statement_timeout

# Seconds that PostgreSQL may spend on a page of the list.
LIST_SECONDS = 5.0
# Versions of a workflow that its page lists, newest first.
MAX_VERSIONS = 200

_FILTERS = [
    OpenApiParameter(
        name,
        description=str(field.help_text),
        enum=[str(key) for key, _ in getattr(field, "choices", ())] or None,
    )
    for name, field in FilterForm.base_fields.items()
]
_LOCATION = OpenApiParameter(
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
        pager = cast(BasePagination, self.paginator)
        pages = {each["name"] for each in pager.get_schema_operation_parameters(self)}
        pages.add(self.settings.URL_FORMAT_OVERRIDE)
        if unknown := self.request.query_params.keys() - pages - set(known):
            raise ValidationError(
                {name[:64]: ["There is no such parameter."] for name in sorted(unknown)[:10]}
            )

    def checked(self, request: Request) -> dict[str, Any]:
        """The request's body, checked by the action's serializer."""
        serializer = self.get_serializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        return serializer.validated_data

    def run_response(self, run_id: uuid.UUID, status: int = 200) -> Response:
        run = shown_runs().get(pk=run_id)
        data = RunSerializer(run, context=self.get_serializer_context()).data
        if status != 201:
            return Response(data, status=status)
        place = reverse("api:run-detail", args=[run.public_id], request=self.request)
        return Response(data, status=status, headers={"Location": place})


def shown_runs() -> RunQuerySet:
    """Runs with all that their serializer shows."""
    running = Attempt.objects.filter(run=OuterRef("pk"), status=AttemptStatus.RUNNING).order_by()
    count = Subquery(running.values("run").annotate(count=Count("pk")).values("count"))
    draining = Case(
        When(state__in=FINAL_STATES, then=Coalesce(count, 0)),
        default=0,
        output_field=IntegerField(),
    )
    runs = Run.objects.select_related("workflow", "version").defer("version__definition")
    return runs.annotate(draining=draining)


class RunViewSet(ApiViewSet):
    """Runs, newest first. A run keeps its id, its job and its whole history."""

    permission = "runs.view_run"
    permissions = {"retry": "runs.retry_run", "terminate": "runs.terminate_run"}
    lookup_field = lookup_url_kwarg = "run_id"
    pagination_class = RunPages
    serializer_class = RunSerializer

    def get_queryset(self) -> RunQuerySet:
        return shown_runs()

    def get_object(self) -> Run:
        run_id = ids.decode("run", self.kwargs["run_id"])
        run = self.get_queryset().filter(pk=run_id).first() if run_id else None
        if run is None:
            raise NotFound(f"There is no run “{self.kwargs['run_id']}”.")
        return run

    @extend_schema(parameters=_FILTERS)
    def list(self, request: Request) -> Response:
        self.refuse_unknown(*FilterForm.base_fields)
        wanted, errors = RunFilter.parse(request.query_params)
        if errors:
            raise ValidationError({name: [message] for name, message in errors.items()})
        with statement_timeout(LIST_SECONDS):
            page = self.paginate_queryset(wanted.apply(self.get_queryset(), self.now))
        return self.get_paginated_response(self.get_serializer(page, many=True).data)

    def retrieve(self, request: Request, run_id: str) -> Response:  # noqa: ARG002
        return Response(self.get_serializer(self.get_object()).data)

    @action(detail=True, serializer_class=JobSerializer)
    def job(self, request: Request, run_id: str) -> Response:  # noqa: ARG002
        """The scheduler's handle on the run."""
        return Response(job_of(self.get_object()))

    @action(detail=True, serializer_class=ContextSerializer)
    def context(self, request: Request, run_id: str) -> Response:  # noqa: ARG002
        """What went into the run and its nodes, and what came out."""
        return Response(context_of(self.get_object()))

    @extend_schema(responses=EventSerializer(many=True), parameters=[EventQuerySerializer])
    @action(detail=True, pagination_class=EventPages, serializer_class=EventSerializer)
    def events(self, request: Request, run_id: str) -> Response:  # noqa: ARG002
        """The run's history in order; the live stream shows events in the same shape."""
        self.refuse_unknown("kind", "node")
        query = EventQuerySerializer(data=request.query_params)
        query.is_valid(raise_exception=True)
        events = Event.objects.filter(run=self.get_object().pk)
        if kinds := query.validated_data.get("kind"):
            events = events.filter(kind__in=kinds)
        if node := query.validated_data.get("node"):
            events = events.filter(node=node)
        page = self.paginate_queryset(events) or []
        return self.get_paginated_response([public_event(event) for event in page])

    @extend_schema(responses={201: RunSerializer}, parameters=[_LOCATION])
    @action(detail=True, methods=["post"], serializer_class=ReasonSerializer)
    def retry(self, request: Request, run_id: str) -> Response:  # noqa: ARG002
        """A new run with a failed one's version and input."""
        return self.run_response(self._done(lifecycle.retry, request), status=201)

    @extend_schema(responses=RunSerializer)
    @action(detail=True, methods=["post"], serializer_class=ReasonSerializer)
    def terminate(self, request: Request, run_id: str) -> Response:  # noqa: ARG002
        """Ends a queued or active run at once; nodes in flight finish what they are doing."""
        return self.run_response(self._done(lifecycle.terminate, request))

    def _done(self, act: Callable[..., lifecycle.Outcome], request: Request) -> uuid.UUID:
        """Do it to the one run; gives the run that came of it."""
        run, reason = self.get_object(), self.checked(request)["reason"]
        outcome = act(Run.objects.filter(pk=run.pk), by=self.actor, reason=reason, now=self.now)
        if run.pk not in outcome.done:
            # As it is now: it may have changed since it was asked for.
            why = outcome.skipped.get(run.pk, "nothing was done")
            raise _refusal(self.get_object(), why, tried=act.__name__)
        return outcome.done[run.pk]


def _refusal(run: Run, why: str, tried: str) -> WrongState:
    """Why the run's state stands against an act, and what can be done instead."""
    if run.is_elsewhere:
        return WrongState(f"{why[0].upper()}{why[1:]}.", run.state, [])
    if run.can_retry and tried != "retry":
        actions, words = ["retry", "start"], "It can be retried."
    elif run.can_terminate:
        actions, words = ["terminate"], "It can be terminated."
    else:
        actions, words = ["start"], "Its workflow can be started again."
    return WrongState(f"{why[0].upper()}{why[1:]}. {words}", run.state, actions)


class WorkflowViewSet(ApiViewSet):
    """Workflows by id."""

    permission = "runs.view_workflow"
    permissions = {"start": "runs.execute_workflow"}
    lookup_field = lookup_url_kwarg = "slug"
    pagination_class = WorkflowPages
    serializer_class = WorkflowSerializer

    def get_queryset(self) -> QuerySet[Workflow]:
        newest = (
            WorkflowVersion.objects.filter(workflow=OuterRef("pk"))
            .order_by()
            .values("workflow")
            .annotate(newest=Max("number"))
            .values("newest")
        )
        return Workflow.objects.annotate(newest=Subquery(newest))

    def get_object(self) -> Workflow:
        workflow = self.get_queryset().filter(slug=self.kwargs["slug"]).first()
        if workflow is None:
            raise NotFound(f"There is no workflow “{self.kwargs['slug']}”.")
        return workflow

    def list(self, request: Request) -> Response:  # noqa: ARG002
        self.refuse_unknown()
        page = self.paginate_queryset(self.get_queryset())
        return self.get_paginated_response(self.get_serializer(page, many=True).data)

    @extend_schema(responses=WorkflowDetailSerializer)
    def retrieve(self, request: Request, slug: str) -> Response:  # noqa: ARG002
        """A workflow with its newest definition and its versions."""
        workflow: Any = self.get_object()
        versions = workflow.versions.order_by("-number")
        newest = versions.filter(number=workflow.newest)
        workflow.definition = newest.values_list("definition", flat=True).first()
        listed = versions.defer("definition").select_related("created_by")
        workflow.versions_shown = listed[:MAX_VERSIONS]
        context = self.get_serializer_context()
        return Response(WorkflowDetailSerializer(workflow, context=context).data)

    @extend_schema(responses={201: RunSerializer}, parameters=[_LOCATION])
    @action(detail=True, methods=["post"], url_path="runs", serializer_class=StartSerializer)
    def start(self, request: Request, slug: str) -> Response:  # noqa: ARG002
        """Start a run. One whose input breaks the workflow's schema is recorded as failed."""
        workflow, given = self.get_object(), self.checked(request)
        run = lifecycle.start(
            self._version(workflow, given["version"]),
            given["input"],
            trigger=Trigger.API,
            by=self.actor,
            ref_type=given["ref_type"],
            ref_id=given["ref_id"],
            now=self.now,
        )
        return self.run_response(run.pk, status=201)

    def _version(self, workflow: Any, number: int | None) -> WorkflowVersion:
        if workflow.newest is None:
            raise Conflict("The workflow has no version yet.")
        wanted = number or workflow.newest
        version = workflow.versions.filter(number=wanted).select_related("workflow").first()
        if version is None:
            message = f"There is no version {number}; the newest is {workflow.newest}."
            raise ValidationError({"version": [message]})
        return version
