"""MANAGE → Archive: what was archived, compared and checked, newest first; and how it is begun."""

from __future__ import annotations

from typing import Any

from django import forms
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import NoReverseMatch, reverse

from retention import executions, expected, hours, tasks, terms, values
from retention.models import Execution
from retention.models.execution import ExecutionKind, ExecutionState
from retention.stock import stock
from retention.values import Values
from retention.views.executions.base import ExecutionView
from retention.views.executions.words import Said
from runs import ids
from runs.models import Archive
from runs.templatetags.runs_ui import capped

PAGE_SIZE = 50
# Of archived logs that are damaged or lost, so many are counted.
MOST_PROBLEMS = 1_000
# Workflows that are named in a warning.
MOST_NAMED = 20
# What is asked before each kind begins.
ASKS = {
    ExecutionKind.ARCHIVE: ("Archive now?", "Archive now", "inventory_2"),
    ExecutionKind.SWEEP: ("Compare storage with the database?", "Begin the sweep", "rule"),
    ExecutionKind.CHECK: ("Read the archive again?", "Begin the check", "fact_check"),
}


TABS = {
    ExecutionKind.ARCHIVE: "Archive runs",
    ExecutionKind.SWEEP: "Sweeps",
    ExecutionKind.CHECK: "Checks",
}


class BeginForm(forms.Form):
    kind = forms.ChoiceField(choices=ExecutionKind.choices)
    reason = forms.CharField(required=False, max_length=500)
    dry_run = forms.BooleanField(required=False)
    however_many = forms.BooleanField(required=False)
    most = forms.ChoiceField(
        required=False, choices=[("sample", "sample"), ("all", "all")], initial="sample"
    )
    sample = forms.IntegerField(required=False, min_value=1, max_value=100_000_000)

    @property
    def options(self) -> dict[str, Any]:
        given = self.cleaned_data
        if given["kind"] == ExecutionKind.CHECK:
            most = None if given["most"] == "all" else given["sample"] or executions.SAMPLE
            return {"most": most, "however_many": given["however_many"]}
        if given["kind"] == ExecutionKind.SWEEP:
            return {"however_many": given["however_many"]}
        return {}


class Executions(ExecutionView):
    http_method_names = ["get", "head", "post", "options"]

    def get(self, request: HttpRequest) -> HttpResponse:
        if request.GET.get("confirm") in ASKS:
            form = BeginForm(initial={"dry_run": bool(request.GET.get("dry_run"))})
            return self.ask(request.GET["confirm"], form)
        before = self._before(request.GET.get("before", ""))
        kind = request.GET.get("kind", "")
        kind = kind if kind in ASKS else ""
        below = _after(before)
        found = list((below.filter(kind=kind) if kind else below)[: PAGE_SIZE + 1])
        shown = found[:PAGE_SIZE]
        context = {
            "title": "Archive",
            "rows": [Said(execution, self.now) for execution in shown],
            "kind": kind,
            "tabs": [("", "All"), *((name, TABS[name]) for name in ASKS)],
            "is_first": before is None,
            "older": shown[-1].public_id if len(found) > PAGE_SIZE else "",
            "is_moving": any(execution.is_running for execution in shown),
            "address": request.get_full_path(),
        }
        if request.headers.get("HX-Request"):
            return self.plain("retention/_executions.html", context)
        return self.page("retention/executions.html", context | self._frame())

    def _frame(self) -> dict[str, Any]:
        policy = terms.current()
        wrong = Archive.objects.exclude(problem="").order_by()[: MOST_PROBLEMS + 1].count()
        return {
            "policy": policy,
            "next_night": (
                hours.following(policy.hour, policy.zone, self.now) if policy.is_on else None
            ),
            "stock": stock(),
            "last_wrong": _last_wrong() if wrong else None,
            "problems": wrong,
            "problems_words": capped(wrong, MOST_PROBLEMS),
            "settings_url": _url("run_settings"),
        }

    def post(self, request: HttpRequest) -> HttpResponse:
        form = BeginForm(request.POST)
        kind = request.POST.get("kind", "")
        if kind not in ASKS:
            return self.lead(reverse("retention_executions"))
        if not form.is_valid():
            return self.ask(kind, form, status=422)
        try:
            execution = executions.begin(
                kind,
                by=self.user.as_actor(),
                now=self.now,
                dry_run=form.cleaned_data["dry_run"],
                reason=form.cleaned_data["reason"],
                options=form.options,
            )
        except executions.NotPossible as error:
            form.add_error(None, str(error))
            return self.ask(kind, form, status=422)
        tasks.begin(execution)
        return self.lead(reverse("retention_execution", args=[execution.public_id]))

    def ask(self, kind: str, form: BeginForm, status: int = 200) -> HttpResponse:
        title, button, icon = ASKS[ExecutionKind(kind)]
        is_dry = bool(form["dry_run"].value())
        if kind == ExecutionKind.ARCHIVE and is_dry:
            title, button, icon = "Count what would be archived?", "Begin the dry run", "science"
        going = expected.going(self.now) if kind == ExecutionKind.ARCHIVE and not is_dry else None
        if going and going.total:
            least = "at least " if going.is_least else ""
            button = f"Archive now, delete {least}{going.total:,}"
            icon = "delete_forever"
        deletes = _deletes(values.saved())
        # What could not be counted in time may be many.
        is_uncounted = going is None or going.is_least
        is_danger = bool(
            kind == ExecutionKind.ARCHIVE
            and not is_dry
            and ((going and going.total) or (is_uncounted and (deletes["days"] or deletes["own"])))
        )
        context = {
            "title": title,
            "button": button,
            "icon": icon,
            "kind": kind,
            "form": form,
            "is_dry": is_dry,
            "policy": terms.current(),
            "deletes": deletes,
            "going": going,
            "is_danger": is_danger,
            "running": _running(kind) if not is_dry else None,
            "sample": executions.SAMPLE,
            "preview_url": _url("run_settings"),
        }
        part = "retention/_begin.html" if self.request.headers.get("HX-Request") else ""
        if part:
            return self.plain(part, context, status)
        return self.page("retention/begin.html", context, status)

    def _before(self, text: str) -> Execution | None:
        key = ids.decode("exec", text) if text else None
        return Execution.objects.filter(pk=key).first() if key else None


def _running(kind: str) -> Execution | None:
    """One of that kind that is at work already."""
    found = Execution.objects.filter(kind=kind, state=ExecutionState.RUNNING, dry_run=False)
    return found.order_by("moved_at").first()


def _last_wrong() -> Execution | None:
    """The last check or sweep that found something damaged or lost."""
    found = Execution.objects.filter(
        kind__in=[ExecutionKind.CHECK, ExecutionKind.SWEEP], errors__gt=0, dry_run=False
    )
    return found.order_by("-created_at", "-id").first()


def _deletes(saved: Values) -> dict[str, Any]:
    """What a night would delete for good: after how many days, and which workflows after others."""
    own = [
        (slug, days)
        for slug in saved.workflows
        if (days := saved.days_of(slug).delete) is not None and days != saved.delete_days
    ]
    return {
        "days": saved.delete_days,
        "own": own[:MOST_NAMED],
        "more": max(0, len(own) - MOST_NAMED),
    }


def _after(last: Execution | None) -> QuerySet[Execution]:
    """Those that stand below this one."""
    found = Execution.objects.order_by("-created_at", "-id")
    if last is None:
        return found
    return found.filter(
        Q(created_at__lte=last.created_at) & (Q(created_at__lt=last.created_at) | Q(id__lt=last.pk))
    )


def _url(name: str) -> str:
    """Of a page that stands beside this one, or "" where it does not."""
    try:
        return reverse(name)
    except NoReverseMatch:
        return ""
