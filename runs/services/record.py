"""Keeps what was found: each service's state, and the worst of each minute."""

from __future__ import annotations

import json
from collections.abc import Collection
from datetime import datetime
from typing import Any

from django.db import connection, transaction
from django.db.models import Max

from runs.models import Service, ServiceMinute
from runs.models.service import GONE_KEPT, MINUTES_KEPT, SEVERITY, Kind, Status, minute_of
from runs.services.finding import Finding
from runs.services.probing import UNKNOWN_WORDS, Seen

# Minutes that are removed at once.
PRUNED = 5_000

# Ordered by key: two who write at once must not deadlock. Who looked earlier changes nothing. What
# was not found by the last look was gone, and is there since now.
_KEEP = """
INSERT INTO services (key, kind, name, status, since, checked_at, latency_ms, words, act, details)
SELECT key, kind, name, status, %(now)s, %(now)s, latency_ms, words, act, details
FROM jsonb_to_recordset(%(found)s::jsonb) AS found (
    key text, kind text, name text, status text, latency_ms float, words text, act text,
    details jsonb
) ORDER BY key
ON CONFLICT (key) DO UPDATE SET
    kind = excluded.kind, name = excluded.name, status = excluded.status,
    since = CASE WHEN services.status = excluded.status AND services.checked_at >= %(last)s
        THEN services.since ELSE excluded.since END,
    checked_at = excluded.checked_at, latency_ms = excluded.latency_ms,
    words = excluded.words, act = excluded.act, details = excluded.details
WHERE services.checked_at < excluded.checked_at
"""
_KEEP_MINUTES = """
INSERT INTO service_minutes (service_id, minute, severity, latency_ms)
SELECT services.id, %(minute)s, found.severity, found.latency_ms
FROM jsonb_to_recordset(%(found)s::jsonb) AS found (key text, severity smallint, latency_ms float)
JOIN services USING (key) ORDER BY services.id
ON CONFLICT (service_id, minute) DO UPDATE SET
    severity = greatest(service_minutes.severity, excluded.severity),
    latency_ms = greatest(service_minutes.latency_ms, excluded.latency_ms)
"""
_PRUNE = """
DELETE FROM service_minutes WHERE id IN (
    SELECT id FROM service_minutes WHERE minute < %s ORDER BY minute LIMIT %s
)
"""


def keep(seen: Seen) -> None:
    """Twice does no harm. What is gone is forgotten, but for what nobody can tell now."""
    rows = [_row(finding) for finding in seen.findings]
    keys = [finding.key for finding in seen.findings]
    with transaction.atomic():
        rows += _unknown(seen.unknown, keys)
        last = Service.objects.order_by().aggregate(at=Max("checked_at"))["at"]
        given: dict[str, Any] = {
            "found": json.dumps(rows),
            "now": seen.at,
            "last": last or seen.at,
            "minute": minute_of(seen.at),
        }
        with connection.cursor() as cursor:
            cursor.execute(_KEEP, given)
            cursor.execute(_KEEP_MINUTES, given)
        gone = Service.objects.filter(checked_at__lt=seen.at - GONE_KEPT)
        stale = list(gone.values_list("pk", flat=True)[:1000])
        if stale:
            ServiceMinute.objects.filter(service__in=stale).delete()
            Service.objects.filter(pk__in=stale).delete()
    prune(seen.at)


def prune(now: datetime) -> None:
    with connection.cursor() as cursor:
        cursor.execute(_PRUNE, [now - MINUTES_KEPT, PRUNED])


def _row(finding: Finding) -> dict[str, object]:
    return {
        "key": finding.key[:200],
        "kind": finding.kind,
        "name": finding.name[:200],
        "status": finding.status,
        "severity": SEVERITY[finding.status],
        "latency_ms": finding.latency_ms,
        "words": _plain(finding.words)[:500],
        "act": _plain(finding.act)[:500],
        "details": finding.details,
    }


def _unknown(kinds: Collection[Kind], keys: Collection[str]) -> list[dict[str, object]]:
    """Those that are known from before, of whom nobody can tell now."""
    known = Service.objects.present().filter(kind__in=kinds).exclude(key__in=keys)
    return [
        {
            "key": service.key,
            "kind": service.kind,
            "name": service.name,
            "status": Status.UNKNOWN,
            "severity": SEVERITY[Status.UNKNOWN],
            "latency_ms": None,
            "words": UNKNOWN_WORDS[Kind(service.kind)],
            "act": "",
            "details": service.details,
        }
        for service in known[:1000]
    ]


def _plain(text: str) -> str:
    return text.replace("\0", "")
