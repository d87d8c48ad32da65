"""What differs most from usual, in plain words, each with where to look.

A time is compared with a longer one before it, per run and by medians, so that it makes no
difference that there were more runs. Little is said of few runs: their percentiles jump about.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from django.db.models import Q

from analytics import asking, figures
from analytics.asking import Row
from analytics.models import FailureGroup
from analytics.scope import Scope
from analytics.workflow_times import workflow_times
from runs.fingerprint import public
from runs.models import Workflow, WorkflowVersion
from runs.templatetags.runs_ui import duration_words

# All that are told, and of one kind.
MOST, MOST_OF_KIND = 12, 4
# Runs, or executions of a node, below which nothing is said.
ENOUGH = 20
# Failed runs, and how much more of all runs fail: in points, and as a factor.
FEWEST_FAILED, FAILING_POINTS, FAILING = 5, 0.05, 1.5
# A new failure of fewer runs is told on the page of failures alone.
FEWEST_NEW = 3
# How much longer nodes take: by the median, or, where only some do, by the 95th percentile.
SLOWER, SLOWER_TAIL, SLOWER_MS = 1.4, 2.5, 1_000
# How much more a run costs, and how much that comes to.
DEARER, DEARER_DOLLARS = Decimal("1.4"), Decimal(1)
# Points of parallel efficiency lost, and how much longer a node or a run waits for a worker.
LOST = 0.1
WAITING, WAITING_MS = 3, 2_000


@dataclass(frozen=True, slots=True)
class Change:
    """`page` names the page of the analysis, or is "runs"; `query` is its address."""

    kind: str
    # Its weight among those of its kind.
    weight: float
    title: str
    evidence: str
    page: str
    query: str
    # News that is no trouble, such as a new version.
    is_good: bool = False


ICONS = {
    "reopened": "settings_backup_restore",
    "new failure": "new_releases",
    "failing": "report",
    "dearer": "payments",
    "slower": "timer",
    "waiting in line": "splitscreen",
    "waiting for a start": "hourglass_top",
    "version": "publish",
}


def changes(scope: Scope, usual: Scope) -> list[Change]:
    """Most urgent first. Both scopes are answered by rollups."""
    slugs = dict(Workflow.objects.values_list("pk", "slug"))
    found: list[Change] = []
    for part in (
        _groups(scope, slugs),
        _failing(scope, usual, slugs),
        _dearer(scope, usual, slugs),
        _slower(scope, usual, slugs),
        _waiting(scope, usual, slugs),
        _versions(scope),
    ):
        of_kind: dict[str, int] = {}
        for change in sorted(part, key=lambda each: -each.weight):
            of_kind[change.kind] = of_kind.get(change.kind, 0) + 1
            if of_kind[change.kind] <= MOST_OF_KIND:
                found.append(change)
    order = list(ICONS)
    return sorted(found, key=lambda each: order.index(each.kind))[:MOST]


def _query(scope: Scope, **more: object) -> str:
    """A page's address for this time; of what is compared with, the pages' own is as long."""
    return scope.link(**more)


def _groups(scope: Scope, slugs: dict[int, str]) -> Iterator[Change]:
    rows = asking.total(scope, "analytics_failures", ["group", "workflow_id"], ["runs"])
    runs: dict[int, dict[int, int]] = {}
    for row in rows:
        runs.setdefault(row["group"], {})[row["workflow_id"]] = int(row["runs"])
    since = scope.since
    known = FailureGroup.objects.filter(pk__in=list(runs)).filter(
        Q(first_seen__gte=since) | Q(reopened_at__gte=since)
    )
    found = sorted(known, key=lambda group: -sum(runs[group.pk].values()))
    told = {True: 0, False: 0}
    for group in found:
        own = runs[group.pk]
        count = sum(own.values())
        is_back = group.reopened_at is not None and group.reopened_at >= since
        told[is_back] += 1
        # Each is asked for its version: of an outage there may be hundreds.
        if (not is_back and count < FEWEST_NEW) or told[is_back] > MOST_OF_KIND:
            continue
        largest = max(own, key=lambda pk: own[pk])
        where = (
            f"{group.node} of {slugs.get(largest, '')}" if group.node else slugs.get(largest, "")
        )
        begun = "" if is_back else _since_version(largest, group.first_seen)
        yield Change(
            "reopened" if is_back else "new failure",
            count,
            f"{group.kind} in {where}{' is back' if is_back else ' is new'}",
            f"{_runs(count)}{begun}: {group.message}",
            "runs",
            scope.link(state="failed", group=public(group.pk)),
        )


def _since_version(workflow_id: int, first_seen: datetime) -> str:
    """Where a failure came within a day of a version, it is likely to have come with it."""
    version = (
        WorkflowVersion.objects.filter(workflow=workflow_id, created_at__lte=first_seen)
        .order_by("-number")
        .values("number", "created_at")
        .first()
    )
    if version is None or version["number"] == 1:
        return ""
    is_near = first_seen - version["created_at"] <= timedelta(days=1)
    return f" since version {version['number']}" if is_near else ""


def _failing(scope: Scope, usual: Scope, slugs: dict[int, str]) -> Iterator[Change]:
    now, before = (_rates(each) for each in (scope, usual))
    for workflow_id, (runs, failed) in now.items():
        runs_before, failed_before = before.get(workflow_id, (0, 0))
        if runs < ENOUGH or runs_before < ENOUGH or failed < FEWEST_FAILED:
            continue
        rate, rate_before = failed / runs, failed_before / runs_before
        if rate - rate_before < FAILING_POINTS or rate < FAILING * rate_before:
            continue
        slug = slugs.get(workflow_id, "")
        yield Change(
            "failing",
            (rate - rate_before) * runs,
            f"{slug} fails more often",
            f"{figures.percent(rate)} of {_runs(runs)}, {figures.percent(rate_before)} usually",
            "failures",
            _query(scope, workflow=slug),
        )


def _rates(scope: Scope) -> dict[int, tuple[int, int]]:
    """By workflow: runs that ended by themselves, and those of them that failed."""
    found: dict[int, tuple[int, int]] = {}
    for row in asking.total(scope, "analytics_runs", ["workflow_id", "state"], ["runs"]):
        if row["state"] in ("completed", "failed"):
            runs, failed = found.get(row["workflow_id"], (0, 0))
            count = int(row["runs"])
            failed += count if row["state"] == "failed" else 0
            found[row["workflow_id"]] = (runs + count, failed)
    return found


def _dearer(scope: Scope, usual: Scope, slugs: dict[int, str]) -> Iterator[Change]:
    now, before = (_money(each) for each in (scope, usual))
    nodes: dict[int, dict[str, Decimal]] | None = None
    for workflow_id, (cost, runs) in now.items():
        cost_before, runs_before = before.get(workflow_id, (Decimal(0), 0))
        if runs < ENOUGH or runs_before < ENOUGH or not cost_before:
            continue
        each, each_before = figures.per(cost, runs), figures.per(cost_before, runs_before)
        more = (each - each_before) * runs
        if each < DEARER * each_before or more < DEARER_DOLLARS:
            continue
        if nodes is None:
            nodes = _dearer_nodes(scope, usual, now, before)
        slug, at = slugs.get(workflow_id, ""), nodes.get(workflow_id, {})
        node = max(at, key=lambda key: at[key], default="")
        where = f", most of it at {node}" if node else ""
        yield Change(
            "dearer",
            float(more),
            f"A run of {slug} costs {figures.growth(each, each_before)}",
            f"{figures.dollars(each)} each, {figures.dollars(each_before)} usually; "
            f"{figures.dollars(more)} more in all{where}",
            "cost",
            _query(scope, workflow=slug),
        )


def _money(scope: Scope) -> dict[int, tuple[Decimal, int]]:
    rows = asking.total(scope, "analytics_runs", ["workflow_id"], ["cost", "runs"])
    return {row["workflow_id"]: (row["cost"], int(row["runs"])) for row in rows}


def _dearer_nodes(
    scope: Scope,
    usual: Scope,
    now: dict[int, tuple[Decimal, int]],
    before: dict[int, tuple[Decimal, int]],
) -> dict[int, dict[str, Decimal]]:
    """By workflow: how much more a run costs at each node."""
    found: dict[int, dict[str, Decimal]] = {}
    for of, counted, sign in ((scope, now, 1), (usual, before, -1)):
        for row in asking.total(of, "analytics_calls", ["workflow_id", "node"], ["cost"]):
            _, runs = counted.get(row["workflow_id"], (Decimal(0), 0))
            own = found.setdefault(row["workflow_id"], {})
            own[row["node"]] = own.get(row["node"], Decimal(0)) + sign * figures.per(
                row["cost"], runs
            )
    return found


def _slower(scope: Scope, usual: Scope, slugs: dict[int, str]) -> Iterator[Change]:
    before = _by_node(usual)
    for key, row in _by_node(scope).items():
        then = before.get(key)
        if row["kind"] == "human" or then is None or row["executed"] < ENOUGH:
            continue
        for share, least, said in ((0.5, SLOWER, "median"), (0.95, SLOWER_TAIL, "95 % within")):
            took, usually = row.percentile(share), then.percentile(share)
            if not took or not usually or then["executed"] < ENOUGH:
                continue
            if took < least * usually or took - usually < SLOWER_MS:
                continue
            slug = slugs.get(row["workflow_id"], "")
            yield Change(
                "slower",
                (took - usually) * float(row["executed"]),
                f"{row['node']} of {slug} takes longer",
                f"{said} {_length(took)}, {_length(usually)} usually;"
                f" {_runs(int(row['executed']))}",
                "duration",
                _query(scope, workflow=slug),
            )
            break


def _by_node(scope: Scope) -> dict[tuple[int, str], Row]:
    rows = asking.total(
        scope, "analytics_nodes", ["workflow_id", "node", "kind"], ["executed", "queued_ms"],
        steps=True,
    )  # fmt: skip
    return {(row["workflow_id"], row["node"]): row for row in rows}


def _waiting(scope: Scope, usual: Scope, slugs: dict[int, str]) -> Iterator[Change]:
    """Runs whose nodes wait for a worker, although they could run side by side; and runs that
    wait for their start."""
    before = {each.workflow: each for each in workflow_times(usual, None)}
    now, usually = _queued(scope, slugs), _queued(usual, slugs)
    for each in workflow_times(scope, None):
        then = before.get(each.workflow)
        if then is None or each.runs < ENOUGH or then.runs < ENOUGH:
            continue
        if each.waited > WAITING * then.waited and each.waited - then.waited > WAITING_MS:
            yield Change(
                "waiting for a start",
                (each.waited - then.waited) * each.runs,
                f"{each.workflow} waits longer for its start",
                f"{_length(each.waited)} on average, {_length(then.waited)} usually",
                "duration",
                _query(scope, workflow=each.workflow),
            )
        if each.efficiency is None or then.efficiency is None:
            continue
        lost = then.efficiency - each.efficiency
        if lost < LOST:
            continue
        longer = {
            node: queued - usually.get((workflow, node), 0.0)
            for (workflow, node), queued in now.items()
            if workflow == each.workflow
        }
        node = max(longer, key=lambda key: longer[key], default="")
        because = (
            f"; {node} waits {_length(now[each.workflow, node])} for a worker, "
            f"{_length(usually.get((each.workflow, node), 0.0))} usually"
            if node and longer[node] > 1_000
            else ""
        )
        yield Change(
            "waiting in line",
            lost * each.runs,
            f"{each.workflow} runs less side by side",
            f"Parallel efficiency {figures.percent(each.efficiency)},"
            f" {figures.percent(then.efficiency)} usually{because}",
            "duration",
            _query(scope, workflow=each.workflow),
        )


def _queued(scope: Scope, slugs: dict[int, str]) -> dict[tuple[str, str], float]:
    """By workflow and node: ms that it waits for a worker, on average."""
    rows = asking.total(
        scope, "analytics_nodes", ["workflow_id", "node"], ["queued_ms", "executed"]
    )  # fmt: skip
    return {
        (slugs.get(row["workflow_id"], ""), row["node"]): float(row["queued_ms"])
        / float(row["executed"])
        for row in rows
        if row["executed"]
    }


def _versions(scope: Scope) -> Iterator[Change]:
    published = (
        WorkflowVersion.objects.filter(created_at__gte=scope.since, number__gt=1)
        .select_related("workflow")
        .defer("definition")
        .order_by("-created_at")[: MOST_OF_KIND + 1]
    )
    for version in published:
        slug = version.workflow.slug
        yield Change(
            "version",
            version.created_at.timestamp(),
            f"Version {version.number} of {slug} was published",
            "Compare it with the one before it",
            "duration",
            f"{_query(scope, workflow=slug, version=version.number)}&compare=v{version.number - 1}",
            is_good=True,
        )


def _runs(count: int) -> str:
    return f"{count:,} run{'' if count == 1 else 's'}"


def _length(ms: float) -> str:
    return duration_words(timedelta(milliseconds=ms))
