"""Pages by key: none skips or doubles an entry when others come and go, and none is slow."""

from __future__ import annotations

from typing import Any, cast

from django.db.models import Q, QuerySet
from rest_framework.exceptions import ValidationError
from rest_framework.pagination import BasePagination
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.utils.urls import replace_query_param

from runs import ids
from runs.api.acts import LIST_SECONDS
from runs.context import STORED_BYTES
from runs.models import Firing, SavedView, Trigger, Workflow, WorkflowVersion
from runs.paging import Cursor
from runs.public_run import RunLine
from runs.querysets import RunQuerySet
from runs.timeouts import rows_within

# Event numbers are integers of 32 bits.
MAX_SEQ = 2**31 - 1
_LINK = {
    "type": ["string", "null"],
    "format": "uri",
    "example": "https://portal.example/api/runs/?cursor=after.1764165791204000-01kb2x7v9zeq3t8m4r6c5n0a1d",
}


def read_number(request: Request, name: str, default: int, least: int, most: int) -> int:
    text = request.query_params.get(name, str(default))
    if not (text.isascii() and text.isdecimal() and len(text) <= 10 and least <= int(text) <= most):
        raise ValidationError({name: [f"A whole number from {least} to {most}."]})
    return int(text)


class KeyPages(BasePagination):
    """`cursor` is opaque: it comes from the “next” or “previous” of another page."""

    default_limit = 50
    max_limit = 200

    def key(self, row: Any) -> str:
        raise NotImplementedError

    def page_at(self, rows: QuerySet, side: str, key: str) -> QuerySet:
        """The rows after `key` in the list's order, or those before it, nearest first; without
        a key all. Raises ValueError for what is no key."""
        raise NotImplementedError

    def read(self, page: QuerySet) -> list[Any]:
        return list(page)

    def paginate_queryset(self, queryset: Any, request: Request, view: Any = None) -> list[Any]:  # noqa: ARG002
        limit = read_number(request, "limit", self.default_limit, 1, self.max_limit)
        cursor = request.query_params.get("cursor", "after.")
        side, dot, key = cursor.partition(".")
        try:
            if side not in ("after", "before") or not dot or (side == "before" and not key):
                raise ValueError(cursor)
            page = self.page_at(queryset, side, key)
        except ValueError:
            message = "This is no cursor of this list; begin without one."
            raise ValidationError({"cursor": [message]}) from None
        # One more than asked for tells whether the list goes on.
        found = self.read(page[: limit + 1])
        rows, goes_on = found[:limit], len(found) > limit
        # There is something where the reader comes from.
        came = bool(key and rows)
        if side == "before":
            rows.reverse()
        has_next, has_previous = (came, goes_on) if side == "before" else (goes_on, came)
        self.next = self._link(request, "after", rows[-1]) if has_next else None
        self.previous = self._link(request, "before", rows[0]) if has_previous else None
        return rows

    def _link(self, request: Request, side: str, row: Any) -> str:
        return replace_query_param(
            request.build_absolute_uri(), "cursor", f"{side}.{self.key(row)}"
        )

    def get_paginated_response(self, data: Any) -> Response:
        return Response({"results": data, "next": self.next, "previous": self.previous})

    def get_paginated_response_schema(self, schema: dict[str, Any]) -> dict[str, Any]:
        return {
            "type": "object",
            "required": ["results", "next", "previous"],
            "properties": {
                "results": _results(schema, self.max_limit),
                "next": _LINK,
                "previous": _LINK,
            },
        }

    def get_schema_operation_parameters(self, view: Any) -> list[dict[str, Any]]:  # noqa: ARG002
        return [
            _limit_parameter(self.default_limit, self.max_limit),
            {
                "name": "cursor",
                "in": "query",
                "description": "Opaque; taken from “next” or “previous” of another page.",
                "schema": {"type": "string"},
            },
        ]


class RunPages(KeyPages):
    """Newest first, of `listed_runs`."""

    def read(self, page: QuerySet) -> list[RunLine]:
        return [RunLine._make(row) for row in rows_within(LIST_SECONDS, page)]

    def key(self, row: Any) -> str:
        return str(Cursor.of(row))

    def page_at(self, rows: QuerySet, side: str, key: str) -> QuerySet:
        runs = cast(RunQuerySet, rows)
        if not key:
            return runs.newest_first()
        cursor = Cursor.parse(key)
        if cursor is None:
            raise ValueError(key)
        at = runs.newer_than if side == "before" else runs.older_than
        return at(cursor.created_at, cursor.id)


class CreatedPages(KeyPages):
    """Newest first, of whatever has `created_at` and a UUID as `id`."""

    def key(self, row: Any) -> str:
        return str(Cursor(row.created_at, row.id))

    def page_at(self, rows: QuerySet, side: str, key: str) -> QuerySet:
        if not key:
            return rows.order_by("-created_at", "-id")
        if (cursor := Cursor.parse(key)) is None:
            raise ValueError(key)
        at, last = cursor.created_at, cursor.id
        if side == "before":
            newer = Q(created_at__gt=at) | Q(id__gt=last)
            return rows.filter(newer, created_at__gte=at).order_by("created_at", "id")
        older = Q(created_at__lt=at) | Q(id__lt=last)
        return rows.filter(older, created_at__lte=at).order_by("-created_at", "-id")


class VersionPages(KeyPages):
    """Newest first."""

    def key(self, row: WorkflowVersion) -> str:
        return str(row.number)

    def page_at(self, rows: QuerySet, side: str, key: str) -> QuerySet:
        if not key:
            return rows.order_by("-number")
        if not (key.isascii() and key.isdecimal() and len(key) < 10):
            raise ValueError(key)
        if side == "before":
            return rows.filter(number__gt=int(key)).order_by("number")
        return rows.filter(number__lt=int(key)).order_by("-number")


class ViewPages(KeyPages):
    """By name; two persons may give the same one."""

    def key(self, row: SavedView) -> str:
        return row.public_id

    def page_at(self, rows: QuerySet, side: str, key: str) -> QuerySet:
        if not key:
            return rows.order_by("name", "id")
        view_id = ids.decode("view", key)
        if view_id is None:
            raise ValueError(key)
        # Where it stood, though it may be seen no more.
        name = SavedView.objects.filter(pk=view_id).values_list("name", flat=True).first()
        if name is None:
            raise ValueError(key)
        if side == "before":
            before = Q(name__lt=name) | Q(name=name, id__lt=view_id)
            return rows.filter(before).order_by("-name", "-id")
        return rows.filter(Q(name__gt=name) | Q(name=name, id__gt=view_id)).order_by("name", "id")


class WorkflowPages(KeyPages):
    """By id."""

    def key(self, row: Workflow) -> str:
        return row.slug

    def page_at(self, rows: QuerySet, side: str, key: str) -> QuerySet:
        if not key:
            return rows.order_by("slug")
        if not (key.isascii() and key.isidentifier()):
            raise ValueError(key)
        if side == "before":
            return rows.filter(slug__lt=key).order_by("-slug")
        return rows.filter(slug__gt=key).order_by("slug")


class TriggerPages(KeyPages):
    """By name, of which there is one each."""

    def key(self, row: Trigger) -> str:
        return row.name

    def page_at(self, rows: QuerySet, side: str, key: str) -> QuerySet:
        if not key:
            return rows.order_by("name")
        if "\0" in key:
            raise ValueError(key)
        if side == "before":
            return rows.filter(name__lt=key).order_by("-name")
        return rows.filter(name__gt=key).order_by("name")


class FiringPages(KeyPages):
    """Newest first, of one trigger."""

    def key(self, row: Firing) -> str:
        return str(row.pk)

    def page_at(self, rows: QuerySet, side: str, key: str) -> QuerySet:
        if not key:
            return rows.order_by("-id")
        if not (key.isascii() and key.isdecimal() and len(key) < 19):
            raise ValueError(key)
        if side == "before":
            return rows.filter(id__gt=int(key)).order_by("id")
        return rows.filter(id__lt=int(key)).order_by("-id")


class EventPages(BasePagination):
    """A run's events in order: those with a number after `after`."""

    default_limit = 100
    max_limit = 1_000
    # Data of one page together, in bytes as stored; a page ends early rather than hold more.
    page_bytes = 4_000_000

    def paginate_queryset(self, queryset: Any, request: Request, view: Any = None) -> list[Any]:  # noqa: ARG002
        limit = read_number(request, "limit", self.default_limit, 1, self.max_limit)
        after = read_number(request, "after", 0, 0, MAX_SEQ)
        rows, last = self.page_after(queryset, after, limit)
        url = request.build_absolute_uri()
        self.next = replace_query_param(url, "after", last) if last else None
        return rows

    def page_after(self, queryset: Any, after: int, limit: int) -> tuple[list[Any], int | None]:
        """The page's events, and the number of its last one where there are more behind it."""
        if not isinstance(queryset, QuerySet):  # those of an archived log
            return queryset.page_after(after, limit)
        ahead = queryset.filter(seq__gt=after).order_by("seq")
        sizes = list(ahead.values_list("seq", STORED_BYTES)[: limit + 1])
        last, total = after, 0
        for seq, stored in sizes[:limit]:
            total += stored
            if total > self.page_bytes and last > after:
                break
            last = seq
        goes_on = bool(sizes) and last < sizes[-1][0]
        return list(ahead.filter(seq__lte=last)) if sizes else [], last if goes_on else None

    def get_paginated_response(self, data: Any) -> Response:
        return Response({"results": data, "next": self.next})

    def get_paginated_response_schema(self, schema: dict[str, Any]) -> dict[str, Any]:
        return {
            "type": "object",
            "required": ["results", "next"],
            "properties": {"results": _results(schema, self.max_limit), "next": _LINK},
        }

    def get_schema_operation_parameters(self, view: Any) -> list[dict[str, Any]]:  # noqa: ARG002
        return [
            _limit_parameter(self.default_limit, self.max_limit),
            {
                "name": "after",
                "in": "query",
                "description": "Only events with a higher number.",
                "schema": {"type": "integer", "minimum": 0, "default": 0},
            },
        ]


def _limit_parameter(default: int, most: int) -> dict[str, Any]:
    return {
        "name": "limit",
        "in": "query",
        "description": "Most entries on the page.",
        "schema": {"type": "integer", "minimum": 1, "maximum": most, "default": default},
    }


def _results(schema: Any, most: int) -> Any:
    # For an example the framework asks with something else, to find its place.
    return {**schema, "maxItems": most} if isinstance(schema, dict) else schema
