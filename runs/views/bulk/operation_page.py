"""The page of one bulk operation: how far it has come, what became of each run, and its acts."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

from django import forms
from django.contrib import messages
from django.db import DatabaseError
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase, StreamingHttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.http import content_disposition_header
from django_htmx.http import HttpResponseClientRedirect

from runs import ids
from runs.bulk import exports, operations, tasks
from runs.models import BulkOperation
from runs.models.bulk import BulkKind, BulkState, OutcomeStatus
from runs.views.bulk import outcomes, outcomes_file
from runs.views.bulk.ask_form import AskForm
from runs.views.bulk.base import BulkView
from runs.views.bulk.words import OUTCOMES, Said

logger = logging.getLogger(__name__)

_FILES = {
    "csv": (outcomes_file.as_csv, "text/csv; charset=utf-8"),
    "ndjson": (outcomes_file.as_ndjson, "application/x-ndjson"),
}


class RateForm(forms.Form):
    rate = AskForm.base_fields["rate"]


class OperationPage(BulkView):
    http_method_names = ["get", "head", "post", "options"]

    def get(self, request: HttpRequest, operation_id: str) -> HttpResponseBase:
        operation = self._find(operation_id)
        if request.method == "GET" and request.GET.get("download") in _FILES:
            return self.download(operation, request.GET["download"])
        if request.GET.get("confirm") == "abort" and self.may_act(operation) and operation.is_open:
            return self.confirm_abort(operation)
        if request.GET.get("fragment") == "live":
            return self.plain("runs/bulk/live.html", self.context(operation) | {"is_part": True})
        return self.page("runs/bulk/operation.html", self.context(operation))

    def post(self, request: HttpRequest, operation_id: str) -> HttpResponse:
        operation = self._find(operation_id)
        acts: dict[str, Callable[[BulkOperation], HttpResponse]] = {
            "pause": self.pause,
            "resume": self.resume,
            "abort": self.abort,
            "rate": self.set_rate,
            "again": self.again,
        }
        act = acts.get(request.POST.get("act", ""))
        if act is None:
            messages.error(request, "That cannot be done to an operation.")
            return self._lead(operation)
        if not self.may_act(operation):
            return self.handle_no_permission()
        return act(operation)

    def _find(self, public_id: str) -> BulkOperation:
        key = ids.decode("bulk", public_id)
        found = BulkOperation.objects.summed_up().filter(pk=key).first() if key else None
        if found is None:
            raise Http404("There is no such operation.")
        return found

    # -- What is shown -----------------------------------------------------------------------

    def context(self, operation: BulkOperation) -> dict[str, Any]:
        said = Said(operation, self.now)
        return {
            "title": said.title,
            "said": said,
            "operation": operation,
            "may_act": self.may_act(operation),
            "address": reverse("bulk_operation", args=[operation.public_id]),
            "live_url": self._link(fragment="live", before=self.request.GET.get("before", "")),
            "seconds": 1 if operation.state == BulkState.RUNNING else 3,
            "can_repeat": not operation.is_open and operation.failed and self.may_act(operation),
            # Of an export, its file.
            "downloads": exports.downloads(operation, self.now),
            "file_url": reverse("api:bulk-download", args=[operation.public_id]),
            **self._outcomes(operation, said),
        }

    def _outcomes(self, operation: BulkOperation, said: Said) -> dict[str, Any]:
        text = self.request.GET.get("before", "")
        before = ids.decode("run", text) if text else None
        if text and before is None:
            raise Http404("This page of the outcomes does not exist.")
        context: dict[str, Any] = {
            "status": self.status,
            "why": self.why,
            "tabs": self._tabs(operation, said),
            "is_first": before is None,
            "newest_url": self._link(),
        }
        try:
            page = outcomes.page_of(operation, self.status, self.why, before)
            reasons = outcomes.reasons_of(operation)
        except DatabaseError as error:
            logger.warning("the outcomes of %s cannot be read: %s", operation.public_id, error)
            return context | {"problem": True, "rows": [], "reasons": []}
        return context | {
            "rows": page.rows,
            "older_url": page.older and self._link(before=page.older),
            "reasons": [
                (reason, "?" + urlencode({"status": reason.status, "why": reason.words}))
                for reason in reasons
            ],
            "most_reasons": outcomes.MOST_REASONS,
            "is_cut": max(operation.skipped, operation.failed) > outcomes.MOST_REASONS,
        }

    @property
    def status(self) -> str:
        given = self.request.GET.get("status", "")
        return given if given in OutcomeStatus.values else ""

    @property
    def why(self) -> str:
        return self.request.GET.get("why", "").replace("\0", "")[:300]

    def _link(self, **more: str) -> str:
        pairs = {"status": self.status, "why": self.why, **more}
        return "?" + urlencode({name: value for name, value in pairs.items() if value})

    def _tabs(self, operation: BulkOperation, said: Said) -> list[dict[str, Any]]:
        every = {"name": "", "label": "All", "look": "", "icon": "", "url": "?"}
        tabs = [{**every, "count": operation.visited}]
        for status, look, label, count, _ in said.parts:
            icon = OUTCOMES[OutcomeStatus(status)][1]
            tabs.append(
                {
                    "name": status, "label": label, "look": look, "icon": icon, "count": count,
                    "url": f"?status={status}",
                }
            )  # fmt: skip
        return tabs

    def download(self, operation: BulkOperation, name: str) -> StreamingHttpResponse:
        make, content_type = _FILES[name]
        # Asynchronous: of a synchronous one the server would gather all before it sends any.
        answer = StreamingHttpResponse(make(operation, self.status), content_type=content_type)
        file = f"{operation.public_id}-outcomes.{name}"
        header = content_disposition_header(as_attachment=True, filename=file)
        answer.headers["Content-Disposition"] = header or ""
        answer.headers["Cache-Control"] = "no-store"
        return answer

    # -- Acts --------------------------------------------------------------------------------

    def pause(self, operation: BulkOperation) -> HttpResponse:
        done = operations.pause(operation, by=self.user.as_actor(), now=self.now)
        return self._came(operation, done, "Paused. What is done stays done.")

    def resume(self, operation: BulkOperation) -> HttpResponse:
        done = operations.resume(operation, by=self.user.as_actor(), now=self.now)
        if done:
            tasks.begin(operation)
        return self._came(operation, done, "Resumed.")

    def abort(self, operation: BulkOperation) -> HttpResponse:
        done = operations.abort(operation, by=self.user.as_actor(), now=self.now)
        left = "Its file is gone." if operation.kind == BulkKind.EXPORT else "What is done stays."
        return self._came(operation, done, f"Aborted. {left}")

    def set_rate(self, operation: BulkOperation) -> HttpResponse:
        form = RateForm(self.request.POST)
        if not form.is_valid():
            why = " ".join(map(str, form.errors["rate"]))
            messages.error(self.request, f"The limit stays as it was. {why}")
        elif not operation.is_open:
            messages.warning(self.request, "It has ended meanwhile, so there is nothing to limit.")
        else:
            rate: int | None = form.cleaned_data["rate"]
            operations.set_rate(operation, rate, by=self.user.as_actor())
            said = f"at most {rate:,} runs a second" if rate else "as fast as it goes"
            messages.success(self.request, f"From now on: {said}.")
        return self._lead(operation)

    def again(self, operation: BulkOperation) -> HttpResponse:
        try:
            new = operations.again(operation, by=self.user.as_actor(), now=self.now)
        except operations.NotPossible as error:
            messages.error(self.request, str(error))
            return self._lead(operation)
        tasks.begin(new)
        return self._lead(new)

    def confirm_abort(self, operation: BulkOperation) -> HttpResponse:
        context = {"title": "Abort", "operation": operation, "said": Said(operation, self.now)}
        if self.request.headers.get("HX-Request"):
            return self.plain("runs/bulk/_abort.html", context)
        return self.page("runs/bulk/abort.html", context)

    def _came(self, operation: BulkOperation, done: bool, words: str) -> HttpResponse:
        if done:
            messages.success(self.request, words)
        else:
            messages.warning(self.request, "It was too late for that; this is how it is now.")
        return self._lead(operation)

    def _lead(self, operation: BulkOperation) -> HttpResponse:
        url = reverse("bulk_operation", args=[operation.public_id])
        if self.request.headers.get("HX-Request"):
            return HttpResponseClientRedirect(url)
        return redirect(url)
