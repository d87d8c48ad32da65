"""Moving data for a demonstration: real runs of the sample workflows, one per tick."""

from datetime import timedelta
from typing import Any, Final

from django.db import transaction
from django.utils import timezone

from runs import lifecycle
from runs.actors import Actor
from runs.models import Run, Workflow
from runs.states import RunState, Trigger

Start = tuple[str, dict[str, Any]]

BY: Final = Actor(name="demo", ref_type="schedule", ref_id="demo")
# Stopped workers must not come back to a thousand sample runs.
BACKLOG: Final = 20
# A tick's second beat comes within seconds, not hours: the search stays short.
_SAME_TICK: Final = timedelta(minutes=10)


def _invoice(number: int) -> Start:
    return "invoice_processing", {"document": f"samples/invoices/inv-{number}.pdf"}


def _statement(month: str) -> Start:
    return "statement_import", {"statement": f"samples/bank/statement-{month}.csv"}


GOOD: Final = tuple(_invoice(number) for number in range(1001, 1013))
# No PDF, cut off, two whose sums are wrong, without a number, a lost row.
BROKEN: Final = (*(_invoice(number) for number in range(1013, 1018)), _statement("2026-04"))
STATEMENTS: Final = (_statement("2026-03"),)
REPORTS: Final[tuple[Start, ...]] = (("nightly_report", {}),)
# Reads all the invoices, so that there is a run to look at for longer than a moment.
MONTH_ENDS: Final[tuple[Start, ...]] = (("month_end", {"folder": "samples/invoices"}),)

# One in five fails, one in fifteen reports on the others, one in ten is a month end: it takes
# more work than all the rest together, and a demonstration must not keep a small machine busy.
_CYCLE: Final = (
    GOOD, GOOD, BROKEN, GOOD, MONTH_ENDS, GOOD, STATEMENTS, BROKEN, GOOD, GOOD,
    GOOD, GOOD, BROKEN, GOOD, MONTH_ENDS, REPORTS, STATEMENTS, BROKEN, GOOD, GOOD,
    GOOD, GOOD, BROKEN, STATEMENTS, MONTH_ENDS, GOOD, REPORTS, BROKEN, GOOD, GOOD,
)  # fmt: skip


def choose(tick: int) -> Start:
    """The workflow and input of this tick; each kind goes round its own list."""
    rounds, position = divmod(tick, len(_CYCLE))
    kind = _CYCLE[position]
    earlier = rounds * _count(_CYCLE, kind) + _count(_CYCLE[:position], kind)
    return kind[earlier % len(kind)]


def start_next(tick: int) -> Run | None:
    """Start the tick's run; None where it was started already, or too many wait."""
    slug, data = choose(tick)
    now, ref_id = timezone.now(), f"demo-{tick}"
    with transaction.atomic():
        # Two beats with the same tick queue up here; starting runs needs only the key's lock.
        workflow = Workflow.objects.select_for_update(no_key=True).filter(slug=slug).first()
        if workflow is None:
            return None
        version = workflow.versions.order_by("-number").first()
        recent = Run.objects.filter(workflow=workflow, created_at__gte=now - _SAME_TICK)
        if (
            version is None
            or recent.filter(ref_type=BY.ref_type, ref_id=ref_id).exists()
            or Run.objects.filter(state=RunState.CREATED)[:BACKLOG].count() == BACKLOG
        ):
            return None
        return lifecycle.start(
            version,
            data,
            trigger=Trigger.SCHEDULE,
            by=BY,
            ref_type=BY.ref_type,
            ref_id=ref_id,
            now=now,
        )


def _count(kinds: tuple[tuple[Start, ...], ...], kind: tuple[Start, ...]) -> int:
    return sum(other is kind for other in kinds)
