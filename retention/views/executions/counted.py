"""What a dry run counted, as its page shows it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from retention import reported
from runs.models import Workflow
from runs.states import LABELS, RunState

# Lines that a page shows of each table.
MOST_LINES = 200


class Counted:
    def __init__(self, report: Mapping[str, Any]) -> None:
        self._report = report
        self._terms = reported.lines(report, "terms")
        self._deleted = reported.lines(report, "deleted")
        self.runs = sum(line["runs"] for line in self._terms)
        self.bytes = sum(line.get("bytes", 0) for line in self._terms)
        # Of archived runs, and of those that would be archived just before.
        self.gone = report.get("gone", 0)
        self.gone_at_once = sum(line["gone"] for line in self._terms)
        self.gone_bytes = sum(line["bytes"] for line in self._deleted)
        self.oldest = _moment(min(_told(self._terms, "oldest"), default=""))
        self.newest = _moment(max(_told(self._terms, "newest"), default=""))

    @property
    def terms(self) -> list[dict[str, Any]]:
        """By workflow and state."""
        lines = self._named(self._terms)
        return [line | {"word": LABELS[RunState(line["state"])][0]} for line in lines]

    @property
    def deleted(self) -> list[dict[str, Any]]:
        """By workflow."""
        return self._named(self._deleted)

    @property
    def more_terms(self) -> int:
        return max(0, len(self._terms) - MOST_LINES)

    @property
    def more_deleted(self) -> int:
        return max(0, len(self._deleted) - MOST_LINES)

    def _named(self, given: list[dict[str, Any]]) -> list[dict[str, Any]]:
        lines = sorted(given, key=lambda line: -line["runs"])[:MOST_LINES]
        asked = [line["workflow"] for line in lines]
        slugs = dict(Workflow.objects.filter(pk__in=asked).values_list("pk", "slug"))
        return [
            line
            | {
                "workflow": slugs.get(line["workflow"], "a deleted workflow"),
                "oldest": _moment(line.get("oldest")),
                "newest": _moment(line.get("newest")),
            }
            for line in lines
        ]


def _told(lines: Iterable[Mapping[str, Any]], name: str) -> list[str]:
    # All in UTC, so that their order as text is their order in time.
    return [line[name] for line in lines if line.get(name)]


def _moment(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None
