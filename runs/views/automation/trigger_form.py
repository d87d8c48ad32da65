"""Making and changing a trigger, by a form that writes its rule."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse

from runs import input_schema, json_text
from runs.definitions import graph_of
from runs.graph import DefinitionError
from runs.models import Trigger, Workflow, WorkflowVersion
from runs.models.trigger import TriggerKind
from runs.states import FINAL_STATES, LABELS, Kind, RunState
from runs.triggers import changes, cron
from runs.triggers.rule import Problem, RuleError, parse
from runs.views.automation import words
from runs.views.automation.base import TriggerView
from runs.views.automation.rule_form import OPERATORS, InputRow, RuleForm, TargetRow

# Offered in the lists of the form; another one is typed in the rule's JSON.
MOST_WORKFLOWS = 500
# What a path may begin with, said beside the fields that take one.
PATHS = {
    "schedule": ("$.due_at",),
    "webhook": ("$.body", "$.headers", "$.query"),
    "run_ends": (
        "$.run.id", "$.run.workflow", "$.run.state", "$.run.error.message", "$.run.ref_id",
        "$.data", "$.output", "$.nodes.<node>.output",
    ),
    "event": (
        "$.event.kind", "$.event.node", "$.event.data", "$.run.id", "$.run.workflow", "$.data",
        "$.nodes.<node>.output",
    ),
}  # fmt: skip


@dataclass(slots=True)
class Typed:
    """The form as it is shown: beside the rule's fields the name and what is wrong."""

    form: RuleForm
    name: str = ""
    description: str = ""
    revision: int = 0
    # The rule as JSON, where that is written instead.
    text: str | None = None
    problems: tuple[Problem, ...] = ()
    trouble: str = ""


class NewTrigger(TriggerView):
    permission_required = ("runs.view_trigger", "runs.add_trigger")
    http_method_names = ["get", "head", "options", "post"]

    def get(self, request: HttpRequest) -> HttpResponse:
        kind = _kind(request.GET.get("kind", ""))
        form = RuleForm(kind, zone=self.user.time_zone)
        asked = request.GET.get("workflow", "")
        if asked and Workflow.objects.filter(slug=asked.replace("\0", "")).exists():
            if form.waits_for_runs:
                form.workflow = asked
            else:
                form.targets[0].workflow = asked
                self.suggest(form)
        return self.shown(Typed(form), None)

    def post(self, request: HttpRequest) -> HttpResponse:
        kind = _kind(request.POST.get("kind", ""))
        typed = self.typed(kind)
        if not self.is_sent(typed):
            return self.shown(typed, None)
        rule = self.rule(typed)
        if rule is not None:
            try:
                trigger = changes.make(
                    self.user, kind, typed.name, rule,
                    description=typed.description,
                    enabled="enabled" in request.POST,
                    now=self.now,
                )  # fmt: skip
            except RuleError as error:
                typed.problems = tuple(error.problems)
            except changes.NotAllowed as error:
                typed.trouble = str(error)
            else:
                messages.success(request, f"The trigger {trigger} is made.")
                return redirect("trigger", trigger.pk)
        return self.shown(typed, None, 422)

    # -- Shared with the form that changes one ------------------------------------------------

    def typed(self, kind: str) -> Typed:
        post = self.request.POST
        typed = Typed(
            RuleForm.of_post(kind, post),
            name=post.get("name", "").replace("\0", "").strip(),
            description=post.get("description", "").replace("\0", "").strip(),
            text=post.get("rule"),
        )
        revision = post.get("revision", "")
        typed.revision = int(revision) if revision.isdecimal() and len(revision) < 10 else 0
        return typed

    def is_sent(self, typed: Typed) -> bool:
        """Whether it is to be saved; else a row is added or taken away, or another way chosen."""
        asked = self.request.POST.get("change", "")
        if not asked:
            return True
        if asked == "as json":
            rule, problems = typed.form.rule()
            typed.text, typed.problems = json_text.write(rule), tuple(problems)
        elif asked == "as form" and typed.text is not None:
            self._to_form(typed)
        else:
            typed.form.change(asked)
            self.suggest(typed.form)
        return False

    def rule(self, typed: Typed) -> Any:
        """The rule, or None where it cannot be read; then the problems say why."""
        if typed.text is None:
            rule, problems = typed.form.rule()
            typed.problems = tuple(problems)
            return None if problems else rule
        try:
            return json_text.read(typed.text)
        except json_text.JsonError as error:
            typed.problems = (Problem("", f"The rule is not JSON: {error}"),)
            return None

    def suggest(self, form: RuleForm) -> None:
        """Rows for what a chosen workflow must be given, where nothing is written yet."""
        for target in form.targets:
            is_blank = not any(row.name or row.value for row in target.inputs)
            if target.act != "start" or target.mode != "fields" or not is_blank:
                continue
            taken = [field for field in _taken(target) if field.is_required]
            target.inputs = [InputRow(field.name) for field in taken] or [InputRow()]

    def _to_form(self, typed: Typed) -> None:
        rule = self.rule(typed)
        if rule is None:
            return
        try:
            parse(typed.form.kind, rule)
        except RuleError as error:
            typed.problems = tuple(error.problems)
            return
        typed.form, typed.text = RuleForm.of_rule(typed.form.kind, rule), None

    def shown(self, typed: Typed, trigger: Trigger | None, status: int = 200) -> HttpResponse:
        form = typed.form
        problems: dict[str, str] = {}
        for problem in typed.problems:
            problems.setdefault(_field_of(problem.place), problem.message)
        slugs = list(Workflow.objects.order_by("slug").values_list("slug", flat=True))
        waits = form.on if form.waits_for_runs else form.kind
        context = {
            "title": f"Change {trigger.name}" if trigger else _title(form.kind),
            "trigger": trigger,
            "typed": typed,
            "form": form,
            "problems": problems,
            "all_problems": typed.problems,
            "targets": [_shown_target(number, row) for number, row in enumerate(form.targets)],
            "workflows": slugs[:MOST_WORKFLOWS],
            "states": [(state, LABELS[RunState(state)][0]) for state in FINAL_STATES],
            "kinds": [(str(kind), words.KIND_WORDS[kind]) for kind in Kind],
            "operators": [(word, words.OPERATOR_WORDS[word]) for word in OPERATORS],
            "zones": cron.zones(),
            "paths": PATHS[waits],
            "is_new": trigger is None,
            "is_first": trigger is None and self.request.method != "POST",
            "focus": _focus(self.request.POST.get("change", "")),
            "enabled": trigger is not None
            or "name" not in self.request.POST
            or "enabled" in self.request.POST,
            **self._times(form),
        }
        return self.page("runs/automation/form.html", context, status)

    def _times(self, form: RuleForm) -> dict[str, Any]:
        if form.kind != TriggerKind.SCHEDULE or not form.cron:
            return {}
        if complaint := cron.complaint(form.cron) or cron.zone_complaint(form.zone):
            return {"cron_problem": complaint}
        return {
            "cron_words": cron.words(form.cron),
            "upcoming": cron.upcoming(form.cron, form.zone, self.now),
        }


class EditTrigger(NewTrigger):
    permission_required = ("runs.view_trigger", "runs.change_trigger")

    def get(self, request: HttpRequest, trigger_id: int) -> HttpResponse:  # type: ignore[override]  # noqa: ARG002
        trigger = self.trigger(trigger_id)
        try:
            parse(trigger.kind, trigger.rule)
            form, text = RuleForm.of_rule(trigger.kind, trigger.rule), None
        except RuleError:  # stored under other rules: what it says is shown as it is
            form, text = RuleForm(trigger.kind), json_text.write(trigger.rule)
        typed = Typed(form, trigger.name, trigger.description, trigger.revision, text)
        return self.shown(typed, trigger)

    def post(self, request: HttpRequest, trigger_id: int) -> HttpResponse:  # type: ignore[override]
        trigger = self.trigger(trigger_id)
        typed = self.typed(trigger.kind)
        if not self.is_sent(typed):
            return self.shown(typed, trigger)
        rule = self.rule(typed)
        if rule is not None:
            try:
                changes.change(
                    self.user, trigger, typed.revision, typed.name, rule,
                    description=typed.description, now=self.now,
                )  # fmt: skip
            except RuleError as error:
                typed.problems = tuple(error.problems)
            except changes.NotAllowed as error:
                typed.trouble = str(error)
            except changes.Outdated:
                typed.trouble = (
                    "Somebody else has changed this trigger since you opened it. What you typed is"
                    " still here; look at their version in another tab, then save to replace it."
                )
                typed.revision = self.trigger(trigger_id).revision
                return self.shown(typed, trigger, 409)
            else:
                messages.success(request, f"The trigger {typed.name} is saved.")
                return redirect("trigger", trigger.pk)
        return self.shown(typed, trigger, 422)


class DeleteTrigger(TriggerView):
    permission_required = ("runs.view_trigger", "runs.delete_trigger")
    http_method_names = ["get", "head", "options", "post"]

    def get(self, request: HttpRequest, trigger_id: int) -> HttpResponse:  # noqa: ARG002
        trigger = self.trigger(trigger_id)
        context = {"title": f"Delete {trigger.name}", "trigger": trigger}
        return self.page("runs/automation/delete.html", context)

    def post(self, request: HttpRequest, trigger_id: int) -> HttpResponse:
        trigger = self.trigger(trigger_id)
        reason = request.POST.get("reason", "").replace("\0", "").strip()
        changes.delete(self.user, trigger, reason)
        messages.success(request, f"The trigger {trigger.name} is deleted. Its runs stay.")
        return redirect(reverse("automation"))


def _shown_target(number: int, row: TargetRow) -> dict[str, Any]:
    return {
        "number": number,
        "row": row,
        "place": f"then.{number}",
        "taken": _taken(row) if row.act == "start" else [],
        "input_place": f"then.{number}.input",
        "input_focus": f"input {number}",
        "less_focus": f"less input {number}",
    }


def _taken(row: TargetRow) -> list[input_schema.Field]:
    """What the workflow's input may hold."""
    versions = WorkflowVersion.objects.filter(workflow__slug=row.workflow).order_by("-number")
    if row.version.isdecimal() and len(row.version) < 10:
        versions = versions.filter(number=int(row.version))
    pk = versions.values_list("pk", flat=True).first()
    if pk is None:
        return []
    try:
        return input_schema.fields(graph_of(pk).input_schema, 30)
    except DefinitionError:
        return []


def _focus(asked: str) -> str:
    """Where the next key goes: to the row that was added, or where one was taken away to what
    adds another. All else keeps the place that it had."""
    words = asked.split()
    return " ".join(words[:-1] if words[:1] == ["less"] else words)


def _kind(text: str) -> str:
    if text not in TriggerKind.values:
        raise Http404("There is no such kind of trigger.")
    return text


def _title(kind: str) -> str:
    label = TriggerKind(kind).label.lower()
    return f"New {label} trigger" if kind == TriggerKind.EVENT else f"New {label}"


def _field_of(place: str) -> str:
    """Beside which field a problem is shown."""
    if place.startswith("when"):
        return place if place in ("when.cron", "when.zone", "when.window_seconds") else "when"
    parts = place.split(".")
    if parts[0] == "then" and len(parts) > 2:
        return place if parts[2] == "input" else ".".join(parts[:2])
    return place
