"""“Run”: start a run by hand, with an input that is checked before anything is recorded."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect
from django.urls import reverse

from runs import ids, input_schema, json_text, lifecycle, schema_input
from runs.actors import ACTOR_REFS
from runs.definitions import graph_of
from runs.graph import DefinitionError
from runs.models import Event, Run, Workflow, WorkflowVersion
from runs.payload import PayloadError
from runs.schema_input import Input
from runs.states import Trigger
from runs.views.workflow_base import WorkflowView, is_elsewhere, version_of
from runs.views.workflow_list import runs_url

logger = logging.getLogger(__name__)

# Versions that the form offers; an older one is chosen on its own page.
VERSIONS_OFFERED = 50
# As the API takes them.
REF_TYPE_LENGTH = 64
REF_ID_LENGTH = 200


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
        if is_elsewhere(version):
            return self._refused(workflow)
        run, note = self._model(workflow, request.GET.get("run", ""))
        schema = graph_of(version.pk).input_schema
        if run is None:
            given = schema_input.begin(schema, _limit())
        else:
            try:
                given = schema_input.of_value(schema, _input_of(run), _limit())
            except PayloadError as error:
                # In storage, for one, which may be away.
                messages.error(request, f"The input of {run.public_id} is not filled in: {error}.")
                given = schema_input.begin(schema, _limit())
        shown = {"run": run, "note": note, "ref": Reference.of_run(run)}
        return self._shown(workflow, version, given, shown)

    def post(self, request: HttpRequest, slug: str) -> HttpResponse:
        workflow = self.workflow(slug)
        version = self._version(workflow, request.POST.get("version", ""))
        if is_elsewhere(version):
            return self._refused(workflow)
        given = self._given(workflow, version)
        run, _ = self._model(workflow, request.POST.get("run", ""))
        ref = Reference.read(request.POST)
        shown: dict[str, Any] = {"run": run, "ref": ref}
        if given.is_switched:
            return self._shown(workflow, version, given, shown)
        if not given.is_sound or ref.error:
            reason = given.refusal or ref.error or f"{given.problems} violations of the schema"
            logger.warning("run of %s by %s refused: %s", version, self.user, reason)
            shown["is_refused"] = True
            return self._shown(workflow, version, given, shown, status=422)
        started = lifecycle.start(
            version, given.value, trigger=Trigger.MANUAL, by=self.user.as_actor(),
            ref_type=ref.type, ref_id=ref.id, now=self.now,
            original=run if run and run.can_retry else None,
        )  # fmt: skip
        if not self.may("view_run"):
            return redirect("admin:runs_workflow_page", slug)
        return redirect("admin:runs_run_page", started.public_id)

    def _given(self, workflow: Workflow, version: WorkflowVersion) -> Input:
        posted = self.request.POST.dict()
        schema = graph_of(version.pk).input_schema
        number = posted.get("drawn", "")
        if not number or number == str(version.number):
            return schema_input.read(posted, schema, _limit())
        drawn = graph_of(self._version(workflow, number).pk).input_schema
        return schema_input.read(posted, schema, _limit(), drawn=drawn)

    def _refused(self, workflow: Workflow) -> HttpResponse:
        messages.error(self.request, f"{workflow.slug} is executed elsewhere: it is started there.")
        return redirect("admin:runs_workflow_page", workflow.slug)

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
            "check_url": check_url(workflow),
            "runs_url": runs_url(workflow.slug),
            **taken(version),
            **more,
        }
        return self.page("runs/workflow_run.html", context, status)


class InputCheck(RunWorkflow):
    """What is wrong with the input in the form, as one types, or the input shown the other way."""

    http_method_names = ["post"]

    def post(self, request: HttpRequest, slug: str) -> HttpResponse:
        workflow = self.workflow(slug)
        version = self._version(workflow, request.POST.get("version", ""))
        given = self._given(workflow, version)
        context = {
            "version": version,
            "check_url": check_url(workflow),
            **taken(version),
        }
        if given.is_switched or "redraw" in request.POST:
            given = given if given.is_switched else schema_input.spared(given, request.POST)
            return self.part("runs/workflow/run_redrawn.html", {"given": given, **context})
        given = schema_input.spared(given, request.POST)
        return self.part("runs/schema_input_check.html", {"given": given, **context})


def _input_of(run: Run) -> Any:
    """Raises PayloadError where it is archived and cannot be read."""
    if not run.has_log:
        return lifecycle.input_of(run)
    return Event.objects.values_list("data__input", flat=True).get(run=run, seq=1)


@dataclass(frozen=True, slots=True)
class Reference:
    """What the run belongs to, in the caller's own words; as the API takes it."""

    type: str = ""
    id: str = ""
    error: str = ""

    @classmethod
    def of_run(cls, run: Run | None) -> Reference:
        if run is None or run.ref_type in ACTOR_REFS:
            return cls()
        return cls(run.ref_type, run.ref_id)

    @classmethod
    def read(cls, posted: Mapping[str, str]) -> Reference:
        word, number = (posted.get(name, "").strip() for name in ("ref_type", "ref_id"))
        error = ""
        if len(word) > REF_TYPE_LENGTH or len(number) > REF_ID_LENGTH:
            error = f"At most {REF_TYPE_LENGTH} characters, its id at most {REF_ID_LENGTH}."
        elif "\0" in word + number:
            error = "A reference has no NUL characters."
        elif word.lower() in ACTOR_REFS:
            error = f"“{word}” is the portal's own word; choose another."
        elif number and not word:
            error = "Say what the id belongs to."
        return cls(word, number, error)


def taken(version: WorkflowVersion) -> dict[str, Any]:
    """What a version's input may hold."""
    schema = graph_of(version.pk).input_schema
    return {
        "takes": input_schema.fields(schema),
        "schema_text": json_text.write(schema) if schema else "",
    }


def check_url(workflow: Workflow) -> str:
    return reverse("admin:runs_workflow_run_check", args=[workflow.slug])


def _limit() -> int:
    return int(settings.ENGINE_PAYLOAD_BYTES)
