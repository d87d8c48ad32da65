"""The page of one run, and the parts of it that are fetched as it lives.

One URL answers with the whole page or, with `fragment`, with a part: `overview` (all above the
tabs), `tabs`, `events` (a stretch of the history), `payload` (one event's, as text), `context`
(JSON), `alike` (how many runs failed as this one did). What the page shows is in its address: see
`run_address`. For its acts see `run_acts`.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import cached_property
from typing import Any, TypeVar

from django.contrib import messages
from django.http import (
    Http404,
    HttpRequest,
    HttpResponse,
    HttpResponseBase,
    JsonResponse,
    StreamingHttpResponse,
)
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.http import content_disposition_header

from runs import ids, restore_days
from runs.context import context_of
from runs.models import AuditEntry, Event, Run, TriggeredRun
from runs.models.trigger import TriggerKind
from runs.objects import StorageAway
from runs.states import RunState
from runs.views import run_alike, run_archive, run_history, stuck
from runs.views.event_words import Teller, pretty
from runs.views.run_acts import RunActs
from runs.views.run_address import TABS
from runs.views.run_bundle import bundle
from runs.views.run_download import as_json, opened
from runs.views.run_forms import DeleteForm, HoldForm, ProlongForm, TerminateForm
from runs.views.run_node import PANES, Panel, panel
from runs.views.run_overview import (
    LINEAGE,
    NAMED_RETRIES,
    Overview,
    graph_or_none,
    overview,
    retries_of,
)
from runs.views.run_retry import retry_plan
from runs.views.run_tabs import history_context, tab_context
from runs.whole_log import AT_ONCE_BYTES

logger = logging.getLogger(__name__)

Answer = TypeVar("Answer", bound=HttpResponseBase)
# By the parameter's value: what makes the file, its name's ending and its type.
DOWNLOADS: dict[str, tuple[Callable[..., Any], str, str]] = {
    "json": (as_json, ".json", "application/json"),
    "bundle": (bundle, "-bundle.zip", "application/zip"),
}


class RunPage(RunActs):
    """Mount it with ``RunPage.as_view(model_admin=self)`` at ``<str:run_id>/``."""

    def get(self, request: HttpRequest, run_id: str) -> HttpResponseBase:
        if not self.find(run_id):
            return self.missing(run_id)
        fragments: dict[str, Callable[[], HttpResponse]] = {
            "overview": self.overview_fragment,
            "tabs": self.tabs_fragment,
            "events": self.events_fragment,
            "payload": self.payload_fragment,
            "context": self.context_fragment,
            "alike": self.alike_fragment,
        }
        if fragment := fragments.get(request.GET.get("fragment", "")):
            return fragment()
        # A HEAD takes nothing away, so it is no download to be audited.
        if request.method == "GET" and request.GET.get("download") in DOWNLOADS:
            return self.download(request.GET["download"])
        if request.GET.get("confirm") == "delete" and self.can("delete"):
            return self.asked("delete", DeleteForm(self.run))
        if request.GET.get("confirm") == "terminate" and self.can("terminate"):
            return self.asked("terminate", TerminateForm())
        if request.GET.get("confirm") == "hold" and self.can("hold"):
            return self.asked("hold", HoldForm(self.run))
        if request.GET.get("confirm") == "prolong" and self.can("prolong"):
            return self.asked("prolong", ProlongForm(initial={"days": restore_days.usual()}))
        if request.GET.get("confirm") == "retry_from" and self.can("retry"):
            return self.confirm_retry_from()
        return self.page()

    # -- What is asked for -------------------------------------------------------------------

    @cached_property
    def shown(self) -> Overview:
        return overview(self.run, self.now)

    @cached_property
    def node_key(self) -> str:
        """The node whose panel is open: the one asked for, else the one to blame."""
        if self.address.node is not None:
            return self.address.node
        return self.run.error_node if self.run.state == RunState.FAILED else ""

    # -- Answers -----------------------------------------------------------------------------

    def page(self, status: int = 200, **more: Any) -> HttpResponse:
        context = {**self.overview_context(), **self.tabs_context(), **more}
        if context["can_retry_from"]:
            context |= retry_plan(self.run)
        return self.framed("runs/run.html", context, status)

    def overview_fragment(self) -> HttpResponse:
        return render(self.request, "runs/run/overview.html", self.overview_context())

    def tabs_fragment(self) -> HttpResponse:
        context = {**self.base_context(), **self.tabs_context()}
        return render(self.request, "runs/run/tabs.html", context)

    def events_fragment(self) -> HttpResponse:
        context = history_context(self.run, self.address, self.teller, self.log)
        return render(self.request, "runs/run/events.html", context)

    def alike_fragment(self) -> HttpResponse:
        context = {"alike": run_alike.alike(self.run, self.now)}
        return render(self.request, "runs/run/alike.html", context)

    def payload_fragment(self) -> HttpResponse:
        """As plain text: whatever it holds, a browser does not run it."""
        try:
            value = self._payload(self.address.number("seq") or 0, self.request.GET.get("part", ""))
        except Event.DoesNotExist:
            raise Http404("There is no such event.") from None
        except run_archive.Unreadable as error:
            return self.unreadable(error)
        return HttpResponse(pretty(value), content_type="text/plain; charset=utf-8")

    def _payload(self, seq: int, name: str) -> Any:
        if self.log and self.log.has(seq):
            found = run_archive.read(self.run).data_of({seq}, AT_ONCE_BYTES)
            if not (data := found.get(seq)):
                raise Event.DoesNotExist
            return run_history.part_of(data, name)
        return run_history.payload(self.run.pk, seq, name)

    def unreadable(self, error: run_archive.Unreadable) -> HttpResponse:
        return HttpResponse(
            str(error), status=error.status, content_type="text/plain; charset=utf-8"
        )

    def download(self, name: str) -> HttpResponseBase:
        """The whole run as a file. It leaves the portal, so it is audited."""
        # Another site's link, image or frame: the person may not know what it asks for. Browsers
        # say where a request comes from; other clients say nothing.
        if self.request.headers.get("Sec-Fetch-Site") == "cross-site":
            said = "Another site’s link asked for a download of this run. Nothing was downloaded."
            messages.info(self.request, said)
            return redirect("admin:runs_run_page", self.run.public_id)
        if not self.can("export"):
            return self.refused("You may not export runs.", 403)
        try:
            log = opened(self.run)
        except StorageAway as error:
            logger.warning("%s is not exported: %s", self.run.public_id, error)
            return self.refused(
                "Storage, where its log is archived, does not answer: nothing was exported.", 503
            )
        make, ending, content_type = DOWNLOADS[name]
        action = name if name == "bundle" else "export"
        AuditEntry.objects.note(self.by, action, ("run", self.run.public_id))
        # Asynchronous: of a synchronous one the server would gather all before it sends any.
        answer = StreamingHttpResponse(make(self.run, self.now, log), content_type=content_type)
        return self.as_file(answer, ending)

    def as_file(self, answer: Answer, ending: str) -> Answer:
        name = f"{self.run.public_id}{ending}"
        header = content_disposition_header(as_attachment=True, filename=name)
        answer.headers["Content-Disposition"] = header or ""
        return answer

    def context_fragment(self) -> HttpResponse:
        options = {"ensure_ascii": False, "indent": 2}
        try:
            log = None if self.run.has_log else run_archive.read(self.run)
        except run_archive.Unreadable as error:
            return self.unreadable(error)
        answer = JsonResponse(context_of(self.run, log), json_dumps_params=options)
        return self.as_file(answer, "-context.json") if "download" in self.request.GET else answer

    def _trigger_url(self) -> str:
        """The page of the trigger that started it; "" where there is none that one may see."""
        is_by_trigger = self.run.trigger in TriggerKind.values
        if not is_by_trigger or not self.request.user.has_perm("runs.view_trigger"):
            return ""
        trigger = TriggeredRun.objects.filter(run=self.run.pk).values_list("trigger", flat=True)
        found = trigger.first()
        return reverse("trigger", args=[found]) if found else ""

    # -- Contexts ----------------------------------------------------------------------------

    def overview_context(self) -> dict[str, Any]:
        shown, run = self.shown, self.run
        retries = [run_id for (run_id,) in retries_of(run).values_list("pk")[: NAMED_RETRIES + 1]]
        opened = self.panel
        return {
            **self.base_context(),
            "shown": shown,
            "notice": shown.notice,
            "stuck": [stuck.card(each, run, self.request.user, self.now) for each in shown.stuck],
            "shows_table": self.address.shows_table,
            # Who opens a node has the lanes already, and there may be a thousand.
            "without_lanes": "same_lanes" in self.request.GET,
            "timeline_url": self.address.link(view=None),
            "table_url": self.address.link(view="table"),
            "node_url": self.address.link(node=None, pane=None, attempt=None),
            "close_url": self.address.link(node="", pane=None, attempt=None),
            "panel": opened,
            "panel_tabs": self.panel_tabs(opened) if opened else [],
            "retries": [ids.encode("run", run_id) for run_id in retries[:NAMED_RETRIES]],
            "trigger_url": self._trigger_url(),
            "more_retries": len(retries) > NAMED_RETRIES,
            "retry_of": ids.encode("run", run.retry_of_id) if run.retry_of_id else "",
            "can_retry_from": shown.is_reusable and self.can("retry"),
            "lineage_url": self.address.link(tab="lineage"),
            "job_url": self.address.link(tab="job"),
            "tabs": self.tab_links,
        }

    @cached_property
    def tab_links(self) -> list[dict[str, Any]]:
        counts = {"history": self.run.last_seq, "lineage": self.lineage_count or None}
        return [
            {
                "name": name,
                "label": label,
                "url": self.address.link(tab=name),
                "current": name == self.address.tab,
                "count": counts.get(name),
            }
            for name, label in TABS.items()
        ]

    @cached_property
    def lineage_count(self) -> int:
        first = self.run.first_id or self.run.pk
        count = Run.objects.filter(first=first)[:LINEAGE].count()
        return count + 1 if count else 0

    @cached_property
    def panel(self) -> Panel | None:
        if not self.node_key:
            return None
        wanted = self.address.pane, self.address.attempt
        return panel(self.shown, self.node_key, *wanted, self.teller, self.log)

    def panel_tabs(self, opened: Panel) -> list[dict[str, Any]]:
        key = opened.node.key
        return [
            {
                "label": label,
                "url": self.address.link(node=key, pane=pane),
                "current": pane == opened.pane,
                "count": opened.counts.get(pane),
            }
            for pane, label in PANES.items()
        ]

    def tabs_context(self) -> dict[str, Any]:
        shown = tab_context(self.run, self.address, self.teller, self.log)
        return {"tab": self.address.tab, "tabs": self.tab_links, **shown}

    @cached_property
    def teller(self) -> Teller:
        run = self.run
        last = run.completed_at or self.now
        days = {timezone.localtime(at).date() for at in (run.created_at, last)}
        original = ids.encode("run", run.retry_of_id) if run.retry_of_id else ""
        return Teller(
            created_at=run.created_at,
            dated=len(days) > 1,
            graph=graph_or_none(run),
            retry_of_url=reverse("admin:runs_run_page", args=[original]) if original else "",
        )
