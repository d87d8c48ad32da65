"""What was answered to a caller who may ask again, because the answer may have got lost."""

from datetime import datetime, timedelta

from django.db import models

KEPT = timedelta(hours=24)
KEY_LENGTH = 255
# Rows that one statement deletes.
BATCH = 5_000


class IdempotencyKeyQuerySet(models.QuerySet["IdempotencyKey"]):
    def prune(self, now: datetime) -> int:
        """Delete keys that are past their time; gives how many, of a batch at most."""
        old = self.filter(created_at__lt=now - KEPT).order_by("created_at").values("pk")[:BATCH]
        return self.filter(pk__in=old).delete()[0]


class IdempotencyKey(models.Model):
    """One request of one caller. Inserted in the transaction that does what was asked for: who
    asks the same meanwhile waits for its end."""

    # The public id of the person, also where they use a token.
    caller = models.CharField(max_length=64)
    key = models.CharField(max_length=KEY_LENGTH)
    # Of what was asked for.
    digest = models.CharField(max_length=64)
    # Both are set before the transaction ends.
    run_id = models.UUIDField(null=True)
    answer = models.JSONField(null=True)
    created_at = models.DateTimeField()

    objects = IdempotencyKeyQuerySet.as_manager()

    class Meta:
        db_table = "idempotency_keys"
        default_permissions = ()
        constraints = [
            models.UniqueConstraint(fields=["caller", "key"], name="idempotency_keys_once"),
        ]
        indexes = [models.Index(fields=["created_at"], name="idempotency_keys_age")]
