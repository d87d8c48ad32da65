"""How the last day of each service went, in pieces of half an hour."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from django.db import connection
from django.utils import timezone

from runs.models.service import SEVERITY, Status

PIECE = timedelta(minutes=30)
PIECES = 48
_OF_SEVERITY = {rank: status for status, rank in SEVERITY.items()}

# By the index on minutes: nothing older than a day is kept anyway.
_READ = """
SELECT service_id, floor(extract(epoch FROM minute - %(start)s) / %(seconds)s)::int AS piece,
    max(severity), max(latency_ms), count(*),
    count(*) FILTER (WHERE severity = %(down)s), count(*) FILTER (WHERE severity = %(degraded)s)
FROM service_minutes WHERE minute >= %(start)s GROUP BY service_id, piece
"""


class Piece(NamedTuple):
    """Half an hour: the worst of it, or None where nobody looked."""

    begin: datetime
    status: Status | None
    latency_ms: float | None
    down: int
    degraded: int
    looked: int

    @property
    def words(self) -> str:
        if self.status is None:
            return "not looked at"
        said = [f"down {self.down} min"] if self.down else []
        said += [f"degraded {self.degraded} min"] if self.degraded else []
        return ", ".join(said) or self.status.label.lower()


@dataclass(frozen=True, slots=True)
class Day:
    pieces: list[Piece]

    @property
    def words(self) -> str:
        """What the drawing says."""
        down = sum(piece.down for piece in self.pieces)
        degraded = sum(piece.degraded for piece in self.pieces)
        looked = sum(piece.looked for piece in self.pieces)
        if not looked:
            return "Last 24 hours: not looked at"
        said = [f"down {_minutes(down)}"] if down else []
        said += [f"degraded {_minutes(degraded)}"] if degraded else []
        told = ", ".join(said) or "never down"
        return f"Last 24 hours: {told}; looked at for {_minutes(looked)}"


def _minutes(count: int) -> str:
    return f"{count // 60} h {count % 60} min" if count >= 60 else f"{count} min"


def last_day(now: datetime) -> dict[int, Day]:
    """By service; one of which nothing is known is not in it."""
    start = _start(now)
    given: dict[str, Any] = {
        "start": start,
        "seconds": PIECE.total_seconds(),
        "down": SEVERITY[Status.DOWN],
        "degraded": SEVERITY[Status.DEGRADED],
    }
    found: dict[int, dict[int, Piece]] = {}
    with connection.cursor() as cursor:
        cursor.execute(_READ, given)
        for service, piece, severity, latency, looked, down, degraded in cursor.fetchall():
            begin = start + piece * PIECE
            status = _OF_SEVERITY[severity]
            found.setdefault(service, {})[piece] = Piece(
                begin, status, latency, down, degraded, looked
            )
    return {service: _day(start, pieces) for service, pieces in found.items()}


def empty_day(now: datetime) -> Day:
    return _day(_start(now), {})


def _day(start: datetime, pieces: dict[int, Piece]) -> Day:
    return Day(
        [
            pieces.get(number) or Piece(start + number * PIECE, None, None, 0, 0, 0)
            for number in range(PIECES)
        ]
    )


def _start(now: datetime) -> datetime:
    """The last piece is the present one, cut on the clock."""
    local = timezone.localtime(now)
    begun = local.replace(minute=local.minute // 30 * 30, second=0, microsecond=0)
    return begun - (PIECES - 1) * PIECE
