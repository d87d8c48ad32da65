"""The audit: who did what, why, and to how many."""

import json
from typing import Any
from urllib.parse import unquote, urlencode

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from unfold.views import ChangeList

from runs.admin.audit_filters import TYPE_ID, ByAction, ByDay, OfTarget, found_by
from runs.admin.audit_targets import Target, targets_of
from runs.admin.read_only import FixedOrder, ReadOnlyAdmin
from runs.models import AuditEntry
from runs.templatetags.runs_ui import clock_words, full_words, short

# Acts whose reason says what is other than before.
CHANGES = ("add", "change", "remove", "create")


class LinkedTargets(FixedOrder):
    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        self.result_list: list[AuditEntry] = list(self.result_list)
        _link(self.result_list, request)


def _linked(target: Target) -> str:
    if not target.url:
        return _brief(target.label)
    return format_html('<a class="text-link" href="{}">{}</a>', target.url, _brief(target.label))


def _brief(label: str) -> str:
    """An id as lists show it, which is whole in its title."""
    if not TYPE_ID.fullmatch(label):
        return label
    return format_html('<span class="op-mono" title="{}">{}</span>', label, short(label))


def _parted(entry: AuditEntry) -> tuple[str, str]:
    """What was changed, and why. Changes of how long things are kept come as “change (reason)”; in
    their own words there are no brackets. Those of accounts say nothing else."""
    if entry.action not in CHANGES:
        return "", entry.reason
    if entry.target_type in ("user", "group"):
        return entry.reason, ""
    if entry.target_type != "retention":
        return "", entry.reason
    change, bracket, reason = entry.reason.partition(" (")
    return change, reason.removesuffix(")") if bracket else ""


def _words(asked: dict[str, Any]) -> str:
    """``dry run: no; policy: failed days 30, delete days none``."""
    parts = []
    for name, value in asked.items():
        if isinstance(value, dict):
            said = ", ".join(f"{_name(key)} {_value(each)}" for key, each in value.items())
        else:
            said = _value(value)
        parts.append(f"{_name(name)}: {said}")
    return "; ".join(parts)


def _name(key: str) -> str:
    return key.replace("_", " ")


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if value is None:
        return "none"
    return value if isinstance(value, str) else json.dumps(value)


def _link(entries: list[AuditEntry], request: HttpRequest) -> None:
    found = targets_of(entries, request.user)  # type: ignore[arg-type]  # the admin's are ours
    for entry in entries:
        entry.found = found.get((entry.target_type, entry.target_id))  # type: ignore[attr-defined]


@admin.register(AuditEntry)
class AuditEntryAdmin(ReadOnlyAdmin):
    list_display = (
        "shown_at", "who", "action", "what", "how_many", "change", "shown_reason", "shown_filter",
    )  # fmt: skip
    list_filter = (ByDay, OfTarget, ByAction)
    search_fields = ("actor", "address", "via", "target_id", "action", "reason")
    search_help_text = "User, address, token, id, workflow, or words of the reason"
    fields = (
        "at", "actor", "ref_type", "ref_id", "address", "via", "action", "target_type",
        "target", "target_id", "how_many", "change", "shown_reason", "shown_filter",
    )  # fmt: skip
    ordering = ("-at", "-id")
    # A phone shows no more than there is to say.
    empty_value_display = '<span class="op-none">–</span>'

    @admin.display(description="at")
    def shown_at(self, entry: AuditEntry) -> str:
        words = clock_words(entry.at, timezone.now())
        return format_html('<time title="{}">{}</time>', full_words(entry.at), words)

    @admin.display(description="who")
    def who(self, entry: AuditEntry) -> str:
        """And from where, or by which token."""
        by = f"token {entry.via}" if entry.via else ""
        origin = " · ".join(filter(None, (entry.address, by)))
        if not origin:
            return entry.actor
        return format_html("{} <small>{}</small>", entry.actor, origin)

    @admin.display(description="what")
    def what(self, entry: AuditEntry) -> str:
        """What it was done to. An operation on one run is that run's."""
        found = getattr(entry, "found", None)
        if found is None:
            shown = _brief(entry.target_id)
        else:
            shown = _linked(found)
            if found.only:
                return format_html("run {} <small>by {}</small>", _linked(found.only), shown)
        if (found.label if found else entry.target_id).startswith(f"{entry.target_type}_"):
            return shown  # an id says itself of what it is
        return format_html("{} {}", entry.target_type, shown)

    @admin.display(description="runs")
    def how_many(self, entry: AuditEntry) -> str | None:
        """Where it is more, or less, than the one that is named; of a bulk operation always."""
        found = getattr(entry, "found", None)
        if found and found.runs is not None:
            return f"{found.runs:,}"
        return None if entry.count == 1 and entry.target_type != "bulk" else f"{entry.count:,}"

    @admin.display(description="change")
    def change(self, entry: AuditEntry) -> str | None:
        """What is other than before, where that was kept together with the reason."""
        found = getattr(entry, "found", None)
        change = _parted(entry)[0]
        if found:
            # Whose account it was stands beside it.
            change = change.removeprefix(found.label).removeprefix(": ")
        return change or None

    @admin.display(description="reason")
    def shown_reason(self, entry: AuditEntry) -> str | None:
        """Not where it only says again whose account it was."""
        found = getattr(entry, "found", None)
        return None if found and entry.reason == found.label else _parted(entry)[1] or None

    @admin.display(description="target")
    def target(self, entry: AuditEntry) -> str | None:
        found = getattr(entry, "found", None)
        if found is None:
            return entry.target_id or None
        own = format_html('<a class="text-link" href="{}">{}</a>', found.url, found.label)
        return format_html("{} on {}", own, _linked(found.only)) if found.only else own

    @admin.display(description="filter")
    def shown_filter(self, entry: AuditEntry) -> str | None:
        """Which runs it was done to, as the list's address says it; else what was asked for."""
        if not isinstance(entry.filter, dict):
            return json.dumps(entry.filter) if entry.filter else None
        if entry.target_type not in ("run", "bulk"):
            return _words(entry.filter) or None
        query = urlencode(entry.filter, doseq=True)
        if not query:
            return "all runs"
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
