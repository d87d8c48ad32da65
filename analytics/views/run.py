"""The analysis of one run: a page, its findings as a part of the run's own page, CSV and JSON."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from typing import Any

from django.contrib import admin
from django.contrib.auth.mixins import PermissionRequiredMixin
from django.db import DatabaseError
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.views.generic import View

from analytics import figures, run_cost
from analytics.documents import plain
from analytics.figures import Figure
from analytics.one_run import NodeCompared, RunAnalysis, analysis_of
from analytics.views.base import csv_answer
from runs import ids
from runs.models import Run
from runs.templatetags.runs_ui import milliseconds as length
from runs.templatetags.runs_ui import short
from runs.timeouts import was_stopped

logger = logging.getLogger(__name__)

# Nodes that are told before somebody asks for all of them; names in a sentence.
SHOWN = 25
NAMED = 3


class RunAnalysisPage(PermissionRequiredMixin, View):
    """Mount it in `admin_view`, at a run's id."""

    permission_required = "runs.view_run"
    raise_exception = True
    http_method_names = ["get", "head", "options"]

    def get(self, request: HttpRequest, run_id: str) -> HttpResponse:
        self.now = timezone.now()
        self.run = _find(run_id)
        part, wanted = request.GET.get("part", ""), request.GET.get("as", "")
        try:
            found = analysis_of(self.run, self.now)
            answer = self._answer(found, part, wanted)
        except DatabaseError as error:
            logger.warning("%s cannot be analysed: %s", self.run.public_id, error)
            answer = self._unanswered(part or wanted, stopped=was_stopped(error))
        answer.headers.setdefault("Cache-Control", "no-store")
        return answer

    def _answer(self, found: RunAnalysis, part: str, wanted: str) -> HttpResponse:
        if wanted == "json":
            return JsonResponse(plain(found.document()))
        if wanted == "csv":
            return csv_answer(f"{self.run.public_id}-nodes", *_rows(found))
        if part == "findings":
            return render(self.request, "analytics/run_findings.html", self.context(found))
        return self._page("analytics/run.html", {**self.context(found), **self._calls()})

    def _unanswered(self, part: str, *, stopped: bool) -> HttpResponse:
        said = (
            "Counting was stopped after 10 seconds. Open this page again in a while."
            if stopped
            else "The figures cannot be read now. Nothing is lost: open this page again soon."
        )
        if part in ("csv", "json"):
            return JsonResponse({"detail": said}, status=503)
        if part:
            return HttpResponse(said, status=503, content_type="text/plain; charset=utf-8")
        return self._page("analytics/run_unanswered.html", {"said": said}, 503)

    def _page(self, template: str, context: dict[str, Any], status: int = 200) -> HttpResponse:
        self.request.current_app = admin.site.name
        common = {
            "now": self.now,
            "run": self.run,
            "title": short(self.run.public_id),
            "run_url": reverse("admin:runs_run_page", args=[self.run.public_id]),
            "here": self.request.path,
            "runs_url": reverse("admin:runs_run_changelist"),
        }
        frame = admin.site.each_context(self.request)
        return render(self.request, template, {**frame, **common, **context}, status=status)

    def context(self, found: RunAnalysis) -> dict[str, Any]:
        shows_all = self.request.GET.get("nodes") == "all"
        usual = found.usual
        return {
            "now": self.now,
            "run": self.run,
            "found": found,
            "usual": usual,
            "why": found.why,
            "runs_url": reverse("admin:runs_run_changelist"),
            "full_url": reverse("analysis_run", args=[self.run.public_id]),
            "figures": _figures(found),
            "named": found.longer[:NAMED],
            "more_longer": max(0, len(found.longer) - NAMED),
            "nodes": found.nodes if shows_all else found.nodes[:SHOWN],
            "more_nodes": 0 if shows_all else max(0, len(found.nodes) - SHOWN),
            "path": _path_words(found),
            "dearest": next((node for node in found.cost.nodes if node.cost), None),
            "drawn": {
                "words": usual.words,
                "nodes": {
                    node.node: [round(node.took.p50), length(node.took.p50)]
                    for node in found.nodes
                    if node.took.p50 is not None
                },
            },
        }

    def _calls(self) -> dict[str, Any]:
        text = self.request.GET.get("calls", "")
        after = int(text) if text.isascii() and text.isdecimal() and len(text) < 10 else 0
        calls = run_cost.calls_of(self.run, after, run_cost.CALLS + 1)
        more = calls[run_cost.CALLS - 1].seq if len(calls) > run_cost.CALLS else 0
        return {"calls": calls[: run_cost.CALLS], "calls_after": after, "calls_more": more}


def _find(public_id: str) -> Run:
    pk = ids.decode("run", public_id)
    runs = Run.objects.select_related("workflow", "version").defer("version__definition")
    found = runs.filter(pk=pk).first() if pk else None
    if found is None:
        raise Http404("There is no such run.")
    return found


def _figures(found: RunAnalysis) -> list[Figure]:
    """How each compares with what is usual, in words of their own: it is no time before."""
    usual, took, time, cost = found.usual, found.took, found.time, found.cost
    link = usual.link
    return [
        Figure(
            "Duration" if found.run.is_final else "Duration so far",
            length(took.ms) if took else "–",
            took.ms if took else None,
            change=took.words if took else "",
            is_worse=bool(took and took.is_longer),
            link=link + "&sort=duration",
            note=f"Median {length(usual.p50)}, 95 % within {length(usual.p95)}: {usual.words}"
            if usual.is_known
            else usual.nothing_words,
        ),
        Figure(
            "Waited for a start",
            length(found.waited),
            found.waited,
            change=f"{length(usual.waited)} on average" if usual.waited is not None else "",
            is_worse=found.is_queued_longer,
            link=link,
        ),
        Figure(
            "Parallel efficiency",
            time.efficiency_words if time else "–",
            time.efficiency if time else None,
            change=f"usually {figures.percent(usual.efficiency)}" if usual.efficiency else "",
            is_worse=bool(
                time and usual.efficiency and (time.efficiency or 0) < usual.efficiency - 0.1
            ),
            link=link,
            note="What it could have taken had each node begun as soon as those that it needs had"
            " ended, of what it took",
        ),
        Figure(
            "Cost",
            figures.dollars(cost.total.cost),
            cost.total.cost,
            change=f"{figures.dollars(cost.usual)} on average" if cost.usual is not None else "",
            is_worse=cost.is_more,
            link=link + "&sort=cost",
            note=f"{cost.total.cost:f} US dollars in {cost.total.calls:,} model calls",
        ),
    ]


def _path_words(found: RunAnalysis) -> str:
    """``ocr → extract → check``; of a long one its ends."""
    names = [node.node for node in found.time.path] if found.time else []
    if len(names) > 6:
        names = [*names[:3], f"{len(names) - 5} more", *names[-2:]]
    return " → ".join(names)


def _rows(found: RunAnalysis) -> tuple[Sequence[str], Iterable[Sequence[Any]]]:
    """As CSV: the nodes that were begun, with what each cost."""
    spent = {node.node: node for node in found.cost.nodes}
    heads = [
        "node", "kind", "status", "attempts", "ms", "p50_ms", "p95_ms", "of_runs", "queued_ms",
        "calls", "input_tokens", "output_tokens", "cached_tokens", "cost", "failed_cost",
    ]  # fmt: skip
    return heads, [_row(node, spent.get(node.node) or run_cost.Spent("")) for node in found.nodes]


def _row(node: NodeCompared, spent: run_cost.Spent) -> list[Any]:
    took = node.took
    return [
        node.node, node.kind, node.status, node.attempts, took.ms, took.p50, took.p95, node.of,
        node.queued, spent.calls, spent.input_tokens, spent.output_tokens, spent.cached_tokens,
        spent.cost, spent.failed,
    ]  # fmt: skip
