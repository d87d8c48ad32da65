"""What is done to a run from its page: asked for in a dialog or on a page of its own, then done."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.contrib import messages
from django.forms import Form
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.log import log_response
from django_htmx.http import HttpResponseClientRedirect

from runs import ids, lifecycle, prolonging
from runs.models import Run
from runs.stuck import rescue
from runs.templatetags.runs_ui import short
from runs.views import run_archive, stuck
from runs.views.run_forms import DeleteForm, HoldForm, ProlongForm, TerminateForm
from runs.views.run_retry import retry_plan
from runs.views.run_view import RunView


class RunActs(RunView):
    """What is posted to a run's page."""

    def page(self, status: int = 200, **more: Any) -> HttpResponse:
        """The whole page."""
        raise NotImplementedError

    def post(self, request: HttpRequest, run_id: str) -> HttpResponse:
        if not self.find(run_id):
            return self.missing(run_id)
        acts = {
            "retry": lambda: self.retry(lifecycle.retry),
            "retry_from": lambda: self.retry(lifecycle.retry_from),
            "terminate": self.terminate,
            "delete": self.delete,
            "hold": self.hold,
            "release": self.hold,
            "restore": self.restore,
            "prolong": self.prolong,
            "rescue": self.rescue,
        }
        act = acts.get(request.POST.get("act", ""))
        return act() if act else self.refused("Unknown act.", 400)

    def retry(self, act: Callable[..., lifecycle.Outcome]) -> HttpResponse:
        if not self.request.user.has_perm("runs.retry_run"):
            return self.refused("You may not retry runs.", 403)
        outcome = act(Run.objects.filter(pk=self.run.pk), by=self.by, now=self.now)
        new = outcome.done.get(self.run.pk)
        if new is None:
            return self.not_done(outcome, "This run was not retried")
        public_id = ids.encode("run", new)
        messages.success(self.request, f"This is the retry of {short(self.run.public_id)}.")
        return self.on_to(reverse("admin:runs_run_page", args=[public_id]))

    def confirm_retry_from(self) -> HttpResponse:
        context = {**self.base_context(), **retry_plan(self.run)}
        return self.framed("runs/run/retry_from.html", context)

    def terminate(self) -> HttpResponse:
        if not self.request.user.has_perm("runs.terminate_run"):
            return self.refused("You may not terminate runs.", 403)
        form = TerminateForm(self.request.POST)
        if not form.is_valid():
            return self.asked("terminate", form, 422)
        outcome = lifecycle.terminate(
            Run.objects.filter(pk=self.run.pk),
            by=self.by,
            reason=form.cleaned_data["reason"],
            now=self.now,
        )
        if self.run.pk not in outcome.done:
            return self.not_done(outcome, "This run was not terminated")
        return self.on_to(reverse("admin:runs_run_page", args=[self.run.public_id]))

    def delete(self) -> HttpResponse:
        if not self.request.user.has_perm("runs.delete_run"):
            return self.refused("You may not delete runs.", 403)
        form = DeleteForm(self.run, self.request.POST)
        if not form.is_valid():
            return self.asked("delete", form, 422)
        outcome = lifecycle.delete(
            Run.objects.filter(pk=self.run.pk),
            by=self.by,
            reason=form.cleaned_data["reason"],
            now=self.now,
        )
        if why := outcome.skipped.get(self.run.pk):
            return self.refused(f"This run was not deleted: {why}.", 409)
        messages.success(self.request, f"The run {short(self.run.public_id)} is deleted.")
        return self.on_to(reverse("admin:runs_run_changelist"))

    def hold(self) -> HttpResponse:
        """Put it under legal hold, or end that: the one that its state is not."""
        if not self.can("hold"):
            return self.refused("You may not put runs under legal hold, or end it.", 403)
        form = HoldForm(self.run, self.request.POST)
        if not form.is_valid():
            return self.asked("hold", form, 422)
        ends = self.request.POST["act"] == "release"
        outcome = (lifecycle.release if ends else lifecycle.hold)(
            Run.objects.filter(pk=self.run.pk),
            by=self.by,
            reason=form.cleaned_data["reason"],
            now=self.now,
        )
        if self.run.pk not in outcome.done:
            return self.not_done(outcome, "Nothing was changed")
        return self.on_to(reverse("admin:runs_run_page", args=[self.run.public_id]))

    def restore(self) -> HttpResponse:
        """Its log comes back in the background; the page says how it goes."""
        if not self.request.user.has_perm("runs.restore_run"):
            return self.refused("You may not restore logs.", 403)
        if not run_archive.restore(self.run, by=self.by, now=self.now):
            return self.refused("Its log is not archived now: there is nothing to restore.", 409)
        return redirect(f"{self.base_context()['page_url']}{self.address.link()}")

    def prolong(self) -> HttpResponse:
        """Its restored log stays longer."""
        if not self.request.user.has_perm("runs.restore_run"):
            return self.refused("You may not restore logs, or keep restored ones longer.", 403)
        form = ProlongForm(self.request.POST)
        if not form.is_valid():
            return self.asked("prolong", form, 422)
        given = form.cleaned_data
        try:
            prolonging.prolong(
                self.run, days=given["days"], by=self.by, now=self.now, reason=given["reason"]
            )
        except prolonging.NotProlonged as error:
            return self.refused(f"Nothing was changed: {error}.", 409)
        return self.on_to(f"{self.base_context()['page_url']}{self.address.link()}")

    def rescue(self) -> HttpResponse:
        """What helps with the finding of the node that is named, as it is now."""
        given, user = self.request.POST, self.request.user
        try:
            done = rescue.one(
                self.run, stuck.given(given, "node", 64), now=self.now, by=self.by,
                may=user.has_perm, reason=stuck.given(given, "reason", 500),
            )  # fmt: skip
        except rescue.NotDone as error:
            status = 403 if isinstance(error, rescue.NotAllowed) else 409
            return self.refused(f"Nothing was done: {error}.", status)
        messages.success(self.request, stuck.done_words(done))
        return redirect(f"{self.base_context()['page_url']}{self.address.link()}")

    def refused(self, why: str, status: int) -> HttpResponse:
        """The page as it is now, with the reason above it; to a dialog the reason alone."""
        if self.is_part:
            answer = HttpResponse(why, status=status, content_type="text/plain; charset=utf-8")
        else:
            self.find(self.run.public_id)
            messages.error(self.request, why)
            answer = self.page(status)
        log_response(
            "%s: %s (%s)", self.request.path, why, self.request.user,
            response=answer, request=self.request,
        )  # fmt: skip
        return answer

    def asked(self, act: str, form: Form, status: int = 200) -> HttpResponse:
        """Asks before an act: in a dialog, or as a page."""
        context = {**self.base_context(), "form": form, "back_url": self.address.link()}
        if self.is_part:
            return render(self.request, f"runs/run/{act}_asked.html", context, status=status)
        return self.framed(f"runs/run/{act}.html", context, status)

    def not_done(self, outcome: lifecycle.Outcome, what: str) -> HttpResponse:
        why = outcome.skipped.get(self.run.pk, "it is gone")
        return self.refused(f"{what}: {why}.", 409)

    def on_to(self, url: str) -> HttpResponse:
        return HttpResponseClientRedirect(url) if self.is_part else redirect(url)
