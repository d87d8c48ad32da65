"""Of one run: what its nodes and calls cost. All of it is the ledger's, to the last digit."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.db import connection

from analytics import figures
from runs.models import Run

# Calls of a page, and nodes that are told.
CALLS = 50
NODES = 1_000
ZERO = Decimal(0)
_BROKEN = "('failed', 'lost', 'late')"
# The total comes first; it is counted by the same statement as its parts.
_NODES = f"""
SELECT grouping(call.node), call.node, count(*), sum(call.input_tokens)::bigint,
    sum(call.output_tokens)::bigint, sum(call.cached_tokens)::bigint, sum(call.cost),
    coalesce(sum(call.cost) FILTER (WHERE attempts.status IN {_BROKEN}), 0),
    count(*) FILTER (WHERE attempts.status IN {_BROKEN})
FROM llm_calls AS call
LEFT JOIN nodes ON nodes.run_id = call.run_id AND nodes.key = call.node
LEFT JOIN attempts ON attempts.node_id = nodes.id AND attempts.number = call.attempt
WHERE call.run_id = %s GROUP BY ROLLUP (call.node)
ORDER BY grouping(call.node) DESC, sum(call.cost) DESC NULLS LAST, call.node LIMIT {NODES + 1}
"""
_CALLS = f"""
SELECT call.seq, call.node, call.attempt, call.model, call.input_tokens, call.output_tokens,
    call.cached_tokens, call.cost, call.at, coalesce(attempts.status IN {_BROKEN}, false)
FROM llm_calls AS call
LEFT JOIN nodes ON nodes.run_id = call.run_id AND nodes.key = call.node
LEFT JOIN attempts ON attempts.node_id = nodes.id AND attempts.number = call.attempt
WHERE call.run_id = %s AND call.seq > %s ORDER BY call.seq LIMIT %s
"""


@dataclass(frozen=True, slots=True)
class Spent:
    """By a node, or by the run. `failed`: in attempts that failed, were lost or came late."""

    node: str
    calls: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cached_tokens: int = 0
    cost: Decimal = ZERO
    failed: Decimal = ZERO
    failed_calls: int = 0
    share: float = 0.0

    @property
    def percent(self) -> str:
        return figures.percent(self.share)

    @property
    def cost_words(self) -> str:
        return exact(self.cost)

    @property
    def failed_words(self) -> str:
        return exact(self.failed)


@dataclass(frozen=True, slots=True)
class Call:
    seq: int
    node: str
    attempt: int
    model: str
    input_tokens: int
    output_tokens: int
    cached_tokens: int
    cost: Decimal
    at: datetime
    is_failed: bool

    @property
    def cost_words(self) -> str:
        return exact(self.cost)


@dataclass(frozen=True, slots=True)
class RunCost:
    """`total` is the sum of the run's calls; `stated` what the run itself says."""

    total: Spent
    stated: Decimal
    nodes: list[Spent]
    # On average of completed runs; None where too few are known.
    usual: Decimal | None

    @property
    def change(self) -> str:
        return figures.growth(self.total.cost, self.usual)

    @property
    def is_more(self) -> bool:
        """Half as much again as usual."""
        return self.usual is not None and self.total.cost > self.usual * Decimal("1.5") > 0


def exact(amount: Decimal) -> str:
    """With every digit that is not nothing, and four of them at least."""
    whole, _, digits = f"{amount:,f}".partition(".")
    return f"${whole}.{digits.rstrip('0').ljust(4, '0')}"


def cost_of(run: Run, usual: Decimal | None) -> RunCost:
    with connection.cursor() as cursor:
        cursor.execute(_NODES, [run.pk])
        rows = cursor.fetchall()
    total, nodes = Spent(""), []
    for is_total, node, calls, given, made, cached, cost, failed, failed_calls in rows:
        spent = Spent(
            node=node or "",
            calls=calls,
            input_tokens=given or 0,
            output_tokens=made or 0,
            cached_tokens=cached or 0,
            cost=cost or ZERO,
            failed=failed,
            failed_calls=failed_calls,
            share=1.0 if is_total else figures.ratio(float(cost), float(total.cost)) or 0.0,
        )
        if is_total:
            total = spent
        else:
            nodes.append(spent)
    return RunCost(total, run.cost, nodes, usual)


def calls_of(run: Run, after: int = 0, limit: int = CALLS) -> list[Call]:
    """The run's calls behind an event's number, in the order in which they were made."""
    with connection.cursor() as cursor:
        cursor.execute(_CALLS, [run.pk, after, limit])
        return [Call(*row) for row in cursor.fetchall()]


def call_documents(calls: list[Call]) -> Iterator[dict[str, Any]]:
    for call in calls:
        yield {
            "seq": call.seq,
            "node": call.node,
            "attempt": call.attempt,
            "model": call.model,
            "input_tokens": call.input_tokens,
            "output_tokens": call.output_tokens,
            "cached_tokens": call.cached_tokens,
            "cost": call.cost,
            "at": call.at,
            "of_failed_attempt": call.is_failed,
        }
