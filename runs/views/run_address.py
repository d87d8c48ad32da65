"""What the address of a run's page says: everything that the page shows is in it."""

from __future__ import annotations

from typing import Any

from django.http import QueryDict
from django.utils.http import urlencode

from runs.states import Kind
from runs.views.run_history import Filter

TABS = {
    "history": "Execution History",
    "context": "View Context",
    "job": "Job Tracking",
    "lineage": "Lineage",
}
# Parameters that links keep where they do not set them.
_KEPT = ("tab", "view", "node", "pane", "attempt", "kind", "of", "find")


class Address:
    def __init__(self, query: QueryDict) -> None:
        self.query = query
        given = query.get("tab", "")
        self.tab = given if given in TABS else "history"
        self.shows_table = query.get("view") == "table"
        # The node whose panel is open; "": none; None: it is not said.
        self.node = query.get("node")
        self.pane = query.get("pane", "")
        self.attempt = self.number("attempt")
        kinds = tuple(kind for kind in Kind if kind in query.getlist("kind"))
        # A NUL, which no text in the database has, would be refused by it.
        of, find = (query.get(name, "").replace("\0", "").strip() for name in ("of", "find"))
        self.chosen = Filter(kinds, of[:64], find[:200])

    def number(self, name: str) -> int | None:
        """A whole number that fits a column; None for anything else."""
        text = self.query.get(name, "")
        return int(text) if text.isascii() and text.isdecimal() and len(text) < 10 else None

    def kept(self, *names: str) -> list[tuple[str, str]]:
        """These parameters as they are, for a form."""
        return [(name, value) for name in names for value in self.query.getlist(name)]

    def link(self, **changes: Any) -> str:
        """This address with `changes` (None: without), keeping the rest of what it shows."""
        kept = [
            (name, value)
            for name in _KEPT
            if name not in changes
            for value in self.query.getlist(name)
        ]
        new = [(name, value) for name, value in changes.items() if value is not None]
        return "?" + urlencode([*kept, *new], doseq=True)
