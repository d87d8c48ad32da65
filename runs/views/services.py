"""INFRASTRUCTURE → Services: what the portal needs to run, how it is, and how the day went."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from django.contrib import admin
from django.contrib.auth.mixins import PermissionRequiredMixin
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.http import urlencode
from django.utils.safestring import SafeString, mark_safe
from django.views.generic import View

from runs import contents
from runs.models import Node, Run, Service, User
from runs.models.service import SEVERITY, Kind, Status
from runs.services import history, live, probing
from runs.services.finding import Finding, span_words

# After two looks that did not come, the page looks itself.
STALE = timedelta(seconds=35)
MOST = 500
# Services that one address may have unfolded.
MOST_OPEN = 50

# What stands together, with its heading.
GROUPS: tuple[tuple[str, frozenset[Kind]], ...] = (
    ("Servers", frozenset({Kind.DATABASE, Kind.BROKER, Kind.STORAGE})),
    ("Processes", frozenset({Kind.WORKER, Kind.BEAT, Kind.STREAMS})),
    ("Queues", frozenset({Kind.QUEUE})),
    ("Background work", frozenset({Kind.OUTBOX, Kind.ARCHIVE})),
    ("Sources", frozenset({Kind.SOURCE})),
    ("Backends", frozenset({Kind.BACKEND})),
)
# The design's name of the colour, and an icon.
LOOKS = {
    Status.UP: ("completed", "check_circle"),
    Status.DEGRADED: ("terminated", "warning"),
    Status.DOWN: ("failed", "error"),
    Status.UNKNOWN: ("queued", "help"),
}


@dataclass(slots=True)
class Task:
    name: str
    lasts: str
    # Of a node: what it is called and where its run is.
    node: str = ""
    url: str = ""


@dataclass(slots=True)
class Row:
    key: str
    kind: Kind
    name: str
    status: Status
    since: datetime
    checked_at: datetime
    latency_ms: float | None
    words: str
    act: str
    facts: list[list[str]]
    day: history.Day | None = None
    told: list[dict[str, Any]] = field(default_factory=list)
    tasks: list[Task] = field(default_factory=list)
    link: Sequence[str] | None = None
    is_open: bool = False
    # The address that unfolds it, or folds it again.
    toggle: str = ""

    @property
    def bars(self) -> SafeString:
        """The drawing's pieces: as a loop of the template these took most of the page's time."""
        pieces = self.day.pieces if self.day else []
        return mark_safe("".join(map(_bar, pieces)))  # all words in it are the portal's own

    @property
    def look(self) -> str:
        return LOOKS[self.status][0]

    @property
    def icon(self) -> str:
        return LOOKS[self.status][1]

    @property
    def anchor(self) -> str:
        return "svc-" + "".join(c if c.isalnum() else f"-{ord(c):x}-" for c in self.key)


class ServicesPage(PermissionRequiredMixin, View):
    """Mount it in `admin_view`."""

    permission_required = "runs.view_service"
    raise_exception = True

    def get(self, request: HttpRequest) -> HttpResponse:
        now = timezone.now()
        services = list(Service.objects.present()[:MOST])
        looked_at = max((service.checked_at for service in services), default=None)
        is_watched = looked_at is not None and now - looked_at < STALE
        rows = [_stored(service) for service in services]
        if not is_watched:
            rows = _merged(rows, live.look(now))
            now = timezone.now()
        days = history.last_day(now)
        of_key = {service.key: days.get(service.pk) for service in services}
        opened = request.GET.getlist("open")[:MOST_OPEN]
        for row in rows:
            row.day = of_key.get(row.key) or history.empty_day(now)
            row.is_open = row.key in opened
            row.toggle = _toggled(opened, row.key)
        user: User = request.user  # type: ignore[assignment]  # staff, by admin_view
        _name_tasks([row for row in rows if row.is_open], now, user)
        context = {
            "title": "Services",
            "now": now,
            "groups": _grouped(rows),
            "summary": _summary(rows),
            "is_watched": is_watched,
            "broker_is_down": any(r.key == "broker" and r.status == Status.DOWN for r in rows),
            "looked_at": looked_at,
            "address": request.get_full_path(),
            "stuck": _stuck() if user.has_perm("runs.view_run") else 0,
            "can_add": user.has_perm("runs.add_backend"),
            "has_backends": any(row.kind == Kind.BACKEND for row in rows),
        }
        template = "runs/services/_list.html"
        if not request.headers.get("HX-Request"):
            request.current_app = admin.site.name
            context = {**admin.site.each_context(request), **context}
            template = "runs/services/page.html"
        answer = render(request, template, context)
        answer.headers["Cache-Control"] = "no-store"
        return answer


def _stuck() -> int:
    """Runs that do not get on, counted to the cap."""
    return contents.stuck(Run.objects.all(), "").capped_count()


def _bar(piece: history.Piece) -> str:
    state = f' data-s="{piece.status}"' if piece.status else ""
    return f'<i{state} title="{timezone.localtime(piece.begin):%H:%M}: {piece.words}"></i>'


def without_database(request: HttpRequest) -> HttpResponse:
    """What can be said when nobody can be recognised: which part is away, and no more of it."""
    seen = live.look(datetime.now(UTC))
    rows: dict[str, tuple[Status, str]] = {}
    for finding in seen.findings:
        if finding.kind in (Kind.DATABASE, Kind.BROKER, Kind.STORAGE):
            rows[finding.name] = (finding.status, finding.act)
    for kind, label in ((Kind.WORKER, "Workers"), (Kind.BEAT, "Beat")):
        found = [finding.status for finding in seen.findings if finding.kind == kind]
        worst = max(found, key=SEVERITY.__getitem__, default=Status.UNKNOWN)
        # What waits for the database gives no signs of life.
        act = "It may only be waiting for the database." if worst == Status.DOWN else ""
        rows[label] = (worst, act)
    context = {
        "rows": [
            {
                "name": name,
                "status": status,
                "look": LOOKS[status][0],
                "icon": LOOKS[status][1],
                "act": act,
            }
            for name, (status, act) in rows.items()
        ],
        "at": seen.at,
        "address": request.get_full_path(),
    }
    part = "_down.html" if request.headers.get("HX-Request") else "down.html"
    answer = render(request, f"runs/services/{part}", context, status=503)
    answer.headers["Cache-Control"] = "no-store"
    answer.headers["Retry-After"] = "5"
    return answer


def _stored(service: Service) -> Row:
    details = service.details
    return Row(
        service.key, Kind(service.kind), service.name, Status(service.status), service.since,
        service.checked_at, service.latency_ms, service.words, service.act,
        details.get("facts", []),
        told=details.get("tasks", []), link=details.get("link"),
    )  # fmt: skip


def _merged(stored: Iterable[Row], seen: probing.Seen) -> list[Row]:
    """What was seen just now. What is otherwise than it was is so since the last look of who keeps
    watch, or since some seconds later."""
    before = {row.key: row for row in stored}
    rows = []
    for finding in seen.findings:
        row = _found(finding, seen.at)
        known = before.get(row.key)
        if known is not None:
            row.since = known.since if known.status == row.status else known.checked_at
            if row.kind == Kind.BROKER:  # which does not say its name when it is away
                row.name = known.name
        rows.append(row)
    found = {row.key for row in rows}
    for key, row in before.items():
        if row.kind in seen.unknown and key not in found:
            if row.status != Status.UNKNOWN:
                row.since = row.checked_at
            row.status = Status.UNKNOWN
            row.words, row.act = probing.UNKNOWN_WORDS[row.kind], ""
            row.latency_ms, row.told = None, []
            rows.append(row)
    return rows


def _found(finding: Finding, at: datetime) -> Row:
    return Row(
        finding.key, finding.kind, finding.name, finding.status, at, at, finding.latency_ms,
        finding.words, finding.act, finding.details["facts"], told=finding.tasks,
        link=finding.link,
    )  # fmt: skip


def _toggled(opened: Sequence[str], key: str) -> str:
    kept = [each for each in opened if each != key]
    if key not in opened:
        kept = [*opened, key]
    return "?" + urlencode([("open", each) for each in kept])


def _name_tasks(rows: Iterable[Row], now: datetime, user: User) -> None:
    """What workers are at, with links to the runs where they may be seen."""
    rows = list(rows)
    wanted = {task["node"] for row in rows for task in row.told if task.get("node")}
    nodes: dict[int, Node] = {}
    if wanted and user.has_perm("runs.view_run"):
        nodes = Node.objects.select_related("run__workflow").in_bulk(sorted(wanted)[:500])
    for row in rows:
        if row.link and not user.has_perm(row.link[2]):
            row.link = None
        for told in row.told:
            lasts = max(0.0, now.timestamp() - (told.get("since") or now.timestamp()))
            task = Task(str(told["task"]), span_words(lasts))
            if (node := nodes.get(told.get("node") or 0)) is not None:
                task.node = f"{node.run.workflow.slug} · {node.key}"
                task.url = node.run.public_id
            row.tasks.append(task)


def _grouped(rows: Sequence[Row]) -> list[tuple[str, list[Row]]]:
    order = list(Kind)
    groups = []
    for title, kinds in GROUPS:
        of_group = [row for row in rows if row.kind in kinds]
        if of_group:
            groups.append((title, sorted(of_group, key=lambda r: (order.index(r.kind), r.name))))
    return groups


def _summary(rows: Sequence[Row]) -> dict[str, Any]:
    counts = {status: sum(row.status == status for row in rows) for status in Status}
    worst = max((row.status for row in rows), key=SEVERITY.__getitem__, default=Status.UNKNOWN)
    if not rows:
        words = "Nothing was looked at yet"
    elif worst == Status.UP:
        words = f"All {len(rows)} are up"
    else:
        said = (
            f"{counts[status]} {status.label.lower()}"
            for status in reversed(Status)
            if counts[status]
        )
        words = ", ".join(said)
        words = words[0].upper() + words[1:]
    return {
        "look": LOOKS[worst][0],
        "icon": LOOKS[worst][1],
        "words": words,
        "worse": [row for row in rows if row.status in (Status.DOWN, Status.DEGRADED)][:5],
    }
