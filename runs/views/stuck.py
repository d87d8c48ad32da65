"""OPERATE → Stuck runs: what does not get on, why, and what helps; and a finding as a run's page
shows it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.contrib import admin, messages
from django.contrib.auth.mixins import PermissionRequiredMixin
from django.db.models import Count, Q, QuerySet
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.http import urlencode
from django.views.generic import View

from runs import ids
from runs.filters import RunFilter
from runs.models import Run, Service, StuckRun, User, Workflow
from runs.models.stuck import Rescue, StuckKind
from runs.stuck import rescue
from runs.stuck.finding import Finding, of_row

PAGE_SIZE = 100
# Classes of which a press helps some at least, many at once.
HELPED = frozenset(
    {StuckKind.CRASH, StuckKind.EXECUTOR, StuckKind.NETWORK, StuckKind.QUEUE, StuckKind.BROKEN}
)
# Advice that several rows share stands above them: so many of these at most.
MOST_SHARED = 5
# The design's name of the colour, and an icon.
LOOKS = {
    StuckKind.LOCK: ("failed", "lock"),
    StuckKind.CRASH: ("failed", "heart_broken"),
    StuckKind.NETWORK: ("terminated", "wifi_off"),
    StuckKind.EXECUTOR: ("terminated", "hourglass_disabled"),
    StuckKind.QUEUE: ("terminated", "inbox"),
    StuckKind.BROKEN: ("failed", "link_off"),
    StuckKind.SOURCE: ("terminated", "sensors_off"),
    StuckKind.LIMIT: ("queued", "speed"),
    StuckKind.PAUSED: ("queued", "pause_circle"),
    StuckKind.PERSON: ("waiting", "person"),
}
_ICONS = {
    Rescue.RERUN: "restart_alt",
    Rescue.HINT: "forward",
    Rescue.SETTLE: "play_arrow",
    Rescue.RESUME: "play_circle",
    Rescue.CLOSE: "stop_circle",
    Rescue.DECIDE: "how_to_reg",
}
_DONE = {
    Rescue.RERUN: "{} was taken from its worker and runs again.",
    Rescue.HINT: "{} is offered to the workers again.",
    Rescue.SETTLE: "The run goes on from where it was.",
    Rescue.RESUME: "The workflow is resumed: its queued runs start.",
    Rescue.CLOSE: "The run is closed here.",
}


@dataclass(frozen=True, slots=True)
class Card:
    """A finding with what this person can do about it."""

    finding: Finding
    look: str
    icon: str
    public_id: str
    # What one press does; "" where nothing done here helps, or this person may not.
    button: str = ""
    button_icon: str = ""
    # Where a link leads instead of a press: (label, address).
    link: tuple[str, str] | None = None
    # The page where what is in the way is changed.
    place: tuple[str, str] | None = None

    @property
    def anchor(self) -> str:
        return f"stuck-{self.public_id}-{self.finding.node}"

    @property
    def advice(self) -> tuple[object, ...]:
        """What makes two rows' advice the same."""
        return self.finding.kind, self.finding.act, self.finding.command, self.place

    @property
    def label(self) -> str:
        return self.finding.kind.label

    @property
    def asks_why(self) -> bool:
        return self.finding.rescue == Rescue.CLOSE


def card(finding: Finding, run: Run, user: Any, now: datetime) -> Card:  # noqa: ARG001
    look, icon = LOOKS[finding.kind]
    needed = rescue.PERMISSIONS.get(finding.rescue)
    may = needed is not None and user.has_perm(needed)
    link = None
    if finding.rescue == Rescue.DECIDE:
        if may:
            link = "Decide", reverse("decide", args=[run.public_id, finding.node])
        may = False
    button = finding.rescue.label if may else ""
    return Card(
        finding, look, icon, run.public_id, button, _ICONS.get(finding.rescue, ""), link,
        _place(finding, run, user),
    )  # fmt: skip


def _place(finding: Finding, run: Run, user: Any) -> tuple[str, str] | None:
    services = ("Services", reverse("services"))
    if finding.kind in (StuckKind.PAUSED, StuckKind.LIMIT) and not _is_of_executor(finding):
        if user.has_perm("runs.view_workflow"):
            url = reverse("admin:runs_workflow_settings", args=[run.workflow.slug])
            return "Its settings", url
        return None
    if finding.kind == StuckKind.LIMIT and user.has_perm("runs.view_executorlimit"):
        return "Executor limits", reverse("admin:runs_executorlimit_changelist")
    if finding.kind == StuckKind.SOURCE and user.has_perm("runs.view_source"):
        return "The source", reverse("admin:runs_source_change", args=[run.source_id])
    if finding.kind in (StuckKind.PERSON, StuckKind.BROKEN) or not user.has_perm(
        "runs.view_service"
    ):
        return None
    return services


def _is_of_executor(finding: Finding) -> bool:
    return any(fact.label == "Held by" and fact.words.startswith("exec") for fact in finding.facts)


def given(values: QueryDict, name: str, most: int) -> str:
    """A field as PostgreSQL takes it, which has no zero characters."""
    return values.get(name, "").replace("\0", "").strip()[:most]


@dataclass(frozen=True, slots=True)
class Row:
    row: StuckRun
    card: Card
    # Whether what helps stands above the list, as it is the same for others.
    is_shared: bool


def _rows(found: Sequence[tuple[StuckRun, Card]]) -> tuple[list[Card], list[Row]]:
    """What helps several rows, which is said once, and the rows."""
    of_advice: dict[Any, list[Card]] = {}
    for _, each in found:
        of_advice.setdefault(each.advice, []).append(each)
    several = [cards for cards in of_advice.values() if len(cards) > 1]
    shared = [cards[0] for cards in sorted(several, key=len, reverse=True)[:MOST_SHARED]]
    above = {each.advice for each in shared}
    return shared, [Row(row, each, each.advice in above) for row, each in found]


def done_words(finding: Finding) -> str:
    return _DONE[finding.rescue].format(finding.node)


@dataclass(frozen=True, slots=True)
class Choice:
    label: str
    url: str
    count: int = 0
    chosen: bool = False
    look: str = ""
    icon: str = ""


class StuckPage(PermissionRequiredMixin, View):
    """Mount it in `admin_view`. With `HX-Request` it answers with the list alone."""

    permission_required = "runs.view_run"
    raise_exception = True
    http_method_names = ["get", "head", "post", "options"]

    def get(self, request: HttpRequest) -> HttpResponse:
        self.now = timezone.now()
        return self._shown(request)

    def post(self, request: HttpRequest) -> HttpResponse:
        """One row's press."""
        self.now = timezone.now()
        user: User = request.user  # type: ignore[assignment]  # staff, by admin_view
        run_id = ids.decode("run", request.POST.get("run", ""))
        run = Run.objects.filter(pk=run_id).first() if run_id else None
        back = f"{request.path}{self._query(**self._asked(request))}"
        if run is None:
            messages.error(request, "This run is not there any more.")
            return redirect(back)
        try:
            done = rescue.one(
                run, given(request.POST, "node", 64), by=user.as_actor(), may=user.has_perm,
                reason=given(request.POST, "reason", 500), now=self.now,
            )  # fmt: skip
        except rescue.NotDone as error:
            messages.warning(request, f"Nothing was done: {error}.")
        else:
            messages.success(request, done_words(done))
        return redirect(back)

    # -- The list ----------------------------------------------------------------------------

    def _asked(self, request: HttpRequest) -> dict[str, str]:
        kind = request.GET.get("class", "")
        return {
            "class": kind if kind in StuckKind.values else "",
            "workflow": given(request.GET, "workflow", 64),
        }

    def _query(self, **more: object) -> str:
        said = urlencode([(name, str(value)) for name, value in more.items() if value])
        return f"?{said}" if said else "?"

    def _shown(self, request: HttpRequest) -> HttpResponse:
        asked = self._asked(request)
        user: User = request.user  # type: ignore[assignment]
        rows = StuckRun.objects.open().select_related("run__workflow", "run__version")
        rows = rows.defer("run__version__definition")
        workflow = Workflow.objects.filter(slug=asked["workflow"]).first()
        if asked["workflow"]:
            rows = rows.filter(workflow=workflow.pk if workflow else 0)
        of_class = self._counts(rows)
        if asked["class"]:
            rows = rows.filter(kind=asked["class"])
        page = list(self._behind(rows, request.GET.get("after", ""))[: PAGE_SIZE + 1])
        shown = page[:PAGE_SIZE]
        advice, shown_rows = _rows([(row, card(of_row(row), row.run, user, self.now))
                                    for row in shown])  # fmt: skip
        context = {
            "title": "Stuck runs",
            "now": self.now,
            "rows": shown_rows,
            "advice": advice,
            "next_url": self._query(**asked, after=shown[-1].pk) if len(page) > PAGE_SIZE else "",
            "is_first": not request.GET.get("after"),
            "first_url": self._query(**asked),
            "classes": self._classes(asked, of_class),
            "workflows": self._workflows(asked),
            "workflow": asked["workflow"],
            "all_workflows_url": self._query(**{"class": asked["class"]}),
            "total": sum(of_class.values()),
            "chosen": of_class.get(asked["class"], 0) if asked["class"] else sum(of_class.values()),
            "filter": self._filter(asked),
            "runs_url": reverse("admin:runs_run_changelist") + self._filter(asked),
            "is_watched": Service.objects.present().filter(key="beat", status="up").exists(),
            "address": request.get_full_path(),
            "can_rescue": user.has_perm("runs.retry_run")
            and bool(HELPED.intersection([asked["class"]] if asked["class"] else of_class)),
        }
        template = "runs/stuck/_list.html"
        if not request.headers.get("HX-Request"):
            request.current_app = admin.site.name
            context = {**admin.site.each_context(request), **context}
            template = "runs/stuck/page.html"
        answer = render(request, template, context)
        answer.headers["Cache-Control"] = "no-store"
        return answer

    def _behind(self, rows: QuerySet[StuckRun], key: str) -> QuerySet[StuckRun]:
        rows = rows.order_by("since", "id")
        if not (key.isascii() and key.isdecimal() and len(key) < 19):
            return rows
        last = StuckRun.objects.filter(pk=int(key)).values_list("since", flat=True).first()
        if last is None:
            return rows
        return rows.filter(Q(since__gt=last) | Q(since=last, id__gt=int(key)), since__gte=last)

    def _counts(self, rows: QuerySet[StuckRun]) -> dict[str, int]:
        found = rows.order_by().values("kind").annotate(count=Count("pk"))
        return {row["kind"]: row["count"] for row in found}

    def _classes(self, asked: dict[str, str], of_class: dict[str, int]) -> list[Choice]:
        of_workflow = {"workflow": asked["workflow"]}
        every = Choice("All", self._query(**of_workflow), sum(of_class.values()),
                       not asked["class"])  # fmt: skip
        return [
            every,
            *(
                Choice(
                    kind.label, self._query(**{"class": kind.value}, **of_workflow),
                    of_class.get(kind.value, 0), kind.value == asked["class"], *LOOKS[kind],
                )
                for kind in StuckKind
                if of_class.get(kind.value) or kind.value == asked["class"]
            ),
        ]  # fmt: skip

    def _workflows(self, asked: dict[str, str]) -> list[Choice]:
        rows = (
            StuckRun.objects.open()
            .order_by()
            .values_list("workflow__slug")
            .annotate(count=Count("pk"))
        )
        return [
            Choice(slug, self._query(**{"class": asked["class"]}, workflow=slug), count,
                   slug == asked["workflow"])
            for slug, count in sorted(rows)[:100]
        ]  # fmt: skip

    def _filter(self, asked: dict[str, str]) -> str:
        """The same runs in the list of runs."""
        wanted = RunFilter(stuck=asked["class"] or "yes", workflow=asked["workflow"])
        return wanted.query()
