"""The audit: who did what, why, and to how many."""

import json
from typing import Any
from urllib.parse import unquote, urlencode

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from unfold.views import ChangeList

from runs.admin.audit_filters import ByAction, ByDay, OfTarget, found_by
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
        "at", "actor", "origin", "action", "target_type", "target", "how_many", "shown_reason",
        "shown_filter",
    )  # fmt: skip
    list_filter = (ByDay, OfTarget, ByAction)
    search_fields = ("actor", "address", "via", "target_id", "action", "reason")
    search_help_text = "User, address, token, id, or words of the reason"
    fields = (
        "at", "actor", "ref_type", "ref_id", "address", "via", "action", "target_type",
        "target", "target_id", "count", "reason", "shown_filter",
    )  # fmt: skip
    ordering = ("-at", "-id")
    # A phone shows no more than there is to say.
    empty_value_display = '<span class="op-none">–</span>'

    @admin.display(description="from")
    def origin(self, entry: AuditEntry) -> str | None:
        by = f"token {entry.via}" if entry.via else ""
        return " · ".join(filter(None, (entry.address, by))) or None

    @admin.display(description="count")
    def how_many(self, entry: AuditEntry) -> int | None:
        """Where it is more, or less, than the one that is named."""
        return None if entry.count == 1 else entry.count

    @admin.display(description="reason")
    def shown_reason(self, entry: AuditEntry) -> str | None:
        """Not where it only says again whose account it was."""
        found = getattr(entry, "found", None)
        return None if found and entry.reason == found.label else entry.reason or None

    @admin.display(description="target")
    def target(self, entry: AuditEntry) -> str | None:
        found = getattr(entry, "found", None)
        if found is None:
            return entry.target_id or None
        return format_html('<a class="text-link" href="{}">{}</a>', found.url, found.label)

    @admin.display(description="filter")
    def shown_filter(self, entry: AuditEntry) -> str | None:
        """Which runs it was done to, as the list's address says it."""
        if not isinstance(entry.filter, dict):
            return json.dumps(entry.filter) if entry.filter else None
        query = urlencode(entry.filter, doseq=True)
        if not query:
            return "all runs"
        if entry.target_type not in ("run", "bulk"):
            return query
        runs = reverse("admin:runs_run_changelist")
        return format_html('<a class="text-link" href="{}?{}">{}</a>', runs, query, unquote(query))

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
        text = search_term.replace("\0", "").strip()
        return (found_by(queryset, text) if text else queryset), False

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:  # noqa: ARG002
        return LinkedTargets
