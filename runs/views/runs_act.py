"""Retry or terminate the runs that are selected on a page of the list: ask first, then do it."""

from __future__ import annotations

import uuid
from collections import Counter
from dataclasses import dataclass
from typing import Any

from django import forms
from django.contrib import messages
from django.contrib.auth.mixins import PermissionRequiredMixin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.views.generic import View
from django_htmx.http import HttpResponseClientRedirect

from runs import ids, lifecycle
from runs.models import Run
from runs.querysets import RunQuerySet
from runs.states import RunState
from runs.templatetags.runs_ui import short

# Runs that one click may act on; they stand in one transaction.
MOST_RUNS = 200
# Runs that the word afterwards names.
NAMED = 5


@dataclass(frozen=True, slots=True)
class Act:
    verb: str
    past: str
    permission: str
    icon: str
    states: tuple[RunState, ...]
    # Why a run in another state is left out.
    only: str
    # Whether a reason must be given.
    asks_why: bool = False


ACTS = {
    "retry": Act(
        "Retry", "retried", "runs.retry_run", "replay", (RunState.FAILED,),
        "only failed runs can be retried",
    ),
    "terminate": Act(
        "Terminate", "terminated", "runs.terminate_run", "stop_circle",
        (RunState.CREATED, RunState.ACTIVE), "they have ended already", asks_why=True,
    ),
}  # fmt: skip


class ReasonForm(forms.Form):
    reason = forms.CharField(
        max_length=500,
        error_messages={"required": "Say why: the reason is kept in each run's history."},
    )

    def __init__(self, act: Act, *args: Any) -> None:
        super().__init__(*args)
        self.fields["reason"].required = act.asks_why


class RunsAct(PermissionRequiredMixin, View):
    """Mount it with ``RunsAct.as_view(model_admin=self)``. Without `confirm` it asks."""

    model_admin: Any = None
    permission_required = "runs.view_run"
    raise_exception = True
    http_method_names = ["get", "head", "post", "options"]

    def get(self, request: HttpRequest) -> HttpResponse:
        """Who had to sign in before the act is led here, without what was sent."""
        messages.warning(request, "Nothing was done. Select the runs and choose again.")
        return redirect("admin:runs_run_changelist")

    def post(self, request: HttpRequest) -> HttpResponse:
        self.now = timezone.now()
        name = request.POST.get("act", "")
        act = ACTS.get(name)
        chosen = self._named()
        if act is None or not chosen:
            messages.error(request, "Select runs in the list first.")
            return self._lead_back()
        if not request.user.has_perm(act.permission):
            raise PermissionDenied(f"Your account may not {act.verb.lower()} runs.")
        if "confirm" not in request.POST:
            return self.ask(name, act, chosen, ReasonForm(act))
        form = ReasonForm(act, request.POST)
        if not form.is_valid():
            return self.ask(name, act, chosen, form, 422)
        return self.do(name, act, chosen, form.cleaned_data["reason"])

    def _named(self) -> list[uuid.UUID]:
        named = self.request.POST.get("runs", "").split(",")[:MOST_RUNS]
        found = (ids.decode("run", text) for text in dict.fromkeys(named))
        return [run_id for run_id in found if run_id is not None]

    @property
    def back(self) -> str:
        """The list as it was: its query string alone is taken from the form."""
        query = self.request.POST.get("back", "")
        path = reverse("admin:runs_run_changelist")
        return path + query if query.startswith("?") else path

    def _lead_back(self) -> HttpResponse:
        # A redirect that a script followed would show the messages to nobody.
        if self.request.headers.get("HX-Request"):
            return HttpResponseClientRedirect(self.back)
        return redirect(self.back)

    def ask(
        self, name: str, act: Act, chosen: list[uuid.UUID], form: ReasonForm, status: int = 200
    ) -> HttpResponse:
        states = Counter(Run.objects.filter(pk__in=chosen).values_list("state", flat=True))
        doing = sum(states[state] for state in act.states)
        context = {
            "now": self.now,
            "title": f"{act.verb} {doing} {'run' if doing == 1 else 'runs'}?",
            "act": act,
            "act_name": name,
            "doing": doing,
            "by_state": [(state, states[state]) for state in act.states if states[state]],
            "skipped": [
                (state, states[state])
                for state in RunState
                if state not in act.states and states[state]
            ],
            "gone": len(chosen) - sum(states.values()),
            "runs": ",".join(ids.encode("run", run_id) for run_id in chosen),
            "back": self.request.POST.get("back", ""),
            "back_url": self.back,
            "form": form,
        }
        if self.request.headers.get("HX-Request"):
            return render(self.request, "runs/_act.html", context, status=status)
        frame = self.model_admin.admin_site.each_context(self.request)
        return render(self.request, "runs/act.html", {**frame, **context}, status=status)

    def do(self, name: str, act: Act, chosen: list[uuid.UUID], reason: str) -> HttpResponse:
        runs: RunQuerySet = Run.objects.filter(pk__in=chosen)
        by = self.request.user.as_actor()  # type: ignore[union-attr]
        does = lifecycle.retry if name == "retry" else lifecycle.terminate
        outcome = does(runs, by=by, reason=reason, now=self.now)
        if outcome.done:
            messages.success(self.request, _done_words(act, list(outcome.done.values())))
        gone = len(chosen) - len(outcome.done) - len(outcome.skipped)
        why = Counter(outcome.skipped.values())
        if gone > 0:
            why["it is gone"] += gone
        for words, count in why.most_common():
            said = f"{count} {'run was' if count == 1 else 'runs were'} not {act.past}: {words}."
            messages.warning(self.request, said)
        return self._lead_back()


def _done_words(act: Act, run_ids: list[uuid.UUID]) -> SafeString:
    count = len(run_ids)
    links = format_html_join(
        ", ",
        '<a class="op-link" href="{}">{}</a>',
        (
            (reverse("admin:runs_run_page", args=[public_id]), short(public_id))
            for run_id in run_ids[:NAMED]
            for public_id in (ids.encode("run", run_id),)
        ),
    )
    what = "1 run was" if count == 1 else f"{count} runs were"
    new = " The new one: " if count == 1 else " The new ones: "
    rest = f" and {count - NAMED} more" if count > NAMED else ""
    lead = new if act.past == "retried" else " "
    return format_html("{} {}.{}{}{}.", what, act.past, lead, links, rest)
