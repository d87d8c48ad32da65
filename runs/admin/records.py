"""Events and model calls as they are stored, for who must see the very rows."""

import json
import uuid
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from runs import ids
from runs.admin.read_only import ReadOnlyAdmin, shown_text
from runs.models import Event, LLMCall


class OfRun(admin.SimpleListFilter):
    """``?run=run_…``: one run's rows."""

    title = "run"
    parameter_name = "run"

    def lookups(
        self,
        request: HttpRequest,  # noqa: ARG002
        model_admin: Any,  # noqa: ARG002
    ) -> list[tuple[str, str]]:
        return [(value, value)] if (value := self.value()) else [("", "any run")]

    def choices(self, changelist: Any) -> Any:
        # One run of millions is named in the address, not chosen from a list.
        return list(super().choices(changelist))[: 2 if self.value() else 1]

    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:  # noqa: ARG002
        if not (value := self.value()):
            return queryset
        run_id = ids.decode("run", value)
        return queryset.filter(run=run_id) if run_id else queryset.none()


class RowsOfRuns(ReadOnlyAdmin):
    list_filter = (OfRun,)

    def get_ordering(self, request: HttpRequest) -> tuple[str, ...]:
        # Both follow an index: one run's rows in their order, or the newest of all.
        return ("run_id", "seq") if request.GET.get("run") else ("-id",)

    @admin.display(description="run")
    def of_run(self, row: Any) -> SafeString:
        return run_link(row.run_id)


def run_link(run_id: uuid.UUID) -> SafeString:
    public = ids.encode("run", run_id)
    url = reverse("admin:runs_run_page", args=[public])
    return format_html('<a class="text-link" href="{}">{}</a>', url, public)


@admin.register(Event)
class EventAdmin(RowsOfRuns):
    list_display = ("seq", "kind", "node", "attempt", "actor", "at", "of_run")
    list_display_links = ("seq", "kind")
    heavy = ("data",)
    fields = (
        "of_run", "seq", "kind", "node", "attempt", "actor", "at", "recorded_at", "shown_data",
    )  # fmt: skip

    @admin.display(description="data")
    def shown_data(self, event: Event) -> SafeString:
        return shown_text(json.dumps(event.data, indent=2, ensure_ascii=False))


@admin.register(LLMCall)
class LLMCallAdmin(RowsOfRuns):
    list_display = (
        "at", "of_run", "node", "attempt", "model", "input_tokens", "output_tokens",
        "cached_tokens", "cost",
    )  # fmt: skip
    fields = (
        "of_run", "seq", "node", "attempt", "model", "input_tokens", "output_tokens",
        "cached_tokens", "cost", "at",
    )  # fmt: skip
