"""A run: one execution of one workflow version on one input. Its row is a reading of its log."""

from __future__ import annotations

from datetime import datetime, timedelta

import pgtrigger
from django.contrib.postgres.indexes import GinIndex, OpClass
from django.db import models
from django.db.models.functions import Upper

from runs import ids
from runs.expressions import IdEnd, error_words
from runs.models.source import Source
from runs.models.workflow import Workflow, WorkflowVersion
from runs.querysets import RunQuerySet
from runs.states import AT_HAND, FINAL_STATES, LABELS, TRANSITIONS, LogState, RunState, Trigger

_ALLOWED = ", ".join(
    f"('{before}', '{after}')"
    for before, following in TRANSITIONS.items()
    for after in sorted(following)
)


class Run(models.Model):
    """One row of ``jobs``. Only the recorder writes here."""

    id = models.UUIDField(primary_key=True, default=ids.new_id, editable=False)
    workflow = models.ForeignKey(Workflow, on_delete=models.PROTECT, db_index=False)
    # The database refers to (version, workflow) together: see the migration.
    version = models.ForeignKey(
        WorkflowVersion, on_delete=models.PROTECT, db_constraint=False, related_name="runs"
    )
    state = models.CharField(max_length=12, choices=[(s, LABELS[s][0]) for s in RunState])
    # Number of the event that brought the present state; the newest event's number.
    state_seq = models.IntegerField()
    last_seq = models.IntegerField()

    created_at = models.DateTimeField()
    started_at = models.DateTimeField(null=True)
    completed_at = models.DateTimeField(null=True)
    start_deadline = models.DateTimeField(null=True)

    trigger = models.CharField(max_length=12, choices=[(t, t) for t in Trigger])
    triggered_by = models.CharField(max_length=150)
    ref_type = models.CharField(max_length=64, blank=True)
    ref_id = models.CharField(max_length=200, blank=True)
    # A deleted original leaves its id here, so these are no foreign keys in the database.
    retry_of = models.ForeignKey(
        "self", models.DO_NOTHING, null=True, db_constraint=False, db_index=False, related_name="+"
    )
    first = models.ForeignKey(
        "self", models.DO_NOTHING, null=True, db_constraint=False, db_index=False, related_name="+"
    )

    # For a run that is executed elsewhere: who reports it, and its id there.
    source = models.ForeignKey(
        Source, on_delete=models.PROTECT, null=True, db_index=False, related_name="runs"
    )
    external_id = models.CharField(max_length=200, blank=True, db_default="")

    # Legal hold: since when, and who said so. A held run is not deleted, nor are its logs.
    held_at = models.DateTimeField(null=True)
    held_by = models.CharField(max_length=150, blank=True, db_default="")

    # Where its events are: see `Archive`.
    logs = models.CharField(
        max_length=10,
        choices=[(s, s) for s in LogState],
        default=LogState.LIVE,
        db_default=LogState.LIVE,
    )

    cost = models.DecimalField(max_digits=20, decimal_places=10, default=0)
    input_tokens = models.BigIntegerField(default=0)
    output_tokens = models.BigIntegerField(default=0)
    cached_tokens = models.BigIntegerField(default=0)

    # What a list's row says beside the workflow: where the run is or where and why it ended.
    nodes_total = models.IntegerField(default=0)
    nodes_done = models.IntegerField(default=0)
    current_node = models.CharField(max_length=64, blank=True)
    error_node = models.CharField(max_length=64, blank=True)
    error_kind = models.CharField(max_length=100, blank=True)
    error_message = models.CharField(max_length=500, blank=True)
    # The same for what failed alike: see `fingerprint`.
    error_group = models.BigIntegerField(null=True)
    ended_by = models.CharField(max_length=150, blank=True)
    reason = models.CharField(max_length=500, blank=True)

    objects = RunQuerySet.as_manager()

    class Meta:
        db_table = "jobs"
        ordering = ["-created_at", "-id"]
        permissions = [
            ("retry_run", "Can retry runs"),
            ("terminate_run", "Can terminate runs"),
            ("export_run", "Can export runs"),
            ("hold_run", "Can put runs under legal hold, and end it"),
            ("restore_run", "Can restore archived logs"),
            ("manage_retention", "Can set how long runs and logs are kept, and have them archived"),
        ]
        constraints = [
            models.CheckConstraint(condition=models.Q(state__in=list(RunState)), name="jobs_state"),
            models.CheckConstraint(
                condition=models.Q(trigger__in=list(Trigger)), name="jobs_trigger"
            ),
            models.CheckConstraint(
                condition=models.Q(state__in=FINAL_STATES, completed_at__isnull=False)
                | models.Q(~models.Q(state__in=FINAL_STATES), completed_at__isnull=True),
                name="jobs_completed_at_when_final",
            ),
            models.CheckConstraint(
                condition=models.Q(state_seq__gte=1, last_seq__gte=models.F("state_seq")),
                name="jobs_seq",
            ),
            models.UniqueConstraint(
                fields=["source", "external_id"],
                name="jobs_external",
                condition=models.Q(source__isnull=False),
            ),
            models.CheckConstraint(
                condition=models.Q(source__isnull=True, external_id="")
                | models.Q(models.Q(source__isnull=False), ~models.Q(external_id="")),
                name="jobs_external_id_of_source",
            ),
            models.CheckConstraint(condition=models.Q(logs__in=list(LogState)), name="jobs_logs"),
            models.CheckConstraint(
                condition=models.Q(logs=LogState.LIVE) | models.Q(state__in=FINAL_STATES),
                name="jobs_archived_when_final",
            ),
        ]
        indexes = [
            models.Index(fields=["created_at", "id"], name="jobs_created"),
            models.Index(fields=["state", "created_at", "id"], name="jobs_state_created"),
            models.Index(fields=["workflow", "created_at", "id"], name="jobs_workflow_created"),
            models.Index(
                fields=["workflow", "state", "created_at", "id"], name="jobs_workflow_state"
            ),
            models.Index(fields=["triggered_by", "created_at", "id"], name="jobs_person_created"),
            models.Index(fields=["trigger", "created_at", "id"], name="jobs_trigger_created"),
            # Pairs of which one half is common and both together are rare or never occur.
            models.Index(
                fields=["workflow", "trigger", "created_at", "id"], name="jobs_workflow_trigger"
            ),
            models.Index(
                fields=["workflow", "triggered_by", "created_at", "id"], name="jobs_workflow_person"
            ),
            models.Index(
                fields=["triggered_by", "trigger", "created_at", "id"], name="jobs_person_trigger"
            ),
            # The other combinations, where few rows match. Small: it says the same many times.
            models.Index(
                fields=["workflow", "trigger", "triggered_by", "state"], name="jobs_combined"
            ),
            models.Index(fields=["ref_id"], opclasses=["text_pattern_ops"], name="jobs_reference"),
            models.Index(IdEnd("id"), name="jobs_short_id"),
            GinIndex(
                OpClass(Upper(error_words()), name="gin_trgm_ops"),
                name="jobs_error_words",
                condition=models.Q(state=RunState.FAILED),
            ),
            models.Index(
                fields=["error_kind", "error_node", "created_at", "id"],
                name="jobs_error_created",
                condition=models.Q(state=RunState.FAILED),
            ),
            models.Index(
                fields=["error_group", "created_at", "id"],
                name="jobs_error_group",
                condition=models.Q(state=RunState.FAILED),
            ),
            models.Index(
                fields=["retry_of"],
                name="jobs_retry_of",
                condition=models.Q(retry_of__isnull=False),
            ),
            models.Index(
                fields=["created_at", "id"],
                name="jobs_retries",
                condition=models.Q(retry_of__isnull=False),
            ),
            models.Index(
                fields=["first"], name="jobs_first", condition=models.Q(first__isnull=False)
            ),
            models.Index(
                fields=["created_at", "id"],
                name="jobs_held",
                condition=models.Q(held_at__isnull=False),
            ),
            # What the archive takes, workflow by workflow, oldest first.
            models.Index(
                fields=["workflow", "state", "completed_at", "id"],
                name="jobs_to_archive",
                condition=models.Q(
                    completed_at__isnull=False,
                    held_at__isnull=True,
                    logs__in=[LogState.LIVE, LogState.PARTLY],
                ),
            ),
            models.Index(
                fields=["created_at", "id"],
                name="jobs_archived",
                condition=~models.Q(logs=LogState.LIVE),
            ),
            # What is neither here nor there for good.
            models.Index(
                fields=["logs", "created_at", "id"],
                name="jobs_logs_between",
                condition=models.Q(
                    logs__in=[
                        LogState.ARCHIVING,
                        LogState.PARTLY,
                        LogState.RESTORING,
                        LogState.RESTORED,
                    ]
                ),
            ),
            # What was begun there, and is to be ended whatever happened.
            models.Index(
                fields=["id"],
                name="jobs_logs_moving",
                condition=models.Q(logs__in=[LogState.ARCHIVING, LogState.RESTORING]),
            ),
            # What is reported and has not ended: whether somebody still tells of it.
            models.Index(
                fields=["source", "created_at", "id"],
                name="jobs_open_elsewhere",
                condition=models.Q(
                    source__isnull=False, state__in=[RunState.CREATED, RunState.ACTIVE]
                ),
            ),
            models.Index(
                fields=["start_deadline"],
                name="jobs_start_deadline",
                condition=models.Q(state=RunState.CREATED, start_deadline__isnull=False),
            ),
        ]
        triggers = [
            pgtrigger.Trigger(
                name="begins_created",
                when=pgtrigger.Before,
                operation=pgtrigger.Insert,
                condition=~pgtrigger.Q(new__state=RunState.CREATED),
                func=(
                    "IF current_setting('runs.load', true) = 'on' THEN RETURN NEW; END IF;"
                    "RAISE EXCEPTION 'a run begins created, not %', NEW.state"
                    " USING ERRCODE = '23514';"
                ),
            ),
            pgtrigger.Trigger(
                name="transition",
                when=pgtrigger.Before,
                operation=pgtrigger.UpdateOf("state"),
                condition=pgtrigger.Q(old__state__df=pgtrigger.F("new__state")),
                func=(
                    f"IF (OLD.state, NEW.state) IN ({_ALLOWED}) THEN RETURN NEW; END IF;"
                    "RAISE EXCEPTION 'a run cannot go from % to %', OLD.state, NEW.state"
                    " USING ERRCODE = '23514';"
                ),
            ),
            # However an event comes: it is not in the object, and is to be archived in its turn.
            pgtrigger.Trigger(
                name="grows_archived",
                when=pgtrigger.Before,
                operation=pgtrigger.UpdateOf("last_seq"),
                condition=pgtrigger.Q(
                    new__logs=LogState.ARCHIVED, new__last_seq__gt=pgtrigger.F("old__last_seq")
                ),
                func=f"NEW.logs := '{LogState.PARTLY}'; RETURN NEW;",
            ),
            pgtrigger.Trigger(
                name="creation_logged",
                when=pgtrigger.After,
                operation=pgtrigger.Insert,
                timing=pgtrigger.Deferred,
                level=pgtrigger.Row,
                func=pgtrigger.Func(
                    """
                    IF current_setting('runs.load', true) = 'on' OR EXISTS (
                        SELECT FROM event_tracking
                        WHERE run_id = NEW.id AND seq = 1 AND kind = 'run_created'
                    ) OR NOT EXISTS (SELECT FROM jobs WHERE id = NEW.id) THEN RETURN NULL; END IF;
                    RAISE EXCEPTION 'run % was created without its event', NEW.id
                        USING ERRCODE = '23514';
                    """
                ),
            ),
            pgtrigger.Trigger(
                name="change_logged",
                when=pgtrigger.After,
                operation=pgtrigger.UpdateOf("state"),
                timing=pgtrigger.Deferred,
                level=pgtrigger.Row,
                condition=pgtrigger.Q(old__state__df=pgtrigger.F("new__state")),
                func=pgtrigger.Func(
                    """
                    IF EXISTS (
                        SELECT FROM event_tracking
                        WHERE run_id = NEW.id AND seq = NEW.state_seq AND kind = 'state_changed'
                        AND data->>'from' = OLD.state AND data->>'to' = NEW.state
                    ) OR NOT EXISTS (SELECT FROM jobs WHERE id = NEW.id) THEN RETURN NULL; END IF;
                    RAISE EXCEPTION 'run % went from % to % without its event',
                        NEW.id, OLD.state, NEW.state USING ERRCODE = '23514';
                    """
                ),
            ),
        ]

    def __str__(self) -> str:
        return self.public_id

    @property
    def public_id(self) -> str:
        return ids.encode("run", self.id)

    @property
    def job_id(self) -> str:
        return ids.encode("job", self.id)

    @property
    def is_final(self) -> bool:
        return self.state in FINAL_STATES

    @property
    def is_elsewhere(self) -> bool:
        """Executed by another system, which reports it: nothing of it is started here."""
        return self.source_id is not None

    @property
    def can_retry(self) -> bool:
        return self.state == RunState.FAILED and not self.is_elsewhere

    @property
    def can_terminate(self) -> bool:
        return not self.is_final and not self.is_elsewhere

    @property
    def is_held(self) -> bool:
        """Under legal hold."""
        return self.held_at is not None

    @property
    def has_log(self) -> bool:
        """Whether all of its events are in the database; if not, some are archived."""
        return self.logs in AT_HAND

    @property
    def can_restore(self) -> bool:
        return self.logs in (LogState.ARCHIVED, LogState.PARTLY)

    @property
    def can_delete(self) -> bool:
        return self.is_final and not self.is_held

    def duration(self, now: datetime) -> timedelta | None:
        """From start to end, or to `now` while the run is active; None for one never started."""
        if self.started_at is None:
            return None
        return (self.completed_at or now) - self.started_at

    @property
    def total_tokens(self) -> int:
        return self.input_tokens + self.output_tokens
