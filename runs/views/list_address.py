"""What the address of the Runs view says: a filter, an order, and columns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlencode

from runs.filters import RunFilter

# The columns that can be chosen, in the order of the table; state and run id always stand there.
COLUMNS = {
    "workflow": "Workflow",
    "started": "Started",
    "duration": "Duration",
    "triggered_by": "Triggered by",
    "trigger": "Trigger",
    "cost": "Cost",
    "tokens": "Tokens",
    "created": "Created",
    "finished": "Finished",
    "reference": "Reference",
    "marks": "Marks",
}
USUAL = tuple(name for name in COLUMNS if name not in ("created", "finished", "reference"))
# Other orders than newest first, and what their first runs are.
SORTS = {"duration": "longest", "cost": "most expensive"}


@dataclass(frozen=True, slots=True)
class ListAddress:
    filter: RunFilter
    sort: str = ""
    # Where the address says which; else they are the person's own.
    columns: tuple[str, ...] = ()
    # All runs: `?view=all` for who has a view of their own behind the bare address.
    everything: str = "?"

    @classmethod
    def parse(
        cls, data: Mapping[str, Any], everything: str = "?"
    ) -> tuple[ListAddress, dict[str, str]]:
        chosen, errors = RunFilter.parse(data)
        sort = data.get("sort", "")
        if sort not in ("", *SORTS):
            errors["sort"] = f"There is no order by “{sort[:40]}”, only by {', '.join(SORTS)}."
            sort = ""
        names = [name for name in data.get("columns", "").split(",") if name]
        if unknown := [name for name in names if name not in COLUMNS]:
            errors["columns"] = f"There is no column “{unknown[0][:40]}”."
        columns = tuple(name for name in COLUMNS if name in names)
        return cls(chosen, sort, columns, everything), errors

    def with_(self, **changes: Any) -> ListAddress:
        """Changes of the filter's fields, or of `sort` and `columns`."""
        if "workflow" in changes:
            # Versions are of one workflow.
            changes.setdefault("version", None)
        own = {name: changes.pop(name) for name in ("sort", "columns") if name in changes}
        return replace(self, filter=self.filter.with_(**changes), **own)

    def pairs(self) -> list[tuple[str, str]]:
        more = [("sort", self.sort), ("columns", ",".join(self.columns))]
        return [*self.filter.pairs(), *((name, value) for name, value in more if value)]

    def query(self, **more: object) -> str:
        rest = [(name, str(value)) for name, value in more.items() if value]
        pairs = self.pairs()
        if not pairs and not rest:
            return self.everything
        return "?" + urlencode([*pairs, *rest])

    @property
    def needs_range(self) -> bool:
        """Whether it asks for an order of all runs ever, which nothing could answer in time."""
        return bool(self.sort) and not self.filter.is_dated
