"""One failure group: what is known of it, and its runs by workflow since it first came."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from django.db import connection

from analytics import asking, figures
from analytics.models import FailureGroup
from analytics.scope import SECONDS
from runs.filters import RunFilter
from runs.fingerprint import parsed
from runs.timeouts import statement_timeout

# By version, in the order in which it came to them.
_COUNTED = """
SELECT workflows.slug, versions.number, told.runs, told.retried, told.recovered
FROM (
    SELECT workflow_id, version_id, sum(runs)::bigint AS runs, sum(retried)::bigint AS retried,
        sum(recovered)::bigint AS recovered, min(at) AS at
    FROM analytics_failures WHERE "group" = %s AND span = 0 GROUP BY workflow_id, version_id
) AS told
JOIN workflow_versions AS versions ON versions.id = told.version_id
JOIN workflows ON workflows.id = told.workflow_id
ORDER BY told.at, told.version_id LIMIT %s
"""


@dataclass(frozen=True, slots=True)
class OfWorkflow:
    workflow: str
    # The version with which it came to this workflow.
    since_version: int
    runs: int
    retried: int
    recovered: int


@dataclass(frozen=True, slots=True)
class OneGroup:
    known: FailureGroup
    # The first is where it came first.
    workflows: Sequence[OfWorkflow]

    @property
    def runs(self) -> int:
        return sum(each.runs for each in self.workflows)

    @property
    def retried(self) -> int:
        return sum(each.retried for each in self.workflows)

    @property
    def recovered(self) -> int:
        return sum(each.recovered for each in self.workflows)

    @property
    def retry_share(self) -> float | None:
        return figures.ratio(self.recovered, self.retried)

    @property
    def link(self) -> str:
        return RunFilter(state="failed", group=self.known.public_id).query()


def group_of(public_id: str) -> OneGroup | None:
    number = parsed(public_id)
    known = FailureGroup.objects.filter(pk=number).first() if number is not None else None
    return OneGroup(known, _workflows(known.pk)) if known else None


def _workflows(group: int) -> list[OfWorkflow]:
    with statement_timeout(SECONDS), connection.cursor() as cursor:
        cursor.execute(_COUNTED, [group, asking.MOST])
        rows = cursor.fetchall()
    found: dict[str, OfWorkflow] = {}
    for slug, version, *counts in rows:
        had = found.get(slug) or OfWorkflow(slug, version, 0, 0, 0)
        runs, retried, recovered = counts
        found[slug] = OfWorkflow(
            slug,
            had.since_version,
            had.runs + runs,
            had.retried + retried,
            had.recovered + recovered,
        )
    return list(found.values())
