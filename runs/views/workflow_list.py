"""BUILD → Workflows: each with its newest version and what became of its runs lately."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from django.db.models import F, Func, IntegerField, JSONField, OuterRef, QuerySet, Subquery, Value
from django.db.models.fields.json import KT
from django.http import HttpRequest, HttpResponse
from django.urls import reverse

from runs.filters import RunFilter
from runs.models import Run, Workflow, WorkflowVersion
from runs.states import RunState
from runs.views.workflow_base import WorkflowView

PAGE_SIZE = 50
# Runs of one workflow that are counted: "1,000+".
RUNS_CAP = 1_000
LATELY = "24h"


class CappedCount(Subquery):
    """How many rows a sliced queryset has: the slice bounds the counting."""

    template = "(SELECT count(*) FROM (%(subquery)s) AS counted)"
    output_field = IntegerField()


@dataclass(frozen=True, slots=True)
class Row:
    slug: str
    workflow: Workflow
    version: WorkflowVersion | None
    last_run: Run | None
    runs: int | None
    failed: int | None

    @property
    def is_elsewhere(self) -> bool:
        return getattr(self.version, "executed", None) == "elsewhere"

    @property
    def runs_url(self) -> str:
        return runs_url(self.slug)

    @property
    def lately_url(self) -> str:
        return runs_url(self.slug, created=LATELY)

    @property
    def failed_url(self) -> str:
        return runs_url(self.slug, created=LATELY, state="failed")

    @property
    def runs_words(self) -> str:
        return _capped(self.runs)

    @property
    def failed_words(self) -> str:
        return _capped(self.failed)


class WorkflowList(WorkflowView):
    http_method_names = ["get", "head", "options"]

    def get(self, request: HttpRequest) -> HttpResponse:
        searched = _plain(request.GET.get("q", "")).lower()
        after = _plain(request.GET.get("after", ""))
        workflows = Workflow.objects.order_by("slug")
        if searched:
            workflows = workflows.filter(slug__contains=searched)
        if after:
            workflows = workflows.filter(slug__gt=after)
        found = list(self._annotated(workflows)[: PAGE_SIZE + 1])
        shown = found[:PAGE_SIZE]
        following = {"q": searched, "after": shown[-1].slug} if len(found) > PAGE_SIZE else {}
        context = {
            "title": "Workflows",
            "rows": self._rows(shown),
            "searched": searched,
            "after": after,
            "next": urlencode({name: text for name, text in following.items() if text}),
        }
        return self.page("runs/workflow_list.html", context)

    def _annotated(self, workflows: QuerySet[Workflow]) -> QuerySet[Workflow]:
        """With the ids of the newest version and run, and counts that stop at the cap."""
        versions = WorkflowVersion.objects.filter(workflow=OuterRef("pk")).order_by("-number")
        workflows = workflows.annotate(newest_version=Subquery(versions.values("pk")[:1]))
        if not self.may("view_run"):
            return workflows
        runs = Run.objects.filter(workflow=OuterRef("pk"))
        since = RunFilter(created=LATELY).since(self.now)
        lately = runs.filter(created_at__gte=since).order_by().values("pk")
        failed = lately.filter(state=RunState.FAILED)
        return workflows.annotate(
            newest_run=Subquery(runs.newest_first().values("pk")[:1]),
            runs_lately=CappedCount(lately[: RUNS_CAP + 1]),
            failed_lately=CappedCount(failed[: RUNS_CAP + 1]),
        )

    def _rows(self, workflows: list[Any]) -> list[Row]:
        versions = (
            WorkflowVersion.objects.filter(pk__in=[w.newest_version for w in workflows])
            .defer("definition")
            .annotate(
                # By path, which gives nothing where a list's length would be an error.
                nodes=Func(
                    F("definition"),
                    Value("$.nodes.size()"),
                    function="jsonb_path_query_first",
                    output_field=JSONField(),
                ),
                description=KT("definition__description"),
                executed=KT("definition__executed"),
            )
            .in_bulk()
        )
        run_ids = [run for w in workflows if (run := getattr(w, "newest_run", None))]
        runs = Run.objects.only("state", "created_at").in_bulk(run_ids) if run_ids else {}
        return [
            Row(
                slug=w.slug,
                workflow=w,
                version=versions.get(w.newest_version),
                last_run=runs.get(getattr(w, "newest_run", None)),
                runs=getattr(w, "runs_lately", None),
                failed=getattr(w, "failed_lately", None),
            )
            for w in workflows
        ]


def _plain(text: str) -> str:
    """What can stand in a workflow's id, so that PostgreSQL can be asked for it."""
    return text.replace("\0", "").strip()[:64]


def runs_url(slug: str, created: str = "", state: str = "") -> str:
    """The Runs list filtered to a workflow."""
    chosen = RunFilter(workflow=slug, created=created, state=state)
    return reverse("admin:runs_run_changelist") + chosen.query()


def _capped(count: int | None) -> str:
    if count is None:
        return ""
    return f"{RUNS_CAP:,}+" if count > RUNS_CAP else f"{count:,}"
