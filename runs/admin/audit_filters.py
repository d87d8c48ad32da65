"""How the audit is searched: each way follows an index, none collects its words from the table."""

from __future__ import annotations

from datetime import datetime, time, timedelta
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.dateparse import parse_date

ACTIONS = (
    "start", "retry", "terminate", "export", "bundle", "publish",
    "create", "change", "change_password", "delete", "revoke", "lock_login",
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
            ("run", "Runs"), ("workflow", "Workflows"), ("user", "Users"), ("group", "Groups"),
            ("token", "API tokens"),
        ]  # fmt: skip
        value = self.value() or ""
        return [*kinds, (value, value.partition(":")[2])] if ":" in value else kinds

    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:  # noqa: ARG002
        kind, _, target = (self.value() or "").replace("\0", "").partition(":")
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
