"""Sums over a scope, by whatever columns: what all questions are made of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from django.db import connection

from analytics import histogram
from analytics.scope import DAY, SECONDS, Relation, Scope
from runs.timeouts import statement_timeout

# Rows of an answer.
MOST = 2_000


@dataclass(frozen=True, slots=True)
class Row:
    """Of one group: what it is grouped by, its sums, and its durations where they were asked."""

    key: Mapping[str, Any]
    sums: Mapping[str, Any]
    steps: Mapping[int, int] = field(default_factory=dict)

    def percentile(self, share: float) -> float | None:
        """Milliseconds."""
        return histogram.percentile(self.steps, share)

    def __getitem__(self, name: str) -> Any:
        return self.key[name] if name in self.key else self.sums[name]


def total(
    scope: Scope,
    table: str,
    keys: Sequence[str] = (),
    sums: Sequence[str] = (),
    *,
    largest: Sequence[str] = (),
    steps: bool = False,
    bar: timedelta | None = None,
    where: str = "",
    given: Sequence[Any] = (),
) -> list[Row]:
    """Rows by `keys`, largest first by the first of `sums`. `bar`: also by time, as `at`, which
    then comes first and in order. `where` is a condition on the table's columns."""
    relation = scope.of(table, bar or DAY)
    params: list[Any] = list(relation.params)
    columns = [f'"{key}"' for key in keys]
    if bar is not None:
        columns.insert(0, "bar")
    source = _source(relation, bar, where)
    params += given
    listed = ", ".join(columns)
    values = [f'coalesce(sum("{name}"), 0)' for name in sums]
    values += [f'max("{name}")' for name in largest]
    with statement_timeout(SECONDS), connection.cursor() as cursor:
        cursor.execute(_statement(source, listed, values, steps=steps), params)
        rows = cursor.fetchall()
    names = [*(["at"] if bar is not None else []), *keys]
    found = [_row(row, names, [*sums, *largest], steps=steps) for row in rows]
    if bar is not None:
        return sorted(found, key=lambda row: row["at"])
    first = sums[0] if sums else ""
    return sorted(found, key=lambda row: row.sums[first], reverse=True) if first else found


def _source(relation: Relation, bar: timedelta | None, where: str) -> str:
    """The rows, with the beginnings of their bars."""
    begin = ""
    if bar is not None:
        seconds = int(bar.total_seconds())
        begin = f", date_bin('{seconds} seconds', at, '2000-01-01 00:00+00') AS bar"
    condition = f" WHERE {where}" if where else ""
    return f"SELECT *{begin} FROM ({relation.sql}) AS rolled{condition}"


def _statement(source: str, listed: str, values: Sequence[str], *, steps: bool) -> str:
    group = f" GROUP BY {listed}" if listed else ""
    before = f"{listed}, " if listed else ""
    summed = f"SELECT {before}{', '.join(values) or '1'} FROM chosen{group}"
    # Of too many rows the largest are given.
    order = f" ORDER BY {values[0]} DESC" if values and listed else ""
    if not steps:
        return f"WITH chosen AS ({source}) {summed}{order} LIMIT {MOST}"
    columns = listed.split(", ") if listed else []
    keys = [f"key{place}" for place, _ in enumerate(columns)]
    told = ", ".join([*keys, *(f"sum{place}" for place, _ in enumerate(values or ["1"]))])
    inner = "".join(f"{name} AS {key}, " for name, key in zip(columns, keys, strict=True))
    outer = "".join(f"{key}, " for key in keys)
    using = ", ".join(keys)
    return f"""
    WITH chosen AS MATERIALIZED ({source}), summed({told}) AS ({summed}), stepped AS (
        SELECT {outer}array_agg(step) AS steps, array_agg(count) AS counts FROM (
            SELECT {inner}step, sum(count)::bigint AS count
            FROM chosen, unnest(steps, counts) AS own(step, count)
            GROUP BY {outer}step
        ) AS added{f" GROUP BY {using}" if keys else ""}
    )
    SELECT {told}, steps, counts
    FROM summed {f"LEFT JOIN stepped USING ({using})" if keys else "CROSS JOIN stepped"}
    {"ORDER BY sum0 DESC" if keys else ""} LIMIT {MOST}
    """


def _row(row: Sequence[Any], keys: Sequence[str], sums: Sequence[str], *, steps: bool) -> Row:
    own = dict(zip(keys, row, strict=False))
    rest = row[len(keys) :]
    told = dict(zip(sums, rest, strict=False))
    found: Mapping[int, int] = {}
    if steps and row[-2]:
        found = dict(zip(row[-2], map(int, row[-1]), strict=True))
    return Row(own, told, found)
