"""What all pages of the analysis have in common: the filter, the answer as a page, CSV or JSON, and
what is said where there is none."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from datetime import timedelta
from typing import Any

from django.contrib import admin
from django.contrib.auth.mixins import PermissionRequiredMixin
from django.db import DatabaseError
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.views.generic import View

from analytics import upkeep
from analytics.documents import Table, csv_text, plain
from analytics.scope import Scope, TooWide
from analytics.views import menus
from analytics.views.address import Address
from runs.timeouts import was_stopped

logger = logging.getLogger(__name__)

# Figures that are older than this are said to be.
BEHIND = timedelta(seconds=2)
# And than this, to be incomplete: so long it takes only where there is much to count.
FAR_BEHIND = timedelta(minutes=1)


class Unanswerable(Exception):  # noqa: N818
    """Why there is no answer: a title, and what to do."""

    def __init__(self, title: str, said: str, status: int) -> None:
        super().__init__(said)
        self.title, self.said, self.status = title, said, status


class AnalysisPage(PermissionRequiredMixin, View):
    """Mount it in `admin_view`. A page says `answer`, and how it is told."""

    permission_required = "runs.view_run"
    raise_exception = True
    http_method_names = ["get", "head", "options"]
    title = ""
    name = ""
    sorts: tuple[str, ...] = ()
    template = ""

    def answer(self, scope: Scope, before: Scope | None) -> Any:
        raise NotImplementedError

    def context(self, found: Any) -> dict[str, Any]:
        raise NotImplementedError

    def document(self, found: Any) -> dict[str, Any]:
        """As JSON."""
        raise NotImplementedError

    def rows(self, found: Any) -> Table:
        """As CSV: the heads, and the page's main table."""
        raise NotImplementedError

    def get(self, request: HttpRequest) -> HttpResponse:
        self.now = timezone.now()
        self.address, self.errors = Address.parse(request.GET, self.sorts)
        wanted = request.GET.get("as", "")
        try:
            found = self._found()
        except Unanswerable as why:
            answer = self._unanswered(why, wanted)
        else:
            answer = self._answered(found, wanted)
        answer.headers.setdefault("Cache-Control", "no-store")
        return answer

    def _found(self) -> Any:
        if self.errors:
            said = " ".join(self.errors.values())
            raise Unanswerable("This cannot be asked", said, 400)
        try:
            self.fresh_until = upkeep.fresh_until(self.now)
            scope, before = self.address.scopes(self.now)
            self._refuse_unknown(scope)
            return self.answer(scope, before)
        except TooWide as error:
            raise Unanswerable("This looks at too many runs", str(error), 400) from None
        except DatabaseError as error:
            if not was_stopped(error):
                logger.warning("the analysis cannot be read: %s", error)
                said = "Nothing is lost: the figures are counted on. Open this page again soon."
                raise Unanswerable("The figures cannot be read now", said, 503) from None
            said = "Counting was stopped after 10 seconds. Choose a shorter time, or one workflow."
            raise Unanswerable("This takes too long", said, 503) from None

    def _refuse_unknown(self, scope: Scope) -> None:
        """“No run failed” would be true of a workflow that was mistyped, and no help."""
        wanted = self.address.filter
        if wanted.workflow and scope.workflow is None:
            said = f"There is none that is called “{wanted.workflow[:64]}”. Choose one above."
            raise Unanswerable("No such workflow", said, 404)
        if wanted.version and wanted.workflow and scope.version is None:
            said = f"“{wanted.workflow}” has no version {wanted.version}. Choose one above."
            raise Unanswerable("No such version", said, 404)

    def _answered(self, found: Any, wanted: str) -> HttpResponse:
        if wanted == "json":
            return JsonResponse(plain({**self.asked(), **self.document(found)}))
        if wanted == "csv":
            return csv_answer(self.name, *self.rows(found))
        return self._page(self.template, self.context(found))

    def _unanswered(self, why: Unanswerable, wanted: str) -> HttpResponse:
        if wanted in ("csv", "json"):
            return JsonResponse({"detail": why.said}, status=why.status)
        shorter = [
            choice
            for choice in menus.menus(self.address, self.now)["ranges"]
            if choice.url and not choice.chosen
        ][:3]
        # Another time helps where there is too much of something, not where there is none of it.
        found = {
            "why": why,
            "icon": "search_off" if why.status == 404 else "timer_off",
            "shorter": shorter if why.status != 404 else [],
            "bare": self.request.path,
        }
        return self._page("analytics/unanswered.html", found, why.status)

    def asked(self) -> dict[str, Any]:
        """What a document says of itself."""
        return {
            "filter": dict(self.address.filter.pairs()),
            "compared_with": self.address.compared,
            "counted_until": self.fresh_until,
        }

    def _page(self, template: str, context: dict[str, Any], status: int = 200) -> HttpResponse:
        self.request.current_app = admin.site.name
        frame = admin.site.each_context(self.request)
        fresh = getattr(self, "fresh_until", None)
        common = {
            "now": self.now,
            "title": self.title,
            "address": self.address,
            "filter": self.address.filter,
            "errors": self.errors,
            "fresh_until": fresh,
            "is_behind": fresh is not None and self.now - fresh >= BEHIND,
            "is_far_behind": fresh is not None and self.now - fresh >= FAR_BEHIND,
            "runs_url": reverse("admin:runs_run_changelist"),
            "here": self.request.path,
            **menus.menus(self.address, self.now),
        }
        return render(self.request, template, {**frame, **common, **context}, status=status)

    def sorted_by(self, usual: str) -> dict[str, dict[str, Any]]:
        """What the heads of the table lead to."""
        return {
            name: {
                "url": self.address.with_(sort=name).query(),
                "chosen": name == (self.address.sort or usual),
            }
            for name in self.sorts
        }


def csv_answer(name: str, heads: Sequence[str], rows: Iterable[Sequence[Any]]) -> HttpResponse:
    answer = HttpResponse(csv_text(heads, rows), content_type="text/csv; charset=utf-8")
    answer["Content-Disposition"] = f'attachment; filename="{name}.csv"'
    return answer
