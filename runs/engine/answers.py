"""Answers to what waits for a person: checked, then recorded with what follows from them."""

from __future__ import annotations

import logging
import uuid
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from runs import definitions, ids, input_schema, recorder, whole_log
from runs.actors import ENGINE, Actor
from runs.engine import dispatch, gates, steps
from runs.engine.patience import is_passing
from runs.graph import Graph, NodeSpec
from runs.models import AuditEntry, Decision, Event, Run, User
from runs.objects import StorageAway
from runs.payload import PayloadError, bounded
from runs.recorder import Snapshot
from runs.rows import NewEvent
from runs.states import DecisionAct
from runs.whole_log import TooLong

logger = logging.getLogger(__name__)

BATCH = 200
COMMENT_LENGTH = 2_000
ACTS = (DecisionAct.APPROVED, DecisionAct.REJECTED, DecisionAct.CORRECTED)
# What happens by itself when the time is up.
_AT_TIMEOUT = {"approve": DecisionAct.APPROVED, "reject": DecisionAct.REJECTED}


class NotOpen(Exception):  # noqa: N818
    """It was decided before, or the run ended: the message says which."""


class NotYours(Exception):  # noqa: N818
    """It is assigned to others."""


class AnswerInvalid(ValueError):  # noqa: N818
    """An answer that cannot be taken; the message says why."""


class QuestionArchived(Exception):  # noqa: N818
    """What was asked is in the run's archived log, and cannot be read; the message says why."""


@dataclass(frozen=True, slots=True)
class Question:
    """A decision with what its definition says and what it asked."""

    decision: Decision
    graph: Graph
    spec: NodeSpec
    # The data of the event that asked: title, instructions, input, due_at, assigned_to.
    asked: dict[str, Any]

    @property
    def value(self) -> Any:
        """What is approved, or corrected."""
        name = self.spec.settings["correct"]
        return self.asked["input"].get(name) if name else self.asked["input"]

    @property
    def form(self) -> Any:
        """The JSON Schema of a correction; None where nothing can be corrected."""
        return self.spec.settings["form"]


def question(decision: Decision) -> Question:
    """Needs its `node`, and that one's `run`. Raises QuestionArchived."""
    node = decision.node
    graph = definitions.graph_of(node.run.version_id)
    seq = node.input_seq or 0
    asked = Event.objects.values_list("data", flat=True).filter(run=node.run_id, seq=seq).first()
    return Question(decision, graph, graph.nodes[node.key], asked or _archived(node.run, seq))


def _archived(run: Run, seq: int) -> dict[str, Any]:
    """What was asked, from the archive; of a run that has ended, so within no transaction."""
    try:
        log = whole_log.opened(run, at_once=True)
    except (StorageAway, TooLong) as error:
        raise QuestionArchived(str(error)) from error
    if data := log.data_of({seq}, whole_log.AT_ONCE_BYTES).get(seq):
        return data
    raise QuestionArchived(log.problem or "its event is missing")


def may_answer(decision: Decision, user: User) -> bool:
    return Decision.objects.filter(pk=decision.pk).for_person(user).exists()


def answer(
    decision: Decision,
    act: DecisionAct,
    *,
    by: Actor,
    user: User,
    value: Any = None,
    comment: str = "",
    now: datetime | None = None,
) -> None:
    """Raises NotYours, AnswerInvalid, NotOpen. Of several who answer at once one is taken."""
    now = now or timezone.now()
    if not may_answer(decision, user):
        raise NotYours("It is assigned to others.")
    found = question(decision)
    taken = _checked(found, act, value)
    if len(comment) > COMMENT_LENGTH:
        raise AnswerInvalid(f"The comment is longer than {COMMENT_LENGTH:,} characters.")
    with transaction.atomic():
        if not _record(found, act, taken, by.name, comment, now):
            raise NotOpen(_why_not_open(decision))
        target = ids.encode("run", decision.run_id)
        AuditEntry.by(
            by, action=str(act), target_type="run", target_id=target, reason=comment[:500]
        ).save()
        dispatch.wake(gates.of_runs([decision.run_id]))


def overdue(now: datetime) -> int:
    """Decide what nobody decided in time, as its definition says; gives how many."""
    late = Decision.objects.overdue(now).order_by("due_at").select_related("node__run")
    count = 0
    for decision in late[:BATCH]:
        try:
            count += _decide_overdue(decision, now)
        except Exception as error:
            if is_passing(error):
                raise
            # One that cannot be decided must not hold up the others.
            logger.exception("run %s: what is overdue cannot be decided", decision.run_id)
    return count


def _decide_overdue(decision: Decision, now: datetime) -> bool:
    found = question(decision)
    wanted = found.spec.settings["on_timeout"]
    act = _AT_TIMEOUT.get(wanted, DecisionAct.REJECTED)
    why = "nobody decided in time"
    with transaction.atomic():
        fails = why if wanted == "fail" else ""
        done = _record(found, act, found.value, ENGINE.name, why, now, fails)
        dispatch.wake(gates.of_runs([decision.run_id]))
    return done


def _checked(found: Question, act: DecisionAct, value: Any) -> Any:
    if act not in ACTS:
        raise AnswerInvalid(f"Decide by one of {', '.join(ACTS)}.")
    if act != DecisionAct.CORRECTED:
        return found.value
    if found.form is None:
        raise AnswerInvalid("This has no form, so nothing in it can be corrected.")
    try:
        bounded(value, settings.ENGINE_PAYLOAD_BYTES, "the correction")
    except PayloadError as error:
        raise AnswerInvalid(f"{error}.") from None
    if problem := input_schema.violation(found.form, value):
        raise AnswerInvalid(f"The correction does not fit: {problem}.")
    return value


def _record(
    found: Question,
    act: DecisionAct,
    value: Any,
    actor: str,
    comment: str,
    now: datetime,
    fails: str = "",
) -> bool:
    spec = found.spec
    if act == DecisionAct.REJECTED and spec.settings["on_reject"] == "fail" and not fails:
        fails = f"rejected by {actor}" + (f": {comment}" if comment else "")

    def decide(snapshot: Snapshot) -> list[NewEvent]:
        return steps.answer(
            snapshot, found.graph, spec.id, act, value, actor=actor, comment=comment, fails=fails
        )

    run_id: uuid.UUID = found.decision.run_id
    return bool(recorder.transact([run_id], decide, now=now))


def _why_not_open(decision: Decision) -> str:
    decision.refresh_from_db()
    if decision.act == DecisionAct.WITHDRAWN or decision.decided_at is None:
        return "Its run has ended; nothing waits for this any more."
    return f"It was {decision.act} by {decision.decided_by} already."
