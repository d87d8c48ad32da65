"""OPERATE → Decisions: what waits for a person, and one question with its answer."""

from __future__ import annotations

import logging
from typing import Any

from django.contrib import admin, messages
from django.contrib.auth.mixins import PermissionRequiredMixin
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.generic import View

from runs import ids, input_schema, json_text, schema_form
from runs.engine import answers
from runs.graph import DefinitionError
from runs.models import Decision, User
from runs.states import DecisionAct

logger = logging.getLogger(__name__)

# Open ones oldest first, past ones newest first.
MOST_LISTED = 200
# Each says which; the others' names are no part of a filter's URL.
LISTS = ("mine", "open", "past")
_WITH_RUN = ("node", "node__run", "node__run__workflow", "node__run__version")


class _Page(PermissionRequiredMixin, View):
    """Mount it in `admin_view`."""

    permission_required = "runs.view_run"
    raise_exception = True

    def setup(self, request: HttpRequest, *args: Any, **kwargs: Any) -> None:
        super().setup(request, *args, **kwargs)
        self.now = timezone.now()

    @property
    def user(self) -> User:
        return self.request.user  # type: ignore[return-value]  # staff, by admin_view

    def page(self, template: str, context: dict[str, Any], status: int = 200) -> HttpResponse:
        self.request.current_app = admin.site.name
        frame = admin.site.each_context(self.request)
        answer = render(
            self.request, template, {**frame, "now": self.now, **context}, status=status
        )
        answer.headers.setdefault("Cache-Control", "no-store")
        return answer


class Decisions(_Page):
    def get(self, request: HttpRequest) -> HttpResponse:
        shown = request.GET.get("show", "mine")
        if shown not in LISTS:
            raise Http404
        if shown == "past":
            rows = Decision.objects.past().order_by("-decided_at", "node_id")
        else:
            rows = Decision.objects.open().order_by("asked_at", "node_id")
        if shown == "mine":
            rows = rows.for_person(self.user)
        listed = list(rows.select_related(*_WITH_RUN)[: MOST_LISTED + 1])
        return self.page(
            "runs/decisions.html",
            {
                "title": "Decisions",
                "shown": shown,
                "rows": listed[:MOST_LISTED],
                "is_cut": len(listed) > MOST_LISTED,
                "most": MOST_LISTED,
            },
        )


class Decide(_Page):
    http_method_names = ["get", "head", "options", "post"]

    def get(self, request: HttpRequest, run_id: str, node: str) -> HttpResponse:  # noqa: ARG002
        found = self._question(run_id, node)
        return self._shown(found, schema_form.fields(found.form, found.value))

    def post(self, request: HttpRequest, run_id: str, node: str) -> HttpResponse:
        found = self._question(run_id, node)
        act = request.POST.get("act", "")
        comment = request.POST.get("comment", "").replace("\0", "").strip()
        posted = request.POST.dict()
        value, problem = None, ""
        errors: dict[str, str] = {}
        if act == DecisionAct.CORRECTED:
            typed = schema_form.read(found.form, found.value, posted)
            value, errors = typed.value, typed.errors
            problem = "Some fields cannot be read." if errors else ""
        if act not in answers.ACTS:
            problem = "Approve, reject or correct it."
        if not problem:
            try:
                answers.answer(
                    found.decision, DecisionAct(act), by=self.user.as_actor(), user=self.user,
                    value=value, comment=comment, now=self.now,
                )  # fmt: skip
            except answers.AnswerInvalid as error:
                problem = str(error)
            except answers.NotYours as error:
                return self._refused(found, str(error), 403)
            except answers.NotOpen as error:
                return self._refused(found, str(error), 409)
        if problem:
            shown = schema_form.fields(found.form, found.value, posted, errors)
            return self._shown(found, shown, problem, comment, status=422)
        messages.success(request, f"{found.decision.title}: {act}.")
        return redirect(reverse("decisions"))

    def _question(self, run_id: str, node: str) -> answers.Question:
        key = ids.decode("run", run_id)
        found = (
            Decision.objects.select_related(*_WITH_RUN).filter(run=key, node__key=node).first()
            if key
            else None
        )
        if found is None:
            raise Http404("Nothing waits, or waited, for a person there.")
        try:
            return answers.question(found)
        except answers.QuestionArchived as error:
            logger.warning("the question of %s at %s cannot be read: %s", run_id, node, error)
            raise Http404(
                "The question is archived with the run’s log, and cannot be read now. Restore the"
                " log on the run’s page to see it."
            ) from None
        except DefinitionError as error:
            raise Http404(f"Its workflow can no longer be read: {error}") from None

    def _refused(self, found: answers.Question, why: str, status: int) -> HttpResponse:
        return self._shown(found, [], why, status=status)

    def _shown(
        self,
        found: answers.Question,
        form: list[schema_form.FormField],
        problem: str = "",
        comment: str = "",
        status: int = 200,
    ) -> HttpResponse:
        decision = found.decision
        return self.page(
            "runs/decide.html",
            {
                "title": decision.title,
                "decision": decision,
                "node": decision.node,
                "run": decision.node.run,
                "instructions": found.asked.get("instructions", ""),
                "inputs": [
                    (key, json_text.write(value)) for key, value in found.asked["input"].items()
                ],
                "corrects": found.spec.settings["correct"],
                "rejection_fails": found.spec.settings["on_reject"] == "fail",
                "at_timeout": found.spec.settings["on_timeout"],
                "can_correct": found.form is not None,
                "takes": input_schema.fields(found.form) if found.form is not None else [],
                "form": form,
                "may": decision.decided_at is None and answers.may_answer(decision, self.user),
                "problem": problem,
                "comment": comment,
                "comment_length": answers.COMMENT_LENGTH,
            },
            status,
        )
