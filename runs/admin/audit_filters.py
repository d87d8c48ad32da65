"""How the audit is searched: each way follows an index, none collects its words from the table."""

from __future__ import annotations

import re
from datetime import datetime, time, timedelta
from ipaddress import ip_address
from typing import Any

from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.dateparse import parse_date

from runs import ids
from runs.models import AuditEntry, BulkOperation, BulkOutcome, WorkflowVersion
from runs.models.bulk import BulkState
from runs.models.token import PREFIX, PREFIX_LENGTH

ADDRESS = re.compile(r"[0-9a-fA-F.:]+")
TYPE_ID = re.compile(r"[a-z]+_[0-9a-z]{26}")
FAILURE_GROUP = re.compile(r"[0-9a-f]{16}")
SHORTEST = 3
# What is known by a name, which people type.
NAMED = ("workflow", "retention", "source", "executor", "backend")
# Versions of a workflow, and operations on a run, of which the entries are looked for: the newest.
MOST = 500
ACTIONS = (
    "start", "retry", "retry_from_failed", "terminate", "export", "bundle", "publish",
    "hold", "release", "prolong", "rescue",
    "bulk retry", "bulk terminate", "bulk delete", "bulk export",
    "bulk hold", "bulk release", "bulk restore", "bulk rescue", "pause bulk", "resume bulk",
    "abort bulk", "limit bulk", "download", "pause", "resume", "limit",
    "create", "add", "change", "remove", "change_password", "delete", "revoke", "login",
    "fail_login", "lock_login",
    "begin archive", "begin sweep", "begin check", "abort retention", "delete by age",
    "mark as known", "mark as resolved", "unmark",
)  # fmt: skip


class OfTarget(admin.SimpleListFilter):
    """``?target=run`` or ``?target=run:run_…``: what was acted on."""

    title = "what"
    parameter_name = "target"

    def lookups(
        self,
        request: HttpRequest,  # noqa: ARG002
        model_admin: Any,  # noqa: ARG002
    ) -> list[tuple[str, str]]:
        kinds = [
            ("run", "Runs"), ("bulk", "Bulk operations"), ("workflow", "Workflows"),
            ("user", "Users"), ("group", "Groups"), ("token", "API tokens"), ("source", "Sources"),
            ("view", "Saved views"), ("executor", "Executors"), ("retention", "Retention"),
            ("failure group", "Failure groups"),
        ]  # fmt: skip
        value = self.value() or ""
        return [*kinds, (value, value.partition(":")[2])] if ":" in value else kinds

    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:  # noqa: ARG002
        kind, _, target = (self.value() or "").replace("\0", "").partition(":")
        if kind and target:
            return of_target(queryset, kind, target)
        if kind:
            queryset = queryset.filter(target_type=kind)
        return queryset.filter(target_id=target) if target else queryset


class ByAction(admin.SimpleListFilter):
    """``?action=retry``."""

    title = "action"
    parameter_name = "action"

    def lookups(
        self,
        request: HttpRequest,  # noqa: ARG002
        model_admin: Any,  # noqa: ARG002
    ) -> list[tuple[str, str]]:
        return [(name, name.replace("_", " ").capitalize()) for name in ACTIONS]

    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:  # noqa: ARG002
        value = (self.value() or "").replace("\0", "")
        return queryset.filter(action=value) if value else queryset


def found_by(entries: QuerySet[AuditEntry], text: str) -> QuerySet[AuditEntry]:
    """Entries that a text names: by address, token, target or actor, each in full, or else by an
    action's name or by words of their reason. One meaning at a time, which an index can follow."""
    if ADDRESS.fullmatch(text) and (address := _address(text)):
        return entries.filter(address=address)
    if text.startswith(PREFIX):
        return entries.filter(via=text[:PREFIX_LENGTH])
    if TYPE_ID.fullmatch(text):
        return of_target(entries, text.partition("_")[0], text)
    if FAILURE_GROUP.fullmatch(text):
        return entries.filter(target_type="failure group", target_id=text)
    if entries.model._default_manager.filter(actor=text).exists():
        return entries.filter(actor=text)
    if (action := text.lower().replace(" ", "_")) in ACTIONS:
        return entries.filter(action=action)
    # Shorter ones are in no index.
    told = Q(reason__icontains=text) if len(text) >= SHORTEST else None
    named = _named(text)
    if entries.model._default_manager.filter(named).exists():
        return entries.filter(named | told if told else named)
    return entries.filter(told) if told else entries.none()


def _named(text: str) -> Q:
    """What is called so, where it is known by its name: a workflow in all its versions too."""
    versions = WorkflowVersion.objects.filter(workflow__slug=text).order_by("-number")
    labels = [f"{text} v{number}" for number in versions.values_list("number", flat=True)[:MOST]]
    return Q(target_type__in=NAMED, target_id__in=[text, *labels])


def of_target(entries: QuerySet[AuditEntry], kind: str, target: str) -> QuerySet[AuditEntry]:
    """Entries on this one; on a run also those of the bulk operations that acted on it, which name
    no run, or are about to."""
    own = Q(target_type=kind, target_id=target)
    run_id = ids.decode("run", target) if kind == "run" else None
    if run_id is None:
        return entries.filter(own)
    acted = BulkOutcome.objects.filter(run=run_id).order_by("-operation_id")
    going = BulkOperation.objects.filter(state=BulkState.RUNNING, chosen__contains=[run_id])
    found = {
        *acted.values_list("operation_id", flat=True)[:MOST],
        *going.order_by().values_list("pk", flat=True)[:MOST],
    }
    if not found:
        return entries.filter(own)
    operations = [ids.encode("bulk", pk) for pk in found]
    return entries.filter(own | Q(target_type="bulk", target_id__in=operations))


def _address(text: str) -> str | None:
    try:
        return str(ip_address(text))
    except ValueError:
        return None


class ByDay(admin.ListFilter):
    """``?from=2026-11-20&to=2026-11-22``: whole days of the reader's zone; each may be left out."""

    title = "day"
    template = "runs/audit_days.html"
    parameter_names = ("from", "to")

    def __init__(
        self, request: HttpRequest, params: dict[str, Any], model: Any, owner: Any
    ) -> None:
        super().__init__(request, params, model, owner)
        for name in self.parameter_names:
            if values := params.pop(name, None):
                self.used_parameters[name] = values[-1]
        self.others = [
            (name, value)
            for name, values in request.GET.lists()
            for value in values
            if name not in (*self.parameter_names, "p")
        ]

    def has_output(self) -> bool:
        return True

    def expected_parameters(self) -> list[str | None]:
        return list(self.parameter_names)

    def choices(self, changelist: Any) -> Any:  # noqa: ARG002
        yield {"from": self._text("from"), "to": self._text("to"), "others": self.others}

    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:  # noqa: ARG002
        if begin := _midnight(self._text("from")):
            queryset = queryset.filter(at__gte=begin)
        if end := _midnight(self._text("to"), days=1):
            queryset = queryset.filter(at__lt=end)
        return queryset

    def _text(self, name: str) -> str:
        return str(self.used_parameters.get(name, ""))


def _midnight(text: str, days: int = 0) -> datetime | None:
    """When that day, or one some days later, begins; None for what is no day of our times."""
    try:
        day = parse_date(text)
    except ValueError:
        return None
    if day is None or not 1970 <= day.year < 9000:
        return None
    return timezone.make_aware(datetime.combine(day + timedelta(days), time.min))
