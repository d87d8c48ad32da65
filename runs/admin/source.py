"""Who reports runs that are executed elsewhere."""

from typing import Any, cast

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from unfold.admin import ModelAdmin

from runs.models import AuditEntry, Source, User


@admin.register(Source)
class SourceAdmin(ModelAdmin):
    actions = None
    list_display = ("name", "last_event_at", "created_at", "created_by")
    list_select_related = ("created_by",)
    search_fields = ("name",)
    fields = ("name", "retry_url", "terminate_url", "created_at", "created_by", "last_event_at")
    readonly_fields = ("created_at", "created_by", "last_event_at")

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        if not self.has_view_or_change_permission(request) or Source.objects.exists():
            return super().changelist_view(request, extra_context)
        context = {
            **self.admin_site.each_context(request),
            "title": "Sources",
            "may_add": self.has_add_permission(request),
            "events_url": request.build_absolute_uri(reverse("api:events")).rstrip("/"),
            "portal_url": request.build_absolute_uri("/").rstrip("/"),
        }
        return render(request, "runs/sources_empty.html", context)

    def get_fields(self, request: HttpRequest, obj: Source | None = None) -> Any:  # noqa: ARG002
        # What a new one has no value of yet is no part of its form.
        return self.fields if obj else ("name", "retry_url", "terminate_url")

    def get_readonly_fields(self, request: HttpRequest, obj: Source | None = None) -> Any:  # noqa: ARG002
        # Its senders call it by its name, and its events are known by it.
        return ("name", *self.readonly_fields) if obj else ()

    def save_model(self, request: HttpRequest, obj: Source, form: Any, change: bool) -> None:
        if not change:
            obj.created_by = request.user  # type: ignore[assignment]
        super().save_model(request, obj, form, change)
        by = cast(User, request.user).as_actor()
        changed = ", ".join(form.changed_data)
        AuditEntry.objects.note(by, "change" if change else "create", ("source", obj.name), changed)

    def has_delete_permission(
        self,
        request: HttpRequest,  # noqa: ARG002
        obj: Source | None = None,  # noqa: ARG002
    ) -> bool:
        # Its events refer to it.
        return False
