"""The Runs view: the list of runs, and the parts of it that the page fetches as it lives.

One URL answers with the whole page, with the list alone (htmx), or with a part: `rows` (some rows
again), `fresh` (which runs would be new on the page), `part=counts`, `part=count`, `part=people`,
`part=running`.
"""

from __future__ import annotations

import logging
import uuid
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from typing import Any

from django.contrib.auth.mixins import PermissionRequiredMixin
from django.core.exceptions import ValidationError
from django.db import DatabaseError
from django.db.models import OuterRef, Subquery
from django.http import HttpRequest, HttpResponse, HttpResponseBase, JsonResponse, QueryDict
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.cache import patch_vary_headers
from django.views.generic import View
from django_htmx.http import HttpResponseClientRedirect
from django_htmx.middleware import HtmxDetails

from runs import ids
from runs.filters import RANGES, STATES, UNDATED, MomentField, RunFilter, pasted_id
from runs.models import Run, SavedView, StuckRun, User
from runs.paging import Cursor, Page, moment_of, page_of
from runs.querysets import COUNT_CAP, RunQuerySet
from runs.states import RunState
from runs.timeouts import statement_timeout, was_stopped
from runs.views import runs_menus
from runs.views.list_address import SORTS, ListAddress

logger = logging.getLogger(__name__)

# The address of all runs, whatever a person's default view is.
ALL = "?view=all"
PAGE_SIZE = 50
# Seconds that the list may take, its counts, and an exact count that somebody waits for.
LIST_SECONDS = 2
COUNT_SECONDS = 2
EXACT_SECONDS = 20
# Runs that one request for a part may name.
MOST_IDS = 200
# What can be paged through in another order than newest first.
MOST_SORTED = 500
# Where error text, and what is in runs, is searched for who gives no range.
USUAL_RANGE = "7d"
# Running runs that the sidebar counts.
BADGE_CAP = 999

_SHOWN = (
    "state", "created_at", "started_at", "completed_at", "trigger", "triggered_by", "cost",
    "input_tokens", "output_tokens", "nodes_total", "nodes_done", "current_node", "error_node",
    "error_kind", "error_message", "ended_by", "reason", "retry_of", "ref_type", "ref_id",
    "held_at", "logs",
    "workflow__slug", "version__number",
)  # fmt: skip


def rows() -> RunQuerySet:
    """Runs with what a row of the list shows, in one query."""
    stuck = StuckRun.objects.filter(run=OuterRef("pk")).order_by("since").values("kind")[:1]
    shown = Run.objects.select_related("workflow", "version").only(*_SHOWN)
    return shown.annotate(stuck_kind=Subquery(stuck))


class RunsList(PermissionRequiredMixin, View):
    """Mount it as the changelist: ``RunsList.as_view(model_admin=self)``."""

    model_admin: Any = None
    permission_required = "runs.view_run"
    raise_exception = True
    http_method_names = ["get", "head", "options"]

    def get(self, request: HttpRequest) -> HttpResponseBase:
        self.now = timezone.now()
        everything = "?view=all" if self.account.default_view_id else "?"
        self.address, self.errors = ListAddress.parse(self._given(), everything)
        answer = self._answer(request)
        # The same URL is a page or a part of one.
        patch_vary_headers(answer, ["HX-Request"])
        answer.headers.setdefault("Cache-Control", "no-store")
        return answer

    @property
    def account(self) -> User:
        return self.request.user  # type: ignore[return-value]  # staff, by admin_view

    @property
    def filter(self) -> RunFilter:
        return self.address.filter

    def _given(self) -> QueryDict:
        """The address; what is never looked for without a range is looked for in the usual one."""
        given: QueryDict = self.request.GET
        bounds = ("created", "created_from", "created_to")
        if any(given.get(name, "").strip() for name in UNDATED) and not any(
            given.get(name) for name in bounds
        ):
            given = given.copy()
            given["created"] = USUAL_RANGE
        return given

    def _answer(self, request: HttpRequest) -> HttpResponseBase:
        parts: dict[str, Callable[[], HttpResponse]] = {
            "rows": self.some_rows,
            "fresh": self.fresh,
            "counts": self.counts,
            "count": self.exact_count,
            "people": self.people,
            "running": self.running,
        }
        part = next((name for name in ("rows", "fresh") if name in request.GET), None)
        if answer := parts.get(part or request.GET.get("part", "")):
            try:
                return answer()
            except DatabaseError as error:
                # The page keeps what it has and asks again.
                logger.warning("a part of the list cannot be read: %s", error)
                return HttpResponse(status=503)
        return self.view() or self.searched() or self.jump() or self.canonical() or self.page()

    # -- The list ----------------------------------------------------------------------------

    def page(self) -> HttpResponse:
        after, before = self._cursor("after"), self._cursor("before")
        context, status = self._asked(), 400 if self.errors else 200
        try:
            with statement_timeout(LIST_SECONDS):
                context |= runs_menus.menus(self.request, self.address, self.now)
                if not self.errors and self.address.needs_range:
                    context |= {"needs_range": True}
                elif not self.errors and self.address.sort:
                    context |= self._sorted()
                elif not self.errors:
                    runs = self.filter.apply(Run.objects.all(), self.now)
                    page = page_of(runs, PAGE_SIZE, after=after, before=before, read=rows())
                    if after and not page.runs:
                        if after.is_moment:
                            return self._nothing_before(after, context)
                        # The list has become shorter meanwhile.
                        return redirect(self.request.path + self.address.query())
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
            "address": self.address,
            "columns": runs_menus.columns(self.address, self.account),
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
            "newer_url": page.newer and self.address.query(before=page.newer),
            "older_url": page.older and self.address.query(after=page.older),
            "has_days": any(
                run.started_at and timezone.localtime(run.started_at).date() != self._today
                for run in page.runs
            ),
        }

    @property
    def _today(self) -> date:
        return timezone.localtime(self.now).date()

    def _sorted(self) -> dict[str, Any]:
        """A page of the first few hundred in another order. Every page sorts anew, by keys alone:
        elapsed times grow, so there is no key to go on from.
        """
        runs = self.filter.apply(Run.objects.all(), self.now)
        by_duration = self.address.sort == "duration"
        ordered = runs.longest_first() if by_duration else runs.dearest_first()
        keys = list(ordered.values_list("pk", flat=True)[: MOST_SORTED + 1])
        given = self.request.GET.get("page", "1")
        number = int(given) if given.isascii() and given.isdecimal() and len(given) < 4 else 1
        begin = max(0, number - 1) * PAGE_SIZE
        shown = keys[:MOST_SORTED][begin : begin + PAGE_SIZE]
        if not shown and begin:
            begin, shown = 0, keys[:PAGE_SIZE]
        found = {run.pk: run for run in rows().filter(pk__in=shown)}
        page = Page([found[pk] for pk in shown if pk in found], newer=None, older=None)
        if not page.runs:
            return self._why_empty(page)
        last = begin + PAGE_SIZE >= min(len(keys), MOST_SORTED)
        at = begin // PAGE_SIZE + 1
        return self._shown(page) | {
            "sorted_words": SORTS[self.address.sort],
            "first_number": begin + 1,
            "last_number": begin + len(page.runs),
            "cap_sorted": MOST_SORTED if len(keys) > MOST_SORTED else 0,
            "newer_url": begin and self.address.query(page=at - 1 if at > 2 else ""),
            "older_url": not last and self.address.query(page=at + 1),
        }

    def _nothing_before(self, after: Cursor, context: dict[str, Any]) -> HttpResponse:
        when = runs_menus.typed(after.created_at)
        self.errors["at"] = f"None of these runs was created before {when}."
        return self._rendered(context, 404)

    def _why_empty(self, page: Page) -> dict[str, Any]:
        """Nothing at all, or nothing that the filter lets through; then, where there is more."""
        if not self.filter:
            return {"page": page, "empty": "store"}
        found: dict[str, Any] = {"page": page, "empty": "filter"}
        if wider := self.filter.wider():
            count = wider.apply(Run.objects.all(), self.now).capped_count()
            words = wider.words(self.now, one=count == 1)
            found |= {
                "wider": wider,
                "wider_url": self._link(wider),
                "wider_words": words,
                "wider_count": count,
                "cap": COUNT_CAP,
            }
        return found

    def _unanswered(self, error: DatabaseError) -> dict[str, Any]:
        if was_stopped(error):
            logger.warning("the list of %s was stopped", self.filter.words(self.now))
            narrower = [(label, self._link(narrower)) for label, narrower in self._narrower()]
            return {"problem": "stopped", "seconds": LIST_SECONDS, "narrower": narrower}
        logger.error("the list of runs cannot be read", exc_info=error)
        return {"problem": "unanswered"}

    def _narrower(self) -> list[tuple[str, RunFilter]]:
        """What would let a stopped search finish, the most helpful first."""
        given = []
        if self.filter.created != "1h":
            shorter = "1h" if self.filter.created == "24h" else "24h"
            narrower = self.filter.with_(created=shorter, created_from=None, created_to=None)
            given.append((f"{RANGES[shorter][0]} only", narrower))
        if not self.filter.state and not self.filter.q:
            given.append(("Failed only", self.filter.with_(state="failed")))
        return given

    def _link(self, chosen: RunFilter) -> str:
        return replace(self.address, filter=chosen).query()

    # -- Elsewhere ---------------------------------------------------------------------------

    def view(self) -> HttpResponse | None:
        """A saved view leads to its own address; the bare address to the person's default one."""
        name = self.request.GET.get("view", "")
        if name == "all":
            return None
        view_id = ids.decode("view", name) if name else None
        if not name and not self.request.GET:
            view_id = self.account.default_view_id
        if view_id is None and not name:
            return None
        seen = SavedView.objects.seen_by(self.account)
        saved = seen.filter(pk=view_id).first() if view_id else None
        if saved is not None:
            # A bare address would lead to the default view, which may be this one.
            return redirect(self.request.path + (saved.query if saved.query.strip("?") else ALL))
        if name:
            self.errors["view"] = "There is no such view, or it is no longer shared."
        return None

    def searched(self) -> HttpResponse | None:
        """A pasted id opens its run, as does the end of one that rows show, and a reference that
        only one run has. Several runs of a reference are a filter; other text is error text.
        """
        text = self.request.GET.get("q", "").strip()
        if not text or "q" in self.errors:
            return None
        run_id = pasted_id(text)
        try:
            with statement_timeout(LIST_SECONDS):
                if run_id is not None:
                    if Run.objects.filter(pk=run_id).exists():
                        return self._opened(run_id)
                    self.errors["q"] = f"There is no run {ids.encode('run', run_id)}."
                    # An id is no error text, and the range that was supplied for it none of theirs.
                    created = self.filter.created if self.request.GET.get("created") else ""
                    self.address = self.address.with_(q="", created=created)
                    return None
                by_end = Run.objects.with_short_id(text).newest_first()
                if found := by_end.values_list("pk", flat=True).first():
                    return self._opened(found)
                having = Run.objects.filter(ref_id=text).values_list("pk", flat=True)[:2]
                if len(found_ids := list(having)) == 1:
                    return self._opened(found_ids[0])
        except DatabaseError as error:
            return self._rendered(self._asked() | self._unanswered(error), 503)
        if found_ids:
            # The range was given for the search, if at all; a reference has runs at any time.
            return redirect(
                self.request.path + self.address.with_(q="", ref=text, created="").query()
            )
        return None

    def _opened(self, run_id: uuid.UUID) -> HttpResponse:
        url = reverse("admin:runs_run_page", args=[ids.encode("run", run_id)])
        return HttpResponseClientRedirect(url) if self._htmx else redirect(url)

    def jump(self) -> HttpResponse | None:
        """To the page that begins at a time."""
        if not (text := self.request.GET.get("at", "").strip()):
            return None
        try:
            moment = MomentField().clean(text)
        except ValidationError as error:
            self.errors["at"] = " ".join(error.messages)
            return None
        query = self.address.with_(sort="").query(after=moment_of(moment))
        return redirect(self.request.path + query)

    def canonical(self) -> HttpResponse | None:
        """One URL for one view: without empty fields, and with times that say their zone."""
        names = (*RunFilter.__dataclass_fields__, "sort", "columns", "view")
        given = {n: v for n, v in self.request.GET.items() if n in names or not v}
        wanted = dict(self.address.pairs())
        if self.errors or given == (wanted or ({"view": "all"} if "view" in given else {})):
            return None
        kept = {n: v for n, v in self.request.GET.items() if n in ("after", "before", "page")}
        return redirect(self.request.path + self.address.query(**kept))

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
        context = {
            "counts": found,
            "total": chosen,
            "cap": COUNT_CAP,
            "filter": self.filter,
            "address": self.address,
        }
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
        context = {"people": runs_menus.people(self.request, self.address)}
        return render(self.request, "runs/_people.html", context)

    def running(self) -> HttpResponse:
        """How many runs are running, for the sidebar's badge."""
        active = Run.objects.filter(state=RunState.ACTIVE).order_by()
        with statement_timeout(COUNT_SECONDS):
            count = active[: BADGE_CAP + 1].count()
        return HttpResponse(f"{BADGE_CAP}+" if count > BADGE_CAP else str(count))

    def _named(self, name: str) -> list[Any]:
        named = self.request.GET.get(name, "").split(",")[:MOST_IDS]
        return [run_id for text in named if (run_id := ids.decode("run", text)) is not None]
