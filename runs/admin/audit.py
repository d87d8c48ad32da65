"""The audit: who did what, why, and to how many."""

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.html import format_html
from unfold.views import ChangeList

from runs.admin.audit_filters import ByAction, ByDay, OfTarget
from runs.admin.audit_targets import targets_of
from runs.admin.read_only import FixedOrder, ReadOnlyAdmin
from runs.models import AuditEntry


class LinkedTargets(FixedOrder):
    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        self.result_list: list[AuditEntry] = list(self.result_list)
        _link(self.result_list, request)


def _link(entries: list[AuditEntry], request: HttpRequest) -> None:
    found = targets_of(entries, request.user)  # type: ignore[arg-type]  # the admin's are ours
    for entry in entries:
        entry.found = found.get((entry.target_type, entry.target_id))  # type: ignore[attr-defined]


@admin.register(AuditEntry)
class AuditEntryAdmin(ReadOnlyAdmin):
    list_display = (
        "at", "actor", "origin", "action", "target_type", "target", "count", "reason",
    )  # fmt: skip
    list_filter = (ByDay, OfTarget, ByAction)
    search_fields = ("actor",)
    search_help_text = "User name, in full"
    fields = (
        "at", "actor", "ref_type", "ref_id", "address", "via", "action", "target_type",
        "target", "target_id", "count", "reason", "filter",
    )  # fmt: skip
    ordering = ("-at", "-id")

    @admin.display(description="from", empty_value="")
    def origin(self, entry: AuditEntry) -> str:
        by = f"token {entry.via}" if entry.via else ""
        return " · ".join(filter(None, (entry.address, by)))

    @admin.display(description="target")
    def target(self, entry: AuditEntry) -> str:
        found = getattr(entry, "found", None)
        if found is None:
            return entry.target_id
        return format_html('<a class="text-link" href="{}">{}</a>', found.url, found.label)

    def get_object(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        entry = super().get_object(request, *args, **kwargs)
        if entry is not None:
            _link([entry], request)
        return entry

    def get_search_results(
        self,
        request: HttpRequest,  # noqa: ARG002
        queryset: QuerySet,
        search_term: str,
    ) -> tuple[QuerySet, bool]:
        # The whole name: an index finds it in the order of time, which it could not for a part.
        name = search_term.replace("\0", "").strip()
        return (queryset.filter(actor=name) if name else queryset), False

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:  # noqa: ARG002
        return LinkedTargets
