"""What a trigger does when that for which it waits has happened.

A firing and the runs that it starts are one transaction, and its key is unique: whoever comes
second with the same key, or again after a crash, starts nothing.
"""

from __future__ import annotations

import logging
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Any

from django.db import DatabaseError, connection, transaction

from runs import conditions, ids, lifecycle, paths
from runs.actors import Actor
from runs.engine.patience import is_passing
from runs.models import Firing, Run, Trigger, TriggeredRun, Workflow, WorkflowVersion
from runs.models.trigger import FIRINGS_KEPT, FiringStatus, Source
from runs.payload import PayloadError, bounded
from runs.states import FINAL_STATES
from runs.triggers.rule import Retry, Rule, RuleError, Schedule, Start, Target, parse

logger = logging.getLogger(__name__)

# Triggers that lead to each other, and the runs that come of one beginning, come to an end.
MAX_DEPTH = 10
MAX_CHAIN = 1_000
# Of its newest runs so many are asked whether one still goes.
LOOKED_AT = 100
# Of what happened so much is kept with the firing and with the run, as JSON text.
PAYLOAD_BYTES = 256_000
_NEW = """
INSERT INTO firings (trigger_id, key, fired_at, status, reason, outcomes, payload, count, is_test,
    cause, depth, root)
VALUES (%s, %s, %s, %s, '', '[]', NULL, 1, %s, %s, 1, NULL)
ON CONFLICT (trigger_id, key) DO NOTHING RETURNING id
"""
_PASSED_OVER = """
INSERT INTO firings (trigger_id, key, fired_at, status, reason, outcomes, payload, count, is_test,
    cause, depth, root)
VALUES (%s, %s, %s, %s, %s, '[]', NULL, %s, false, %s, 1, NULL)
ON CONFLICT (trigger_id, key) DO UPDATE SET count = firings.count + excluded.count,
    fired_at = excluded.fired_at, reason = excluded.reason, cause = excluded.cause
"""


class CannotAct(Exception):  # noqa: N818
    """Why nothing can be started; the message is fit for a person."""


@dataclass(frozen=True, slots=True)
class Happening:
    """That for which a trigger waits: by its key it is known when it is told of again."""

    key: str
    # What the rule's paths lead into.
    payload: Mapping[str, Any]
    # The run whose event it was.
    cause: uuid.UUID | None = None
    is_test: bool = False


@dataclass(slots=True)
class _Chain:
    depth: int = 1
    root: int | None = None


@dataclass(slots=True)
class _Result:
    status: FiringStatus
    reason: str = ""
    outcomes: list[dict[str, str]] = field(default_factory=list)


def fire(trigger: Trigger, happening: Happening, *, now: datetime) -> tuple[Firing, bool]:
    """Act on it. Gives the firing, and whether it is new: an earlier one stays as it was."""
    with transaction.atomic():
        if trigger.source == Source.TIME:
            # Of two firings the second one sees the run that the first one started.
            trigger = Trigger.objects.select_for_update(no_key=True).get(pk=trigger.pk)
        else:
            # It may have been switched off since it was read.
            trigger = Trigger.objects.filter(pk=trigger.pk).first() or trigger
        firing_id = _insert(trigger, happening, now)
        if firing_id is None:
            return Firing.objects.get(trigger=trigger, key=happening.key[:200]), False
        chain = _chain(happening.cause)
        result = _act(trigger, firing_id, happening, chain, now)
        Firing.objects.filter(pk=firing_id).update(
            status=result.status,
            reason=_cut(result.reason),
            outcomes=result.outcomes,
            payload=kept(happening.payload),
            depth=chain.depth,
            root=chain.root,
        )
        firing = Firing.objects.get(pk=firing_id)
    if firing.status == FiringStatus.FAILED:
        logger.warning("trigger %s, %s: %s", trigger, happening.key, firing.reason)
    return firing, True


def note(
    trigger: Trigger,
    key: str,
    status: FiringStatus,
    reason: str,
    *,
    now: datetime,
    count: int = 1,
    cause: uuid.UUID | None = None,
) -> None:
    """Say that nothing was done, and why; what has the same key stands in one row."""
    with connection.cursor() as cursor:
        cursor.execute(
            _PASSED_OVER, [trigger.pk, key[:200], now, status, _cut(reason), count, cause]
        )


def kept(payload: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """As much of what happened as is kept: all, or the parts that are small enough."""
    try:
        return bounded(payload, PAYLOAD_BYTES, "what happened")
    except PayloadError:
        small: dict[str, Any] = {}
        for name, part in payload.items():
            try:
                small[name] = bounded(part, PAYLOAD_BYTES // len(payload), name)
            except PayloadError as error:
                small[name] = f"left out: {error}"
        return small


def _insert(trigger: Trigger, happening: Happening, now: datetime) -> int | None:
    with connection.cursor() as cursor:
        cursor.execute(
            _NEW,
            [
                trigger.pk,
                happening.key[:200],
                now,
                FiringStatus.SKIPPED,
                happening.is_test,
                happening.cause,
            ],
        )
        row = cursor.fetchone()
    return row[0] if row else None


def _act(
    trigger: Trigger, firing_id: int, happening: Happening, chain: _Chain, now: datetime
) -> _Result:
    try:
        rule = parse(trigger.kind, trigger.rule)
    except RuleError as error:  # stored under other rules than those of today
        return _Result(FiringStatus.FAILED, f"its rule no longer passes the checks: {error}")
    if not trigger.enabled and not happening.is_test:
        return _Result(FiringStatus.SKIPPED, "the trigger is off")
    if rule.condition and not conditions.holds(
        rule.condition, partial(paths.resolve, context=dict(happening.payload))
    ):
        return _Result(FiringStatus.SKIPPED, "its condition did not hold")
    skips = isinstance(rule.when, Schedule) and rule.when.skip_if_running
    if skips and (running := _still_running(trigger)):
        return _Result(FiringStatus.SKIPPED, f"{running} had not ended")
    if chain.depth > MAX_DEPTH:
        return _Result(
            FiringStatus.REFUSED,
            f"{MAX_DEPTH} triggers have led here one after the other: they may lead in a circle",
        )
    if chain.root is not None and _runs_of(chain.root) >= MAX_CHAIN:
        return _Result(FiringStatus.REFUSED, f"{MAX_CHAIN:,} runs have come of what it began with")
    return _do(trigger, firing_id, rule, happening, chain, now)


def _do(
    trigger: Trigger,
    firing_id: int,
    rule: Rule,
    happening: Happening,
    chain: _Chain,
    now: datetime,
) -> _Result:
    result = _Result(FiringStatus.STARTED)
    root = chain.root or firing_id
    for target in rule.targets:
        outcome = {"target": target.label, "run": "", "why": ""}
        try:
            # One that cannot be started must not keep the others from it.
            with transaction.atomic():
                run = _start(trigger, firing_id, target, happening, now)
                TriggeredRun.objects.create(
                    run_id=run.pk, firing_id=firing_id, trigger=trigger, root=root
                )
            outcome["run"] = run.public_id
        except (CannotAct, LookupError, PayloadError) as error:
            outcome["why"] = _cut(_words(error))
        except Exception as error:
            if isinstance(error, DatabaseError) and is_passing(error):
                raise
            logger.exception("trigger %s cannot act on %s", trigger, happening.key)
            outcome["why"] = _cut(f"{type(error).__name__}: {error}")
        result.outcomes.append(outcome)
    if failed := [outcome["why"] for outcome in result.outcomes if outcome["why"]]:
        result.status = FiringStatus.FAILED
        result.reason = failed[0]
    return result


def _start(
    trigger: Trigger, firing_id: int, target: Target, happening: Happening, now: datetime
) -> Run:
    payload = dict(happening.payload)
    by = Actor(name=trigger.name, ref_type=trigger.kind, ref_id=str(trigger.pk))
    fired: dict[str, Any] = {"trigger": trigger.name, "firing": firing_id}
    if happening.cause:
        fired["cause"] = ids.encode("run", happening.cause)
    else:
        # That of a run stands in its own log.
        fired["payload"] = kept(happening.payload)
    start: Callable[..., Run] = partial(
        lifecycle.start, trigger=trigger.kind, by=by, fired=fired, now=now
    )
    if isinstance(target, Retry):
        return _retry(target, payload, start)
    reference = paths.fill(target.ref_id, payload) if target.ref_type else ""
    return start(
        _version(target),
        paths.fill(target.input, payload),
        ref_type=target.ref_type,
        ref_id=str(reference)[:200],
    )


def _retry(target: Retry, payload: dict[str, Any], start: Callable[..., Run]) -> Run:
    public_id = paths.resolve(target.run, payload)
    run_id = ids.decode("run", public_id) if isinstance(public_id, str) else None
    if run_id is None:
        raise CannotAct(f"{target.run} leads to no run's id")
    # Locked, so that of two that retry it at once the second one sees the first one's run.
    locked = Run.objects.select_for_update(of=("self",), no_key=True)
    run = locked.select_related("version__workflow").filter(pk=run_id).first()
    if run is None:
        raise CannotAct(f"{public_id} is not there")
    if why := lifecycle.why_no_retry(run):
        raise CannotAct(why)
    if target.has_input:
        data = paths.fill(target.input, payload)
    else:
        data = lifecycle.input_of(run)
    return start(run.version, data, original=run)


def _version(target: Start) -> WorkflowVersion:
    workflow = Workflow.objects.filter(slug=target.workflow).first()
    if workflow is None:
        raise CannotAct(f"there is no workflow {target.workflow}")
    versions = workflow.versions.order_by("-number")
    if target.version is not None:
        versions = versions.filter(number=target.version)
    version = versions.first()
    if version is None:
        which = f"version {target.version}" if target.version else "version yet"
        raise CannotAct(f"{target.workflow} has no {which}")
    version.workflow = workflow
    return version


def _chain(cause: uuid.UUID | None) -> _Chain:
    before = (
        TriggeredRun.objects.filter(run=cause).values_list("firing__depth", "root").first()
        if cause
        else None
    )
    return _Chain(before[0] + 1, before[1]) if before else _Chain()


def _runs_of(root: int) -> int:
    return TriggeredRun.objects.filter(root=root)[:MAX_CHAIN].count()


def _still_running(trigger: Trigger) -> str:
    """One of its newest runs that has not ended."""
    newest = TriggeredRun.objects.filter(trigger=trigger).order_by("-firing")[:LOOKED_AT]
    goes = Run.objects.filter(pk__in=newest.values("run")).exclude(state__in=FINAL_STATES)
    run = goes.order_by("-created_at").first()
    return run.public_id if run else ""


def prune(now: datetime, batch: int = 10_000) -> int:
    """Forget what is older than FIRINGS_KEPT; gives how many of at most `batch` there were.

    What still counts for a chain, or for a schedule that waits for its run to end, is kept.
    """
    old = Firing.objects.filter(fired_at__lt=now - FIRINGS_KEPT).order_by("fired_at")
    chosen = list(old.values_list("pk", flat=True)[:batch])
    open_runs = Run.objects.open().filter(triggered__firing__in=chosen)
    held = set(open_runs.values_list("triggered__firing", flat=True))
    return _forget([pk for pk in chosen if pk not in held])


def forget_all(trigger: Trigger, batch: int = 10_000) -> None:
    """All that it did; in steps that take a moment each, as there may be millions."""
    firings = Firing.objects.filter(trigger=trigger).values_list("pk", flat=True)
    while _forget(list(firings[:batch])):
        pass


def _forget(firings: list[int]) -> int:
    # Django itself would read all that hangs on them, and delete it by hundreds.
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("DELETE FROM triggered_runs WHERE firing_id = ANY(%s)", [firings])
        cursor.execute("DELETE FROM firings WHERE id = ANY(%s)", [firings])
        return cursor.rowcount


def _words(error: Exception) -> str:
    return str(error.args[0]) if error.args else str(error)


def _cut(text: str, most: int = 500) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"
