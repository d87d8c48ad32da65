"""“Run”: start a run by hand, with an input that is checked before anything is recorded."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect
from django.urls import reverse

from runs import ids, input_schema, json_text, lifecycle
from runs.definitions import graph_of
from runs.graph import DefinitionError
from runs.input_schema import Violation
from runs.models import Event, Run, Workflow, WorkflowVersion
from runs.payload import PayloadError, bounded
from runs.states import Trigger
from runs.views.workflow_base import WorkflowView, version_of
from runs.views.workflow_list import runs_url

logger = logging.getLogger(__name__)

# Versions that the form offers; an older one is chosen on its own page.
VERSIONS_OFFERED = 50
MAX_VIOLATIONS = 20


@dataclass(frozen=True, slots=True)
class Input:
    """An input as it was written, its value, and why it cannot be started with."""

    text: str
    value: Any = None
    # It is no JSON or too large; then it was not held against the schema.
    refusal: str = ""
    line: int | None = None
    column: int | None = None
    violations: tuple[Violation, ...] = ()

    @property
    def is_sound(self) -> bool:
        return not self.refusal and not self.violations


def read_input(text: str, schema: Any) -> Input:
    text = text.replace("\r\n", "\n")
    limit = settings.ENGINE_PAYLOAD_BYTES
    # A text may be longer than what it says, but hardly by this much: parse nothing so large.
    if len(text.encode("utf-8", "replace")) > 2 * limit:
        return Input(text, refusal=f"The input is far longer than the limit of {limit:,} bytes.")
    try:
        value = json_text.read(text)
        bounded(value, limit, "The input")
    except json_text.JsonError as error:
        if error.line:
            refusal = f"The input is not JSON: {error}."
        else:
            refusal = f"The input cannot be stored: {error}."
        return Input(text, refusal=refusal, line=error.line, column=error.column)
    except PayloadError as error:
        return Input(text, refusal=f"{error}.")
    return Input(
        text, value, violations=tuple(input_schema.violations(schema, value, MAX_VIOLATIONS))
    )


class RunWorkflow(WorkflowView):
    permission_required = ("runs.view_workflow", "runs.execute_workflow")
    http_method_names = ["get", "head", "options", "post"]

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        try:
            return super().dispatch(request, *args, **kwargs)
        except DefinitionError as error:  # a version from before a rule was added
            logger.warning("run of %s refused: %s", kwargs["slug"], error)
            messages.error(request, f"This version can no longer be run. {error}")
            return redirect("admin:runs_workflow_page", kwargs["slug"])

    def get(self, request: HttpRequest, slug: str) -> HttpResponse:
        workflow = self.workflow(slug)
        version = self._version(workflow, request.GET.get("version", ""))
        run, note = self._model(workflow, request.GET.get("run", ""))
        schema = graph_of(version.pk).input_schema
        value = input_schema.example(schema)
        if run is not None:
            value = Event.objects.values_list("data__input", flat=True).get(run=run, seq=1)
        given = read_input(json_text.write(value), schema)
        # A form that nobody has filled in yet does not complain.
        untouched = Input(given.text, given.value) if run is None else given
        return self._shown(workflow, version, untouched, {"run": run, "note": note})

    def post(self, request: HttpRequest, slug: str) -> HttpResponse:
        workflow = self.workflow(slug)
        version = self._version(workflow, request.POST.get("version", ""))
        given = read_input(request.POST.get("input", ""), graph_of(version.pk).input_schema)
        original, _ = self._model(workflow, request.POST.get("run", ""))
        if not given.is_sound:
            reason = given.refusal or f"{len(given.violations)} violations of the schema"
            logger.warning("run of %s by %s refused: %s", version, self.user, reason)
            return self._shown(workflow, version, given, {"run": original}, status=422)
        started = lifecycle.start(
            version, given.value, trigger=Trigger.MANUAL, by=self.user.as_actor(), now=self.now,
            original=original if original and original.can_retry else None,
        )  # fmt: skip
        if not self.may("view_run"):
            return redirect("admin:runs_workflow_page", slug)
        return redirect("admin:runs_run_page", started.public_id)

    def _version(self, workflow: Workflow, number: str) -> WorkflowVersion:
        """The version with this number; the newest where none is named."""
        if number:
            if not number.isdecimal() or len(number) > 9:
                raise Http404
            return version_of(workflow, int(number))
        newest = workflow.versions.order_by("-number").first()
        if newest is None:
            raise Http404(f"{workflow.slug} has no version yet.")
        newest.workflow = workflow
        return newest

    def _model(self, workflow: Workflow, public_id: str) -> tuple[Run | None, str]:
        """The run whose input the form begins with, or why it does not."""
        if not public_id:
            return None, ""
        run_id = ids.decode("run", public_id)
        run = Run.objects.filter(pk=run_id).first() if run_id and self.may("view_run") else None
        if run is None:
            return None, "The run whose input was asked for is not there."
        if run.workflow_id != workflow.pk:
            return None, f"{run.public_id} is a run of another workflow."
        return run, ""

    def _shown(
        self,
        workflow: Workflow,
        version: WorkflowVersion,
        given: Input,
        more: dict[str, Any],
        status: int = 200,
    ) -> HttpResponse:
        numbers = list(
            workflow.versions.order_by("-number").values_list("number", flat=True)[
                :VERSIONS_OFFERED
            ]
        )
        if version.number not in numbers:
            numbers.append(version.number)
        context = {
            "title": f"Run {workflow.slug}",
            "workflow": workflow,
            "version": version,
            "numbers": numbers,
            "given": given,
            "check_url": reverse("admin:runs_workflow_run_check", args=[workflow.slug]),
            "runs_url": runs_url(workflow.slug),
            **taken(version),
            **more,
        }
        return self.page("runs/workflow_run.html", context, status)


class InputCheck(RunWorkflow):
    """What is wrong with the input in the form, as one types, and what the version takes."""

    http_method_names = ["post"]

    def post(self, request: HttpRequest, slug: str) -> HttpResponse:
        version = self._version(self.workflow(slug), request.POST.get("version", ""))
        given = read_input(request.POST.get("input", ""), graph_of(version.pk).input_schema)
        context = {"given": given, "version": version, **taken(version)}
        return self.part("runs/workflow/run_check.html", context)


def taken(version: WorkflowVersion) -> dict[str, Any]:
    """What a version's input may hold."""
    schema = graph_of(version.pk).input_schema
    return {
        "fields": input_schema.fields(schema),
        "schema_text": json_text.write(schema) if schema else "",
    }
