"""OPERATE → Bulk operations: what was asked for, newest first, and how far each has come."""

from __future__ import annotations

from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse

from runs import ids
from runs.models import BulkOperation
from runs.views.bulk.base import BulkView
from runs.views.bulk.words import Said

PAGE_SIZE = 50


class BulkOperations(BulkView):
    def get(self, request: HttpRequest) -> HttpResponse:
        before = self._before(request.GET.get("before", ""))
        found = list(_after(before)[: PAGE_SIZE + 1])
        shown = found[:PAGE_SIZE]
        context = {
            "title": "Bulk operations",
            "rows": [Said(operation, self.now) for operation in shown],
            "is_first": before is None,
            "older": shown[-1].public_id if len(found) > PAGE_SIZE else "",
            "is_moving": any(operation.is_open for operation in shown),
            "address": request.get_full_path(),
        }
        if request.headers.get("HX-Request"):
            return self.plain("runs/bulk/_list.html", context)
        return self.page("runs/bulk/list.html", context)

    def _before(self, text: str) -> BulkOperation | None:
        key = ids.decode("bulk", text) if text else None
        return BulkOperation.objects.filter(pk=key).first() if key else None


def _after(last: BulkOperation | None) -> QuerySet[BulkOperation]:
    """Those that stand below this one."""
    operations = BulkOperation.objects.summed_up().newest_first()
    if last is None:
        return operations
    return operations.filter(
        Q(created_at__lte=last.created_at) & (Q(created_at__lt=last.created_at) | Q(id__lt=last.pk))
    )
