"""How many nodes of an executor may be in flight at once."""

from __future__ import annotations

from typing import Any, cast

from django.contrib import admin
from django.http import HttpRequest
from unfold.admin import ModelAdmin

from runs.engine import dispatch, gates, registry
from runs.models import AuditEntry, ExecutorLimit, User


@admin.register(ExecutorLimit)
class ExecutorLimitAdmin(ModelAdmin):
    actions = None
    list_display = ("executor", "most", "declared")
    fields = ("executor", "most", "declared")
    readonly_fields = ("declared",)
    search_fields = ("executor",)

    @admin.display(description="declared by the executor", empty_value="no limit")
    def declared(self, limit: ExecutorLimit) -> int | None:
        return registry.limit_of(limit.executor)

    def get_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:  # noqa: ARG002
        return self.fields if obj else ("executor", "most")

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:  # noqa: ARG002
        return ("executor", "declared") if obj else ()

    def formfield_for_dbfield(self, db_field: Any, request: HttpRequest, **given: Any) -> Any:
        field = super().formfield_for_dbfield(db_field, request, **given)
        if field is not None and db_field.name == "executor":
            known = ", ".join(sorted(registry.names()))
            field.help_text = f"One of {known}." if known else "As the definitions name it."
        return field

    def save_model(self, request: HttpRequest, obj: ExecutorLimit, form: Any, change: bool) -> None:
        super().save_model(request, obj, form, change)
        self._note(request, "change" if change else "create", obj, f"limit {obj.most}")

    def delete_model(self, request: HttpRequest, obj: ExecutorLimit) -> None:
        super().delete_model(request, obj)
        self._note(request, "delete", obj, "")

    def _note(self, request: HttpRequest, action: str, limit: ExecutorLimit, said: str) -> None:
        by = cast(User, request.user).as_actor()
        AuditEntry.objects.note(by, action, ("executor", limit.executor), said)
        dispatch.wake([gates.of_executor(limit.executor)])
