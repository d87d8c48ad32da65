"""What the audit's entries are about, where it is still there and the reader may see it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from typing import NamedTuple

from django.contrib.auth.models import Group
from django.db.models import F
from django.urls import reverse

from runs import fingerprint, ids
from runs.filters import RunFilter
from runs.models import (
    ApiToken,
    AuditEntry,
    BulkOperation,
    Run,
    Source,
    User,
    Workflow,
    WorkflowVersion,
)


class Target(NamedTuple):
    label: str
    # "": it has no page.
    url: str
    # Of a bulk operation: how many runs it is about, and the run where that is the only one.
    runs: int | None = None
    only: Target | None = None


def targets_of(entries: Iterable[AuditEntry], reader: User) -> dict[tuple[str, str], Target]:
    """By type and id; one query for each type among the entries."""
    by_type: dict[str, set[str]] = {}
    for entry in entries:
        by_type.setdefault(entry.target_type, set()).add(entry.target_id)
    return {
        (kind, target_id): target
        for kind, (permission, find) in _KINDS.items()
        if kind in by_type and reader.has_perm(permission)
        for target_id, target in find(by_type[kind])
    }


Found = Iterator[tuple[str, Target]]


def _runs(public_ids: Collection[str]) -> Found:
    wanted = [pk for text in public_ids if (pk := ids.decode("run", text))]
    for pk in Run.objects.filter(pk__in=wanted).order_by().values_list("pk", flat=True):
        public = ids.encode("run", pk)
        yield public, Target(public, reverse("admin:runs_run_page", args=[public]))


def _operations(public_ids: Collection[str]) -> Found:
    wanted = [pk for text in public_ids if (pk := ids.decode("bulk", text))]
    found = BulkOperation.objects.filter(pk__in=wanted).summed_up().order_by()
    # Of thousands that are named, the first at most.
    rows = list(found.values_list("pk", "total", "at_least", "named", F("chosen__0")))
    only = {pk: ids.encode("run", run) for pk, _, _, named, run in rows if named == 1}
    runs = dict(_runs(only.values()))
    for pk, total, at_least, _, _ in rows:
        public = ids.encode("bulk", pk)
        url, run = reverse("bulk_operation", args=[public]), only.get(pk)
        one = runs.get(run, Target(run, "")) if run else None
        yield public, Target(public, url, at_least if total is None else total, one)


def _executions(public_ids: Collection[str]) -> Found:
    """They are never deleted. Their pages are an upper app's."""
    for public in public_ids:
        if ids.decode("exec", public):
            yield public, Target(public, reverse("retention_execution", args=[public]))


def _failure_groups(public_ids: Collection[str]) -> Found:
    """They are never deleted. Their runs are shown, also where all have gone."""
    runs = reverse("admin:runs_run_changelist")
    for public in public_ids:
        if fingerprint.parsed(public) is not None:
            yield public, Target(public, runs + RunFilter(state="failed", group=public).query())


def _users(public_ids: Collection[str]) -> Found:
    wanted = [pk for text in public_ids if (pk := ids.decode("user", text))]
    for pk, name in User.objects.filter(pk__in=wanted).values_list("pk", "username"):
        yield ids.encode("user", pk), Target(name, reverse("admin:runs_user_change", args=[pk]))


def _groups(numbers: Collection[str]) -> Found:
    # Nine digits are sure to fit the column.
    wanted = [int(text) for text in numbers if text.isdecimal() and len(text) < 10]
    for pk, name in Group.objects.filter(pk__in=wanted).values_list("pk", "name"):
        yield str(pk), Target(name, reverse("admin:auth_group_change", args=[pk]))


def _tokens(public_ids: Collection[str]) -> Found:
    wanted = [pk for text in public_ids if (pk := ids.decode("token", text))]
    for token in ApiToken.objects.filter(pk__in=wanted):
        page = reverse("api_tokens")
        yield token.public_id, Target(str(token), f"{page}?all=1#{token.public_id}")


def _workflows(labels: Collection[str]) -> Found:
    """Of texts such as “invoices v3”, or “invoices”."""
    slugs = {text.partition(" ")[0] for text in labels}
    for slug in Workflow.objects.filter(slug__in=slugs & set(labels)).values_list(
        "slug", flat=True
    ):
        yield slug, Target(slug, reverse("admin:runs_workflow_page", args=[slug]))
    versions = WorkflowVersion.objects.filter(workflow__slug__in=slugs).order_by()
    for slug, number in versions.values_list("workflow__slug", "number"):
        if (label := f"{slug} v{number}") in labels:
            yield label, Target(label, reverse("admin:runs_workflow_version", args=[slug, number]))


def _sources(names: Collection[str]) -> Found:
    for pk, name in Source.objects.filter(name__in=names).values_list("pk", "name"):
        yield name, Target(name, reverse("admin:runs_source_change", args=[pk]))


_KINDS: dict[str, tuple[str, Callable[[Collection[str]], Found]]] = {
    "run": ("runs.view_run", _runs),
    "bulk": ("runs.view_run", _operations),
    "retention": ("runs.manage_retention", _executions),
    "failure group": ("runs.view_run", _failure_groups),
    "workflow": ("runs.view_workflow", _workflows),
    "user": ("runs.view_user", _users),
    "group": ("auth.view_group", _groups),
    "source": ("runs.view_source", _sources),
    "token": ("runs.view_apitoken", _tokens),
}
