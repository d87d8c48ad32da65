"""The Runs view: the list of runs, and the parts of it that the page fetches as it lives.

One URL answers with the whole page, with the list alone (htmx), or with a part: `rows` (some rows
again), `fresh` (which runs would be new on the page), `part=counts`, `part=count`, `part=people`.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from django.contrib.auth.mixins import PermissionRequiredMixin
from django.db import DatabaseError
from django.http import HttpRequest, HttpResponse, HttpResponseBase, JsonResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.cache import patch_vary_headers
from django.views.generic import View
from django_htmx.http import HttpResponseClientRedirect
from django_htmx.middleware import HtmxDetails

from runs import ids
from runs.filters import RANGES, STATES, RunFilter, pasted_id
from runs.models import Run
from runs.paging import Cursor, Page, page_of
from runs.querysets import COUNT_CAP, RunQuerySet
from runs.timeouts import statement_timeout, was_stopped
from runs.views import runs_menus

logger = logging.getLogger(__name__)

PAGE_SIZE = 50
# Seconds that the list may take, its counts, and an exact count that somebody waits for.
LIST_SECONDS = 5
COUNT_SECONDS = 3
EXACT_SECONDS = 20
# Runs that one request for a part may name.
MOST_IDS = 200

_SHOWN = (
    "state", "created_at", "started_at", "completed_at", "trigger", "triggered_by", "cost",
    "input_tokens", "output_tokens", "nodes_total", "nodes_done", "current_node", "error_node",
    "error_kind", "error_message", "ended_by", "reason", "retry_of",
    "workflow__slug", "version__number",
)  # fmt: skip


def rows() -> RunQuerySet:
    """Runs with what a row of the list shows, in one query."""
    return Run.objects.select_related("workflow", "version").only(*_SHOWN)


class RunsList(PermissionRequiredMixin, View):
    """Mount it as the changelist: ``RunsList.as_view(model_admin=self)``."""

    model_admin: Any = None
    permission_required = "runs.view_run"
    raise_exception = True
    http_method_names = ["get", "head", "options"]

    def get(self, request: HttpRequest) -> HttpResponseBase:
        self.now = timezone.now()
        self.filter, self.errors = RunFilter.parse(request.GET)
        answer = self._answer(request)
        # The same URL is a page or a part of one.
        patch_vary_headers(answer, ["HX-Request"])
        answer.headers.setdefault("Cache-Control", "no-store")
        return answer

    def _answer(self, request: HttpRequest) -> HttpResponseBase:
        parts: dict[str, Callable[[], HttpResponse]] = {
            "rows": self.some_rows,
            "fresh": self.fresh,
            "counts": self.counts,
            "count": self.exact_count,
            "people": self.people,
        }
        part = next((name for name in ("rows", "fresh") if name in request.GET), None)
        if answer := parts.get(part or request.GET.get("part", "")):
            try:
                return answer()
            except DatabaseError as error:
                # The page keeps what it has and asks again.
                logger.warning("a part of the list cannot be read: %s", error)
                return HttpResponse(status=503)
        return self.pasted() or self.canonical() or self.page()

    # -- The list ----------------------------------------------------------------------------

    def page(self) -> HttpResponse:
        after, before = self._cursor("after"), self._cursor("before")
        context, status = self._asked(), 400 if self.errors else 200
        try:
            with statement_timeout(LIST_SECONDS):
                context |= runs_menus.menus(self.request, self.filter, self.now)
                if not self.errors:
                    runs = self.filter.apply(Run.objects.all(), self.now)
                    page = page_of(runs, PAGE_SIZE, after=after, before=before, read=rows())
                    if after and not page.runs:
                        # The list has become shorter meanwhile.
                        return redirect(self.request.path + self.filter.query())
                    context |= self._shown(page) if page.runs else self._why_empty(page)
        except DatabaseError as error:
            status = 503
            context |= self._unanswered(error)
        return self._rendered(context, status)

    def _asked(self) -> dict[str, Any]:
        given = self.request.GET
        return {
            "now": self.now,
            "title": "Runs",
            "filter": self.filter,
            "words": self.filter.words(self.now),
            "errors": self.errors,
            # What was typed stays, also where it could not be understood.
            "searched": given.get("q", "").strip()[:200],
            "typed": {bound: given.get(f"created_{bound}", "") for bound in ("from", "to")},
        }

    def _rendered(self, context: dict[str, Any], status: int) -> HttpResponse:
        request = self.request
        if self._htmx and not self._htmx.history_restore_request:
            return render(request, "runs/_list.html", context, status=status)
        request.current_app = self.model_admin.admin_site.name
        frame = self.model_admin.admin_site.each_context(request)
        return render(request, "runs/list.html", {**frame, **context}, status=status)

    @property
    def _htmx(self) -> HtmxDetails:
        found: HtmxDetails = self.request.htmx  # type: ignore[attr-defined]  # by its middleware
        return found

    def _cursor(self, name: str) -> Cursor | None:
        text = self.request.GET.get(name, "")
        cursor = Cursor.parse(text)
        if text and cursor is None:
            self.errors["page"] = "This page of the list does not exist."
        return cursor

    def _shown(self, page: Page) -> dict[str, Any]:
        return {
            "page": page,
            "newer_url": page.newer and self.filter.query(before=page.newer),
            "older_url": page.older and self.filter.query(after=page.older),
        }

    def _why_empty(self, page: Page) -> dict[str, Any]:
        """Nothing at all, or nothing that the filter lets through; then, where there is more."""
        if not self.filter:
            return {"page": page, "empty": "store"}
        found: dict[str, Any] = {"page": page, "empty": "filter"}
        if wider := self.filter.wider():
            count = wider.apply(Run.objects.all(), self.now).capped_count()
            words = wider.words(self.now, one=count == 1)
            found |= {"wider": wider, "wider_words": words, "wider_count": count, "cap": COUNT_CAP}
        return found

    def _unanswered(self, error: DatabaseError) -> dict[str, Any]:
        if was_stopped(error):
            logger.warning("the list of %s was stopped", self.filter.words(self.now))
            return {"problem": "stopped", "seconds": LIST_SECONDS, "narrower": self._narrower()}
        logger.error("the list of runs cannot be read", exc_info=error)
        return {"problem": "unanswered"}

    def _narrower(self) -> list[tuple[str, RunFilter]]:
        """What would let a stopped search finish, the most helpful first."""
        given = []
        if self.filter.created != "1h":
            shorter = "1h" if self.filter.created == "24h" else "24h"
            narrower = self.filter.with_(created=shorter, created_from=None, created_to=None)
            given.append((f"{RANGES[shorter][0]} only", narrower))
        if not self.filter.state:
            given.append(("Failed only", self.filter.with_(state="failed")))
        return given

    # -- Elsewhere ---------------------------------------------------------------------------

    def pasted(self) -> HttpResponse | None:
        """A pasted id opens its run."""
        text = self.request.GET.get("q", "").strip()
        if not text:
            return None
        run_id = pasted_id(text)
        if run_id is None:
            self.errors["q"] = (
                f"“{text[:60]}” is no run id or job id. One begins with run_ or job_ and has 26"
                " letters and digits after it."
            )
            return None
        try:
            if not Run.objects.filter(pk=run_id).exists():
                self.errors["q"] = f"There is no run {ids.encode('run', run_id)}."
                return None
        except DatabaseError as error:
            return self._rendered(self._asked() | self._unanswered(error), 503)
        url = reverse("admin:runs_run_page", args=[ids.encode("run", run_id)])
        return HttpResponseClientRedirect(url) if self._htmx else redirect(url)

    def canonical(self) -> HttpResponse | None:
        """One URL for one view: without empty fields, and with times that say their zone."""
        names = RunFilter.__dataclass_fields__
        given = [
            (name, value) for name, value in self.request.GET.items() if name in names or not value
        ]
        if self.errors or dict(given) == dict(self.filter.pairs()):
            return None
        kept = {n: v for n, v in self.request.GET.items() if n in ("after", "before")}
        return redirect(self.request.path + self.filter.query(**kept))

    # -- Parts -------------------------------------------------------------------------------

    def some_rows(self) -> HttpResponse:
        """Those rows as they are now, whether or not the filter still lets them through."""
        with statement_timeout(LIST_SECONDS):
            found = list(rows().filter(pk__in=self._named("rows")).newest_first())
        return render(self.request, "runs/_rows.html", {"runs": found, "now": self.now})

    def fresh(self) -> HttpResponse:
        """Which runs the list would show above: of those named, or all before a key."""
        runs = self.filter.apply(Run.objects.all(), self.now)
        with statement_timeout(COUNT_SECONDS):
            if before := Cursor.parse(self.request.GET.get("before", "")):
                runs = runs.newer_than(before.created_at, before.id)
            else:
                runs = runs.filter(pk__in=self._named("fresh"))
            found = list(runs.values_list("pk", flat=True)[:MOST_IDS])
        return JsonResponse({"runs": [ids.encode("run", pk) for pk in found]})

    def counts(self) -> HttpResponse:
        """How many there are in each state, else filtered alike; each counted up to the cap."""
        found: dict[str, int | None] = {}
        try:
            with statement_timeout(COUNT_SECONDS):
                for name in STATES:
                    runs = self.filter.with_(state=name).apply(Run.objects.all(), self.now)
                    found[name] = runs.capped_count()
                found["all"] = sum(count or 0 for count in found.values())
        except DatabaseError as error:
            logger.warning("the runs could not be counted: %s", error)
            found = dict.fromkeys((*STATES, "all"))
        chosen = found[self.filter.state or "all"]
        context = {"counts": found, "total": chosen, "cap": COUNT_CAP, "filter": self.filter}
        return render(self.request, "runs/_counts.html", context)

    def exact_count(self) -> HttpResponse:
        try:
            with statement_timeout(EXACT_SECONDS):
                total = self.filter.apply(Run.objects.all(), self.now).order_by().count()
        except DatabaseError as error:
            logger.warning("the runs could not be counted exactly: %s", error)
            return HttpResponse(f"more than can be counted in {EXACT_SECONDS} seconds")
        return HttpResponse(f"of {total:,}")

    def people(self) -> HttpResponse:
        """Who triggered runs lately, for the menu."""
        context = {"people": runs_menus.people(self.request, self.filter)}
        return render(self.request, "runs/_people.html", context)

    def _named(self, name: str) -> list[Any]:
        named = self.request.GET.get(name, "").split(",")[:MOST_IDS]
        return [run_id for text in named if (run_id := ids.decode("run", text)) is not None]
