"""Admin pages that only show, and never count, sort or search a large table."""

from typing import Any

from django.db.models import Model
from django.http import HttpRequest
from unfold import paginator
from unfold.admin import ModelAdmin
from unfold.views import ChangeList

# Rows that can be paged through; further ones are found by a filter.
REACHABLE = 10_000


# The theme's templates know an uncounted list by this very name.
class InfinitePaginator(paginator.InfinitePaginator):
    """Previous and next only, no count, and no deep OFFSET."""

    count = REACHABLE


class FixedOrder(ChangeList):
    """Rows in the admin's own order, whatever the address asks for."""

    def get_ordering_field_columns(self) -> dict[int, str]:
        return {}

    def get_ordering(self, request: HttpRequest, queryset: Any) -> list[str]:  # noqa: ARG002
        return list(self.model_admin.get_ordering(request) or self._get_default_ordering())


class ReadOnlyAdmin(ModelAdmin):
    actions = None
    show_full_result_count = False
    paginator = InfinitePaginator
    list_per_page = 50
    list_fullwidth = True
    sortable_by = ()

    def has_add_permission(self, request: HttpRequest) -> bool:  # noqa: ARG002
        return False

    def has_change_permission(
        self,
        request: HttpRequest,  # noqa: ARG002
        obj: Model | None = None,  # noqa: ARG002
    ) -> bool:
        return False

    def has_delete_permission(
        self,
        request: HttpRequest,  # noqa: ARG002
        obj: Model | None = None,  # noqa: ARG002
    ) -> bool:
        return False

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest) -> bool:  # noqa: ARG002
        # Only the filters that are offered; the rest would be a way to scan the table.
        return lookup in {offered.parameter_name for offered in self.list_filter}

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:  # noqa: ARG002
        return FixedOrder
