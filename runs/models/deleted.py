"""What is left of a run that was deleted: that it was, so that nothing brings it back."""

from django.db import models
from django.db.models import Q

from runs import ids


class DeletedRun(models.Model):
    """`run_id` is the id that the run had; retries of it still name it."""

    run_id = models.UUIDField(primary_key=True)
    # Of a run that was executed elsewhere: its source, and its id there.
    source_id = models.BigIntegerField(null=True)
    external_id = models.CharField(max_length=200, null=True)  # noqa: DJ001  (null: it had none)
    # Where it was counted; null for one that was deleted before these were kept.
    workflow_id = models.BigIntegerField(null=True)
    created_at = models.DateTimeField(null=True)
    deleted_at = models.DateTimeField()
    deleted_by = models.CharField(max_length=150)
    reason = models.CharField(max_length=500, blank=True)

    class Meta:
        db_table = "deleted_runs"
        default_permissions = ()
        constraints = [
            models.UniqueConstraint(
                fields=["source_id", "external_id"],
                name="deleted_runs_external",
                condition=Q(source_id__isnull=False),
            ),
        ]
        indexes = [models.Index(fields=["deleted_at", "run_id"], name="deleted_runs_times")]

    def __str__(self) -> str:
        return self.public_id

    @property
    def public_id(self) -> str:
        return ids.encode("run", self.run_id)
