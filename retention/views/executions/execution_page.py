"""The page of one execution: how far it has come, what it did and found, and its end by hand."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase, StreamingHttpResponse
from django.urls import reverse
from django.utils.http import content_disposition_header

from retention import executions
from retention.models import Execution, Finding
from retention.pruning import FINDINGS_KEPT
from retention.taken import MOST_FINDINGS
from retention.values import OVERRIDE_NAMES, WORDS
from retention.views.executions import deleted_file, findings_file
from retention.views.executions.base import ExecutionView
from retention.views.executions.words import Said
from runs import ids
from runs.models import Run, Workflow

PAGE_SIZE = 50


class ExecutionPage(ExecutionView):
    http_method_names = ["get", "head", "post", "options"]

    def get(self, request: HttpRequest, execution_id: str) -> HttpResponseBase:
        execution = find(execution_id)
        if request.method == "GET" and request.GET.get("download") == "csv":
            return self.download(execution, findings_file.as_csv(execution), "findings")
        if request.method == "GET" and request.GET.get("download") == "deleted":
            return self.download(execution, deleted_file.as_csv(execution), "deleted")
        if request.GET.get("confirm") == "abort" and execution.is_running:
            return self.confirm_abort(execution)
        if request.GET.get("fragment") == "live":
            return self.plain("retention/execution_live.html", self.context(execution, part=True))
        return self.page("retention/execution.html", self.context(execution))

    def post(self, request: HttpRequest, execution_id: str) -> HttpResponse:
        execution = find(execution_id)
        if request.POST.get("act") != "abort":
            messages.error(request, "That cannot be done to an execution.")
        elif executions.abort(
            execution,
            by=self.user.as_actor(),
            now=self.now,
            reason=request.POST.get("reason", "").replace("\0", ""),
        ):
            messages.success(request, "It is aborted. What was done stays done.")
        else:
            messages.warning(request, "It was too late for that; this is how it is now.")
        return self.lead(reverse("retention_execution", args=[execution.public_id]))

    def context(self, execution: Execution, *, part: bool = False) -> dict[str, Any]:
        said = Said(execution, self.now)
        after = self._after()
        found = list(
            Finding.objects.filter(execution=execution.pk, id__gt=after).order_by("id")[
                : PAGE_SIZE + 1
            ]
        )
        shown = found[:PAGE_SIZE]
        there = Run.objects.in_bulk([each.run_id for each in shown if each.run_id])
        return {
            "title": said.title,
            "said": said,
            "execution": execution,
            "address": reverse("retention_execution", args=[execution.public_id]),
            "live_url": "?" + urlencode({"fragment": "live", **self._places()}),
            "seconds": 1 if not execution.trouble else 3,
            "rows": [(each, _public(each), each.run_id in there) for each in shown],
            "is_first": not self._places(),
            "later": shown[-1].pk if len(found) > PAGE_SIZE else "",
            "most_findings": MOST_FINDINGS,
            "is_cut": execution.found > MOST_FINDINGS,
            "findings_days": FINDINGS_KEPT.days,
            **self._deleted(execution),
            "policy_workflows": _policy_workflows(execution),
            "are_forgotten": _are_forgotten(execution, self.now),
            "is_part": part,
        }

    def _deleted(self, execution: Execution) -> dict[str, Any]:
        """A page of the runs that it deleted for good."""
        if not execution.deleted_runs:
            return {}
        behind = self.request.GET.get("deleted_after", "")
        found = executions.deleted_by(execution)
        if behind:
            run_id = ids.decode("run", behind)
            last = found.filter(pk=run_id).first() if run_id else None
            if last is None:
                raise Http404("This page of the deleted runs does not exist.")
            found = executions.deleted_by(execution, last)
        rows = list(found[: PAGE_SIZE + 1])
        shown = rows[:PAGE_SIZE]
        slugs = dict(
            Workflow.objects.filter(pk__in={row.workflow_id for row in shown}).values_list(
                "pk", "slug"
            )
        )
        return {
            "deleted": [(row, slugs.get(row.workflow_id or 0, "")) for row in shown],
            "deleted_is_first": not behind,
            "deleted_later": shown[-1].public_id if len(rows) > PAGE_SIZE else "",
        }

    def _places(self) -> dict[str, str]:
        """Which pages of its lists are shown, where they are not the first ones."""
        asked = {name: self.request.GET.get(name, "") for name in ("after", "deleted_after")}
        return {name: value for name, value in asked.items() if value}

    def _after(self) -> int:
        text = self.request.GET.get("after", "")
        if text and not (text.isascii() and text.isdigit() and len(text) < 19):
            raise Http404("This page of the findings does not exist.")
        return int(text or 0)

    def download(
        self, execution: Execution, lines: AsyncIterator[str], what: str
    ) -> StreamingHttpResponse:
        # Asynchronous: of a synchronous one the server would gather all before it sends any.
        answer = StreamingHttpResponse(lines, content_type="text/csv; charset=utf-8")
        file = f"{execution.public_id}-{what}.csv"
        header = content_disposition_header(as_attachment=True, filename=file)
        answer.headers["Content-Disposition"] = header or ""
        answer.headers["Cache-Control"] = "no-store"
        return answer

    def confirm_abort(self, execution: Execution) -> HttpResponse:
        context = {"title": "Abort", "execution": execution, "said": Said(execution, self.now)}
        if self.request.headers.get("HX-Request"):
            return self.plain("retention/_execution_abort.html", context)
        return self.page("retention/execution_abort.html", context)


def find(public_id: str) -> Execution:
    key = ids.decode("exec", public_id)
    found = Execution.objects.filter(pk=key).first() if key else None
    if found is None:
        raise Http404("There is no such execution.")
    return found


def _policy_workflows(execution: Execution) -> list[tuple[str, str]]:
    """What was otherwise for workflows, in words."""
    own = execution.options.get("policy", {}).get("workflows", {})
    return [
        (
            slug,
            ", ".join(
                WORDS[name] if days[name] is True else f"{WORDS[name]} {days[name]:,}"
                for name in OVERRIDE_NAMES
                if name in days
            ),
        )
        for slug, days in sorted(own.items())
    ]


def _are_forgotten(execution: Execution, now: datetime) -> bool:
    """Whether what it found is past its time; the last of it may be there still."""
    ended = execution.ended_at
    return bool(execution.found and ended and ended < now - FINDINGS_KEPT)


def _public(finding: Finding) -> str:
    return ids.encode("run", finding.run_id) if finding.run_id else ""
