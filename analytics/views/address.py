"""What the address of a page of the analysis says: a filter, what to compare with, an order."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from analytics.scope import USUAL, Scope, is_rolled, scope_of
from runs.filters import RunFilter
from runs.models import WorkflowVersion

# By the name in the address; or `v4`: another version of the workflow, in the same time.
COMPARED = {"before": "the time before", "none": "nothing"}
# What says the time; the API's other names too.
_BOUNDS = ("created", "created_from", "created_to", "created_after", "created_before")


@dataclass(frozen=True, slots=True)
class Address:
    filter: RunFilter
    # "": as is usual for such a filter.
    compare: str = ""
    sort: str = ""
    page: int = 1

    @classmethod
    def parse(
        cls, data: Mapping[str, Any], sorts: tuple[str, ...] = ()
    ) -> tuple[Address, dict[str, str]]:
        wanted, errors = RunFilter.parse(dated(data))
        address, others = cls.of(wanted, data, sorts)
        return address, {**errors, **others}

    @classmethod
    def of(
        cls, wanted: RunFilter, data: Mapping[str, Any], sorts: tuple[str, ...] = ()
    ) -> tuple[Address, dict[str, str]]:
        """With a filter that was parsed already, and what stands beside it."""
        errors: dict[str, str] = {}
        if not wanted.is_dated:
            wanted = wanted.with_(created=USUAL)
        compare = data.get("compare", "")
        if compare and compare not in COMPARED and version_in(compare) is None:
            errors["compare"] = f"“{compare[:40]}” is nothing to compare with."
            compare = ""
        elif version_in(compare) is not None and not wanted.workflow:
            errors["compare"] = "Versions are those of a workflow: choose it first."
            compare = ""
        sort = data.get("sort", "")
        if sort and sort not in sorts:
            errors["sort"] = f"There is no order by “{sort[:40]}”, only by {', '.join(sorts)}."
            sort = ""
        page = str(data.get("page", "1"))
        number = int(page) if page.isascii() and page.isdecimal() and len(page) < 4 else 1
        return cls(wanted, compare, sort, max(1, number)), errors

    def with_(self, **changes: Any) -> Address:
        """Changes of the filter's fields, or of what stands beside it. The first page again."""
        beside = ("compare", "sort", "page")
        own = {name: changes.pop(name) for name in beside if name in changes}
        # Versions are of one workflow.
        if "workflow" in changes:
            changes.setdefault("version", None)
            if version_in(self.compare) is not None:
                own.setdefault("compare", "")
        return replace(self, filter=self.filter.with_(**changes), **{"page": 1, **own})

    @property
    def compared(self) -> str:
        """One of COMPARED, or another version. To look at the runs of two times takes twice as
        long as at those of one: it is done where it is asked for."""
        return self.compare or ("before" if is_rolled(self.filter) else "none")

    def pairs(self) -> list[tuple[str, str]]:
        page = str(self.page) if self.page > 1 else ""
        more = [("compare", self.compare), ("sort", self.sort), ("page", page)]
        return [*self.filter.pairs(), *((name, value) for name, value in more if value)]

    def query(self, **more: object) -> str:
        return "?" + urlencode([*self.pairs(), *((name, str(v)) for name, v in more.items() if v)])

    def scopes(self, now: datetime) -> tuple[Scope, Scope | None]:
        """What is asked about, and what it is compared with. Raises TooWide."""
        scope = scope_of(self.filter, now)
        number = version_in(self.compare)
        if number is not None and scope.workflow is not None:
            other = WorkflowVersion.objects.select_related("workflow").filter(
                workflow=scope.workflow, number=number
            )
            found = other.first()
            return scope, scope.of_version(found) if found else None
        return scope, scope.before() if self.compared == "before" else None


def dated(data: Mapping[str, Any]) -> dict[str, Any]:
    """With the usual time, where none is said: what must be dated is then."""
    given = dict(data.items())
    if any(given.get(name) for name in _BOUNDS):
        return given
    return {**given, "created": USUAL}


def version_in(compare: str) -> int | None:
    number = compare.removeprefix("v")
    if compare.startswith("v") and number.isascii() and number.isdecimal() and len(number) < 9:
        return int(number)
    return None
