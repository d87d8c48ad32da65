"""What is read across runs: one line a run and commit, in an order that hides no late commit."""

from django.db import models
from django.db.models.expressions import RawSQL


class TransactionId(models.Field):
    """PostgreSQL's 64-bit transaction id, as int."""

    def db_type(self, connection: object) -> str:  # noqa: ARG002
        return "xid8"

    def from_db_value(self, value: object, *_: object) -> int | None:
        return None if value is None else int(str(value))

    def get_prep_value(self, value: object) -> str | None:
        return None if value is None else str(value)


class OutboxLine(models.Model):
    xid = TransactionId(db_default=RawSQL("pg_current_xact_id()", ()))
    run_id = models.UUIDField()
    first_seq = models.IntegerField()
    last_seq = models.IntegerField()
    recorded_at = models.DateTimeField()

    class Meta:
        db_table = "outbox"
        indexes = [models.Index(fields=["xid", "id"], name="outbox_order")]


class OutboxCursor(models.Model):
    """How far a reader has come; lines that all readers have passed are pruned."""

    reader = models.CharField(max_length=64, primary_key=True)
    xid = TransactionId()
    line = models.BigIntegerField()
    moved_at = models.DateTimeField()

    class Meta:
        db_table = "outbox_cursors"
