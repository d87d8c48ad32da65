"""The page of one execution: how far it has come, what it did and found, and its end by hand."""

from __future__ import annotations

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
from retention.views.executions.base import ExecutionView
from retention.views.executions.findings_file import as_csv
from retention.views.executions.words import Said
from runs import ids
from runs.models import Run

PAGE_SIZE = 50


class ExecutionPage(ExecutionView):
    http_method_names = ["get", "head", "post", "options"]

    def get(self, request: HttpRequest, execution_id: str) -> HttpResponseBase:
        execution = find(execution_id)
        if request.method == "GET" and request.GET.get("download") == "csv":
            return self.download(execution)
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
            "live_url": "?"
            + urlencode({"fragment": "live", **({"after": after} if after else {})}),
            "seconds": 1 if not execution.trouble else 3,
            "rows": [(each, _public(each), each.run_id in there) for each in shown],
            "is_first": not after,
            "later": shown[-1].pk if len(found) > PAGE_SIZE else "",
            "most_findings": MOST_FINDINGS,
            "is_cut": execution.found > MOST_FINDINGS,
            "findings_days": FINDINGS_KEPT.days,
            "are_forgotten": _are_forgotten(execution, self.now),
            "is_part": part,
        }

    def _after(self) -> int:
        text = self.request.GET.get("after", "")
        if text and not (text.isascii() and text.isdigit() and len(text) < 19):
            raise Http404("This page of the findings does not exist.")
        return int(text or 0)

    def download(self, execution: Execution) -> StreamingHttpResponse:
        # Asynchronous: of a synchronous one the server would gather all before it sends any.
        answer = StreamingHttpResponse(as_csv(execution), content_type="text/csv; charset=utf-8")
        file = f"{execution.public_id}-findings.csv"
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


def _are_forgotten(execution: Execution, now: datetime) -> bool:
    """Whether what it found is past its time; the last of it may be there still."""
    ended = execution.ended_at
    return bool(execution.found and ended and ended < now - FINDINGS_KEPT)


def _public(finding: Finding) -> str:
    return ids.encode("run", finding.run_id) if finding.run_id else ""
