"""The log: every run's immutable, gapless history."""

import pgtrigger
from django.db import models

from runs.models.run import Run
from runs.models.source import Source
from runs.states import Kind


class Event(models.Model):
    """One row of ``event_tracking``. Only the recorder adds here; nothing is ever changed."""

    run = models.ForeignKey(Run, on_delete=models.DO_NOTHING, related_name="events", db_index=False)
    seq = models.IntegerField()
    kind = models.CharField(max_length=20, choices=[(k, k.replace("_", " ")) for k in Kind])
    node = models.CharField(max_length=64, blank=True)
    attempt = models.SmallIntegerField(null=True)
    actor = models.CharField(max_length=150, blank=True)
    # When it happened (the sender's clock), and when it was stored.
    at = models.DateTimeField()
    recorded_at = models.DateTimeField()
    data = models.JSONField()
    # Who reported it, and its id there: by this it is known when it comes again, for as long as it
    # is kept. It stands here and not in a table of its own, which would cost another row an event
    # and need pruning. Ids that rise, as a client's should, make the index cheap to grow.
    source = models.ForeignKey(
        Source, on_delete=models.DO_NOTHING, null=True, db_constraint=False, db_index=False,
        related_name="+",
    )  # fmt: skip
    sender_id = models.CharField(max_length=100, null=True, db_collation="C")  # noqa: DJ001

    class Meta:
        db_table = "event_tracking"
        # By the column: by the model it would sort as runs do, with a join.
        ordering = ["run_id", "seq"]
        constraints = [
            models.UniqueConstraint(fields=["run", "seq"], name="event_tracking_seq"),
            models.UniqueConstraint(
                fields=["source", "sender_id"],
                name="event_tracking_sender",
                condition=models.Q(sender_id__isnull=False),
            ),
            models.CheckConstraint(condition=models.Q(seq__gte=1), name="event_tracking_from_1"),
            models.CheckConstraint(
                condition=models.Q(kind__in=list(Kind)), name="event_tracking_kind"
            ),
        ]
        triggers = [
            pgtrigger.Trigger(
                name="append_only",
                when=pgtrigger.Before,
                operation=pgtrigger.Update,
                func="RAISE EXCEPTION 'an event never changes' USING ERRCODE = '23514';",
            ),
            pgtrigger.Trigger(
                name="purge_only",
                when=pgtrigger.Before,
                # Once a statement: asked for each row it took most of a deletion's time.
                level=pgtrigger.Statement,
                operation=pgtrigger.Delete,
                func=(
                    "IF current_setting('runs.purge', true) = 'on' THEN RETURN NULL; END IF;"
                    "RAISE EXCEPTION 'events go by the purge only' USING ERRCODE = '23514';"
                ),
            ),
            pgtrigger.Trigger(
                name="no_truncate",
                when=pgtrigger.Before,
                level=pgtrigger.Statement,
                operation=pgtrigger.Truncate,
                func=(
                    "IF current_setting('runs.purge', true) = 'on' THEN RETURN NULL; END IF;"
                    "RAISE EXCEPTION 'events go by the purge only' USING ERRCODE = '23514';"
                ),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.seq} {self.kind}"
