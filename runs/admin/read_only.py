"""Admin pages that only show, and never count, sort or search a large table."""

from typing import Any

from django.contrib.admin import ShowFacets
from django.db.models import Model, QuerySet
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold import paginator
from unfold.admin import ModelAdmin
from unfold.views import ChangeList

# Rows that can be paged through; further ones are found by a filter.
REACHABLE = 10_000


# Characters of a value that a page shows.
SHOWN = 100_000


def shown_text(text: str) -> SafeString:
    """A long text as a block of its own, cut off where it would break the page."""
    more = len(text) - SHOWN
    if more > 0:
        text = f"{text[:SHOWN]}\n… {more:,} more characters"
    return format_html('<pre class="op-code" tabindex="0">{}</pre>', text)


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


def _parameters(offered: Any) -> tuple[str, ...]:
    return getattr(offered, "parameter_names", None) or (offered.parameter_name,)


class ReadOnlyAdmin(ModelAdmin):
    actions = None
    show_full_result_count = False
    # Counts beside a filter's words would each count the table.
    show_facets = ShowFacets.NEVER
    paginator = InfinitePaginator
    list_per_page = 50
    list_fullwidth = True
    sortable_by = ()
    # Columns that only a row's own page reads: fifty rows must not read fifty inputs.
    heavy: tuple[str, ...] = ()

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
        return any(lookup in _parameters(offered) for offered in self.list_filter)

    def get_queryset(self, request: HttpRequest) -> QuerySet:
        rows = super().get_queryset(request)
        match = request.resolver_match
        is_one = bool(match and "object_id" in match.kwargs)
        return rows if is_one else rows.defer(*self.heavy)

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:  # noqa: ARG002
        return FixedOrder
