"""Bulk operations as all APIs find, make and change them."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from datetime import datetime
from typing import Any, NamedTuple

from rest_framework.exceptions import NotFound, ValidationError

from runs import ids, restoring
from runs.actors import Actor
from runs.api.acts import LIST_SECONDS
from runs.api.problems import Conflict, Gone
from runs.api.run_query import wanted_runs
from runs.bulk import exports, kinds, operations, tasks
from runs.filters import STATES, RunFilter
from runs.models import AuditEntry, BulkOperation, BulkOutcome, Run
from runs.models.bulk import BulkKind, BulkState, OutcomeStatus
from runs.querysets import COUNT_CAP, RunQuerySet
from runs.states import AT_HAND
from runs.timeouts import statement_timeout

_FINAL = ("completed", "failed", "terminated")
# Of each kind: the states of runs to which it can be done, and what is said of the others.
_FITS: dict[str, tuple[tuple[str, ...], str]] = {
    BulkKind.RETRY: (("failed",), "only failed runs are retried"),
    BulkKind.TERMINATE: (("queued", "running"), "they have ended already"),
    BulkKind.DELETE: (_FINAL, "only runs that have ended are deleted"),
    BulkKind.RESCUE: (("queued", "running"), "they have ended already"),
}


class Meant(NamedTuple):
    """Which runs; one of the three."""

    wanted: RunFilter | None = None
    chosen: list[uuid.UUID] | None = None
    failed_of: BulkOperation | None = None

    def runs(self, now: datetime) -> RunQuerySet:
        """Those that there are."""
        if self.wanted is not None:
            return self.wanted.apply(Run.objects.filter(created_at__lte=now), now)
        if self.failed_of is not None:
            failed = BulkOutcome.objects.filter(
                operation=self.failed_of.pk, status=OutcomeStatus.FAILED
            )
            return Run.objects.filter(pk__in=failed.values("run_id"))
        return Run.objects.filter(pk__in=self.chosen or [])


def permission_of(kind: Any) -> str | None:
    """What it needs; None for what is no kind."""
    return kinds.PERMISSIONS[BulkKind(kind)] if kind in BulkKind.values else None


def permission_for(public_id: Any) -> str | None:
    """What acting on this operation needs; None where there is none."""
    operation_id = ids.decode("bulk", public_id) if isinstance(public_id, str) else None
    if operation_id is None:
        return None
    found = BulkOperation.objects.filter(pk=operation_id).values_list("kind", flat=True)
    return permission_of(found.first())


def find_operation(public_id: str) -> BulkOperation:
    operation_id = ids.decode("bulk", public_id)
    found = BulkOperation.objects.filter(pk=operation_id).first() if operation_id else None
    if found is None:
        raise NotFound(f"There is no bulk operation “{public_id[:100]}”.")
    return found


def meant(given: dict[str, Any]) -> Meant:
    """What MeantSerializer took."""
    if "filter" in given:
        try:
            return Meant(wanted=wanted_runs(given["filter"]))
        except ValidationError as refused:
            raise ValidationError({"filter": refused.detail}) from None
    if "failed_of" in given:
        try:
            before = find_operation(given["failed_of"])
        except NotFound as refused:
            raise ValidationError({"failed_of": [str(refused.detail)]}) from None
        if before.is_open:
            raise Conflict(f"{before.public_id} is still under way.")
        return Meant(failed_of=before)
    chosen = {public_id: ids.decode("run", public_id) for public_id in given["runs"]}
    if wrong := [public_id for public_id, run_id in chosen.items() if run_id is None]:
        raise ValidationError({"runs": [f"“{wrong[0][:40]}” is no id of a run."]})
    return Meant(chosen=[run_id for run_id in chosen.values() if run_id])


def make(given: dict[str, Any], *, by: Actor, now: datetime, pages: str) -> BulkOperation:
    """What MakeBulkSerializer took; `pages`: see public_run."""
    which, kind = meant(given), given["kind"]
    counted = 0
    if (most := given["expected_at_most"]) is not None:
        counted = _count(kind, which, most, now)
    options = {**given.get("options", {})}
    if kind == BulkKind.EXPORT:
        options["pages"] = pages
    with _Refusing():
        operation = operations.make(
            kind,
            by=by,
            now=now,
            wanted=which.wanted,
            chosen=which.chosen,
            failed_of=which.failed_of,
            reason=given["reason"],
            rate=given["rate"],
            at_least=counted,
            at_most=most,
            options=options,
        )
    tasks.begin(operation)
    return operation


def again(public_id: str, *, by: Actor, now: datetime) -> BulkOperation:
    with _Refusing():
        operation = operations.again(find_operation(public_id), by=by, now=now)
    tasks.begin(operation)
    return operation


def switch(act: Callable[..., bool], public_id: str, *, by: Actor, now: datetime) -> BulkOperation:
    """`act` is operations.pause, resume or abort."""
    operation = find_operation(public_id)
    if not act(operation, by=by, now=now):
        state = BulkState(find_operation(public_id).state).label.lower()
        raise Conflict(f"It is {state}: it cannot {act.__name__}.")
    operation.refresh_from_db()
    if operation.state == BulkState.RUNNING:
        tasks.begin(operation)
    return operation


def limit(public_id: str, rate: int | None, *, by: Actor) -> BulkOperation:
    operation = find_operation(public_id)
    if not operation.is_open:
        raise Conflict("It has ended.")
    with _Refusing():
        operations.set_rate(operation, rate, by=by)
    operation.refresh_from_db()
    return operation


def download(public_id: str, *, by: Actor, now: datetime) -> exports.Download:
    """Runs leave the portal, so it is audited."""
    operation = find_operation(public_id)
    told = exports.downloads(operation, now)
    if told is None:
        raise NotFound(f"{operation.public_id} is no export.")
    if told.is_over:
        raise Gone(f"The file was kept until {told.until:%Y-%m-%d %H:%M} UTC; export anew.")
    if not told.is_ready:
        state = BulkState(operation.state).label.lower()
        raise Conflict(f"The export is {state}: there is a file once it is finished.")
    entry = AuditEntry.by(
        by, action="download", target_type="bulk", target_id=operation.public_id,
        filter=operation.filter, count=told.runs,
    )  # fmt: skip
    entry.save(force_insert=True)
    return told


class _Refusing:
    """What cannot be done is answered as a conflict."""

    def __enter__(self) -> None:
        return None

    def __exit__(self, _: Any, error: BaseException | None, __: Any) -> None:
        if isinstance(error, operations.NotPossible):
            raise Conflict(str(error)) from None


def _count(kind: str, which: Meant, most: int, now: datetime) -> int:
    """How many will be visited; refuses where these are more than `most`."""
    if which.wanted is None:
        count = len(which.chosen or []) if which.failed_of is None else which.failed_of.failed
    else:
        runs = which.runs(now)
        if operations.left_out(kind, which.wanted):
            runs = runs.filter(state__in=operations.STATES_OF[kind])
        with statement_timeout(LIST_SECONDS):
            count = runs.order_by()[: most + 1].count()
    if count > most:
        raise Conflict(f"More runs are meant than the {most:,} that you expect; nothing was done.")
    return count


# -- Before it is asked for ------------------------------------------------------------------


def preview(kind: str, which: Meant, now: datetime) -> dict[str, Any]:
    """How many runs are meant, by state, and which of them will be skipped; none counted further
    than the cap."""
    runs = which.runs(now)
    with statement_timeout(LIST_SECONDS):
        found = {name: _capped(runs.filter(state=state)) for name, state in STATES.items()}
        capped = [name for name, (_, more) in found.items() if more]
        counts = {name: count for name, (count, _) in found.items()}
        skipped = list(_skipped(kind, runs, found))
        gone = len(set(which.chosen)) - sum(counts.values()) if which.chosen else 0
    if gone > 0:
        skipped.append({"reason": "it is not there any more", "count": gone, "is_capped": False})
    return {
        "counts": {
            **counts,
            "all": sum(counts.values()),
            "capped": [*capped, *(["all"] if capped else [])],
        },
        "skipped": skipped,
    }


def _skipped(kind: str, runs: RunQuerySet, found: dict[str, tuple[int, bool]]) -> Any:
    if kind in _FITS:
        fitting, why = _FITS[kind]
        others = [counted for name, counted in found.items() if name not in fitting]
        if count := sum(count for count, _ in others):
            is_capped = any(more for _, more in others)
            yield {"reason": why, "count": count, "is_capped": is_capped}
    if kind == BulkKind.RESTORE:
        count, more = _capped(runs.filter(logs__in=AT_HAND))
        if count:
            yield {"reason": restoring.NOT_AWAY, "count": count, "is_capped": more}
    held = runs.filter(held_at__isnull=kind == BulkKind.RELEASE)
    reasons = {
        BulkKind.DELETE: "it is under legal hold",
        BulkKind.HOLD: "it is held already",
        BulkKind.RELEASE: "it is not held",
    }
    if kind == BulkKind.DELETE:
        held = held.finished()
    if kind in reasons:
        count, more = _capped(held)
        if count:
            yield {"reason": reasons[BulkKind(kind)], "count": count, "is_capped": more}


def _capped(runs: RunQuerySet) -> tuple[int, bool]:
    count = runs.capped_count()
    return min(count, COUNT_CAP), count > COUNT_CAP
