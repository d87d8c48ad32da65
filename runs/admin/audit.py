"""The audit: who did what, why, and to how many."""

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from runs.admin.read_only import ReadOnlyAdmin
from runs.models import AuditEntry


class OfTarget(admin.SimpleListFilter):
    """``?target=run`` or ``?target=run:run_…``: what was acted on.

    The words are given here: to collect them would read the whole table.
    """

    title = "what"
    parameter_name = "target"

    def lookups(
        self,
        request: HttpRequest,  # noqa: ARG002
        model_admin: Any,  # noqa: ARG002
    ) -> list[tuple[str, str]]:
        kinds = [("run", "Runs"), ("workflow", "Workflows")]
        value = self.value() or ""
        return [*kinds, (value, value.partition(":")[2])] if ":" in value else kinds

    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:  # noqa: ARG002
        kind, _, target = (self.value() or "").replace("\0", "").partition(":")
        if kind:
            queryset = queryset.filter(target_type=kind)
        return queryset.filter(target_id=target) if target else queryset


@admin.register(AuditEntry)
class AuditEntryAdmin(ReadOnlyAdmin):
    list_display = ("at", "actor", "action", "target_type", "target_id", "count", "reason")
    list_filter = (OfTarget,)
    fields = (
        "at", "actor", "ref_type", "ref_id", "action", "target_type", "target_id", "count",
        "reason", "filter",
    )  # fmt: skip
    ordering = ("-at", "-id")
