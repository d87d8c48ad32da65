"""What executions report, with names for what is stored as bare lists."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from retention.dry_run import GONE, TERM

_NAMES = {"terms": TERM, "deleted": GONE}


def lines(report: Mapping[str, Any], name: str) -> list[dict[str, Any]]:
    """Of a dry run: `terms`, what is due; or `deleted`, archived runs that would go for good."""
    return [dict(zip(_NAMES[name], line, strict=False)) for line in report.get(name, [])]


def named(report: Mapping[str, Any], slugs: Mapping[int, str]) -> dict[str, Any]:
    """The whole report, workflows by their slugs; "" for one that is not there any more."""
    told = {name: report[name] for name in report if name not in _NAMES}
    return told | {
        name: [line | {"workflow": slugs.get(line["workflow"], "")} for line in lines(report, name)]
        for name in _NAMES
        if name in report
    }


def workflows(reports: Sequence[Mapping[str, Any]]) -> set[int]:
    """Those that they name."""
    return {line[0] for report in reports for name in _NAMES for line in report.get(name, [])}
