"""The page of one run, the parts of it that are fetched as it lives, and its acts.

One URL answers with the whole page or, with `fragment`, with a part: `overview` (all above the
tabs), `tabs`, `events` (a stretch of the history), `payload` (one event's, as text), `context`
(JSON). What the page shows is in its address: see `run_address`.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import cached_property
from typing import Any, TypeVar

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.mixins import PermissionRequiredMixin
from django.db.models import OuterRef, Subquery
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
from django.utils.log import log_response
from django.views.generic import View
from django_htmx.http import HttpResponseClientRedirect

from runs import ids, lifecycle
from runs.bulk import operations, tasks
from runs.context import context_of
from runs.models import AuditEntry, DeletedRun, Event, Run, TriggeredRun, WorkflowVersion
from runs.models.bulk import BulkKind
from runs.models.trigger import TriggerKind
from runs.objects import StorageAway
from runs.states import RunState
from runs.stuck import rescue
from runs.templatetags.runs_ui import short
from runs.views import run_alike, run_archive, run_history, stuck
from runs.views.event_words import Teller, pretty
from runs.views.run_address import TABS, Address
from runs.views.run_bundle import bundle
from runs.views.run_download import as_json, opened
from runs.views.run_forms import SHORT, DeleteForm, HoldForm, TerminateForm
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


class RunPage(PermissionRequiredMixin, View):
    """Mount it with ``RunPage.as_view(model_admin=self)`` at ``<str:run_id>/``."""

    model_admin: Any = None
    permission_required = "runs.view_run"
    raise_exception = True
    http_method_names = ["get", "head", "post", "options"]

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        self.now = timezone.now()
        answer = super().dispatch(request, *args, **kwargs)
        answer.headers.setdefault("Cache-Control", "no-store")
        return answer

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
            return self.confirm_delete(DeleteForm(self.run))
        if request.GET.get("confirm") == "terminate" and self.can("terminate"):
            return self.confirm_terminate(TerminateForm())
        if request.GET.get("confirm") == "hold" and self.can("hold"):
            return self.confirm_hold(HoldForm(self.run))
        if request.GET.get("confirm") == "retry_from" and self.can("retry"):
            return self.confirm_retry_from()
        return self.page()

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
            "rescue": self.rescue,
        }
        act = acts.get(request.POST.get("act", ""))
        return act() if act else self.refused("Unknown act.", 400)

    # -- What is asked for -------------------------------------------------------------------

    run: Run

    def find(self, public_id: str) -> bool:
        uuid = ids.decode("run", public_id)
        newest = WorkflowVersion.objects.filter(workflow=OuterRef("workflow")).order_by("-number")
        runs = (
            Run.objects.select_related("workflow", "version")
            .defer("version__definition")
            .annotate(newest_version=Subquery(newest.values("number")[:1]))
        )
        found = runs.filter(pk=uuid).first() if uuid else None
        if found is not None:
            self.run = found
        return found is not None

    @cached_property
    def shown(self) -> Overview:
        return overview(self.run, self.now)

    @cached_property
    def address(self) -> Address:
        return Address(self.request.GET)

    @cached_property
    def log(self) -> run_archive.Archived | None:
        return run_archive.archived(self.run)

    @cached_property
    def node_key(self) -> str:
        """The node whose panel is open: the one asked for, else the one to blame."""
        if self.address.node is not None:
            return self.address.node
        return self.run.error_node if self.run.state == RunState.FAILED else ""

    @property
    def is_part(self) -> bool:
        """Whether a module asks, which puts the answer into a dialog."""
        return bool(self.request.headers.get("HX-Request"))

    def can(self, act: str) -> bool:
        user = self.request.user
        if act == "retry":
            return self.run.can_retry and user.has_perm("runs.retry_run")
        if act == "terminate":
            return self.run.can_terminate and user.has_perm("runs.terminate_run")
        if act == "delete":
            return self.run.can_delete and user.has_perm("runs.delete_run")
        if act == "hold":
            return user.has_perm("runs.hold_run")
        if act == "restore":
            return self.run.can_restore and user.has_perm("runs.restore_run")
        if act == "export":
            return user.has_perm("runs.export_run")
        return not self.run.is_elsewhere and user.has_perm("runs.execute_workflow")

    # -- Answers -----------------------------------------------------------------------------

    def page(self, status: int = 200, **more: Any) -> HttpResponse:
        context = {**self.overview_context(), **self.tabs_context(), **more}
        if context["can_retry_from"]:
            context |= retry_plan(self.run)
        return self.framed("runs/run.html", context, status)

    def framed(self, template: str, context: dict[str, Any], status: int = 200) -> HttpResponse:
        self.request.current_app = self.model_admin.admin_site.name
        frame = self.model_admin.admin_site.each_context(self.request)
        return render(self.request, template, {**frame, "now": self.now, **context}, status=status)

    def missing(self, public_id: str) -> HttpResponse:
        run_id = ids.decode("run", public_id)
        deleted = DeletedRun.objects.filter(pk=run_id).first() if run_id else None
        title = "Deleted run" if deleted else "No such run"
        context = {"title": title, "asked": public_id[:100], "deleted": deleted}
        return self.framed("runs/run/missing.html", context, 404)

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
        actor = self.request.user.as_actor()  # type: ignore[union-attr]
        action = name if name == "bundle" else "export"
        AuditEntry.objects.note(actor, action, ("run", self.run.public_id))
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

    def base_context(self) -> dict[str, Any]:
        run = self.run
        return {
            "now": self.now,
            "run": run,
            "title": short(run.public_id),
            "can_retry": self.can("retry"),
            "retry_from_url": self.address.link(confirm="retry_from"),
            "can_terminate": self.can("terminate"),
            "can_start": self.can("start"),
            "can_export": self.can("export"),
            "can_delete": self.can("delete"),
            "is_kept": self.run.is_final
            and self.run.is_held
            and self.request.user.has_perm("runs.delete_run"),
            "can_hold": self.can("hold"),
            "can_restore": self.can("restore") and not (self.log and self.log.is_coming),
            "log": self.log,
            "keep_url": self.address.link(),
            "hold_url": self.address.link(confirm="hold"),
            "short_end": run.public_id[-SHORT:],
            # The same input would fail again: then the likeliest next act is to change it.
            "input_error": run.error_kind == "InputInvalid",
            "page_url": reverse("admin:runs_run_page", args=[run.public_id]),
            "terminate_url": self.address.link(confirm="terminate"),
            "delete_url": self.address.link(confirm="delete"),
            "support_url": settings.SUPPORT_URL,
            "alike_url": run_alike.list_url(run) if run.state == RunState.FAILED else "",
        }

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

    # -- Acts --------------------------------------------------------------------------------

    def retry(self, act: Callable[..., lifecycle.Outcome]) -> HttpResponse:
        if not self.request.user.has_perm("runs.retry_run"):
            return self.refused("You may not retry runs.", 403)
        by = self.request.user.as_actor()  # type: ignore[union-attr]
        outcome = act(Run.objects.filter(pk=self.run.pk), by=by, now=self.now)
        new = outcome.done.get(self.run.pk)
        if new is None:
            why = outcome.skipped.get(self.run.pk, "it is gone")
            return self.refused(f"This run was not retried: {why}.", 409)
        public_id = ids.encode("run", new)
        messages.success(self.request, f"This is the retry of {short(self.run.public_id)}.")
        if self.is_part:
            return HttpResponseClientRedirect(reverse("admin:runs_run_page", args=[public_id]))
        return redirect("admin:runs_run_page", public_id)

    def confirm_retry_from(self) -> HttpResponse:
        context = {**self.base_context(), **retry_plan(self.run)}
        return self.framed("runs/run/retry_from.html", context)

    def terminate(self) -> HttpResponse:
        if not self.request.user.has_perm("runs.terminate_run"):
            return self.refused("You may not terminate runs.", 403)
        form = TerminateForm(self.request.POST)
        if not form.is_valid():
            return self.confirm_terminate(form, 422)
        outcome = lifecycle.terminate(
            Run.objects.filter(pk=self.run.pk),
            by=self.request.user.as_actor(),  # type: ignore[union-attr]
            reason=form.cleaned_data["reason"],
            now=self.now,
        )
        if self.run.pk not in outcome.done:
            why = outcome.skipped.get(self.run.pk, "it is gone")
            return self.refused(f"This run was not terminated: {why}.", 409)
        if self.is_part:
            return HttpResponseClientRedirect(self.base_context()["page_url"])
        return redirect("admin:runs_run_page", self.run.public_id)

    def confirm_terminate(self, form: TerminateForm, status: int = 200) -> HttpResponse:
        context = {**self.base_context(), "form": form, "back_url": self.address.link()}
        if self.is_part:
            template = "runs/run/terminate_asked.html"
            return render(self.request, template, context, status=status)
        return self.framed("runs/run/terminate.html", context, status)

    def delete(self) -> HttpResponse:
        if not self.request.user.has_perm("runs.delete_run"):
            return self.refused("You may not delete runs.", 403)
        form = DeleteForm(self.run, self.request.POST)
        if not form.is_valid():
            return self.confirm_delete(form, 422)
        outcome = lifecycle.delete(
            Run.objects.filter(pk=self.run.pk),
            by=self.request.user.as_actor(),  # type: ignore[union-attr]
            reason=form.cleaned_data["reason"],
            now=self.now,
        )
        if why := outcome.skipped.get(self.run.pk):
            return self.refused(f"This run was not deleted: {why}.", 409)
        messages.success(self.request, f"The run {short(self.run.public_id)} is deleted.")
        url = reverse("admin:runs_run_changelist")
        return HttpResponseClientRedirect(url) if self.is_part else redirect(url)

    def hold(self) -> HttpResponse:
        """Put it under legal hold, or end that: the one that its state is not."""
        if not self.can("hold"):
            return self.refused("You may not put runs under legal hold, or end it.", 403)
        form = HoldForm(self.run, self.request.POST)
        if not form.is_valid():
            return self.confirm_hold(form, 422)
        ends = self.request.POST["act"] == "release"
        outcome = (lifecycle.release if ends else lifecycle.hold)(
            Run.objects.filter(pk=self.run.pk),
            by=self.request.user.as_actor(),  # type: ignore[union-attr]
            reason=form.cleaned_data["reason"],
            now=self.now,
        )
        if self.run.pk not in outcome.done:
            why = outcome.skipped.get(self.run.pk, "it is gone")
            return self.refused(f"Nothing was changed: {why}.", 409)
        if self.is_part:
            return HttpResponseClientRedirect(self.base_context()["page_url"])
        return redirect("admin:runs_run_page", self.run.public_id)

    def confirm_hold(self, form: HoldForm, status: int = 200) -> HttpResponse:
        context = {**self.base_context(), "form": form, "back_url": self.address.link()}
        if self.is_part:
            return render(self.request, "runs/run/hold_asked.html", context, status=status)
        return self.framed("runs/run/hold.html", context, status)

    def restore(self) -> HttpResponse:
        """Its log comes back in the background; the page says how it goes."""
        if not self.request.user.has_perm("runs.restore_run"):
            return self.refused("You may not restore logs.", 403)
        if not self.run.can_restore:
            return self.refused("Its log is not archived now: there is nothing to restore.", 409)
        if run_archive.restoring(self.run) is None:
            by = self.request.user.as_actor()  # type: ignore[union-attr]
            operation = operations.make(BulkKind.RESTORE, by=by, now=self.now, chosen=[self.run.pk])
            tasks.begin(operation)
        return redirect(f"{self.base_context()['page_url']}{self.address.link()}")

    def rescue(self) -> HttpResponse:
        """What helps with the finding of the node that is named, as it is now."""
        given, user = self.request.POST, self.request.user
        try:
            done = rescue.one(
                self.run, stuck.given(given, "node", 64), now=self.now,
                by=user.as_actor(),  # type: ignore[union-attr]
                may=user.has_perm, reason=stuck.given(given, "reason", 500),
            )  # fmt: skip
        except rescue.NotDone as error:
            status = 403 if isinstance(error, rescue.NotAllowed) else 409
            return self.refused(f"Nothing was done: {error}.", status)
        messages.success(self.request, stuck.done_words(done))
        return redirect(f"{self.base_context()['page_url']}{self.address.link()}")

    def confirm_delete(self, form: DeleteForm, status: int = 200) -> HttpResponse:
        context = {**self.base_context(), "form": form, "back_url": self.address.link()}
        if self.is_part:
            return render(self.request, "runs/run/delete_asked.html", context, status=status)
        return self.framed("runs/run/delete.html", context, status)

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
