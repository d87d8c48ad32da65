"""Problems that begin some time before the end of what is made up, for an analysis to find."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from runs.synthetic.errors import Fault
from runs.synthetic.workflows import KINDS, Kind, Step

# How long before the end they begin.
AGO = timedelta(hours=20)
# A version that has one failure of its own: of so many of its runs.
FAILING = "document_intake"
FAILING_SHARE = 0.2
_FAULT = Fault(
    "SchemaMismatch", "the table on page {} has 7 columns, 6 were expected", 1, permanent=True
)


def _changed(slug: str, step: str, **changes: object) -> tuple[str, tuple[Step, ...]]:
    """The newest version's steps with one of them changed; its definition stays as it was."""
    steps = next(kind for kind in KINDS if kind.slug == slug).versions[-1]
    return slug, tuple(replace(each, **changes) if each.id == step else each for each in steps)  # type: ignore[arg-type]


# By workflow: how its newest version behaves since.
CHANGED: dict[str, tuple[Step, ...]] = dict(
    (
        # A slow node.
        _changed("thumbnail_refresh", "draw", seconds=31),
        # What could run side by side waits for another node: a serial bottleneck.
        _changed("customer_onboarding", "read_address", after="screen_names"),
        # A jump of cost.
        _changed("contract_review", "compare_template", calls=12),
    )
)


def published(kind: Kind) -> Kind:
    """With the version that fails, where it is that workflow."""
    if kind.slug != FAILING:
        return kind
    _, steps = _changed(FAILING, "read_tables", fault=_FAULT)
    return replace(kind, versions=(*kind.versions, steps))
