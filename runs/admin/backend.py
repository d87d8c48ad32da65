"""Which backends outside of the portal the page of services watches."""

from __future__ import annotations

from typing import Any, cast

from django.contrib import admin
from django.http import HttpRequest
from unfold.admin import ModelAdmin

from runs.models import AuditEntry, Backend, User


@admin.register(Backend)
class BackendAdmin(ModelAdmin):
    actions = None
    list_display = ("name", "preset", "url", "created_at", "created_by")
    list_select_related = ("created_by",)
    search_fields = ("name", "url")
    fields = ("name", "preset", "url", "secret", "created_at", "created_by")
    readonly_fields = ("created_at", "created_by")

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:  # noqa: ARG002
        # What a new one has no value of yet is no part of its form.
        return self.fields if obj else ("name", "preset", "url", "secret")

    def save_model(self, request: HttpRequest, obj: Backend, form: Any, change: bool) -> None:
        if not change:
            obj.created_by = request.user  # type: ignore[assignment]
        super().save_model(request, obj, form, change)
        said = ", ".join(form.changed_data) if change else obj.url
        self._note(request, "change" if change else "create", obj, said)

    def delete_model(self, request: HttpRequest, obj: Backend) -> None:
        super().delete_model(request, obj)
        self._note(request, "delete", obj, obj.url)

    def _note(self, request: HttpRequest, action: str, backend: Backend, said: str) -> None:
        by = cast(User, request.user).as_actor()
        AuditEntry.objects.note(by, action, ("backend", backend.name), said)
