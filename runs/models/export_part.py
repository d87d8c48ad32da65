"""The files of exports that are operations, and objects in storage that are to be deleted."""

from __future__ import annotations

from datetime import datetime

from django.db import models

from runs.models.bulk import BulkOperation


class ExportPart(models.Model):
    """One file of an export: the runs of one step. There as long as the file is."""

    operation = models.ForeignKey(
        BulkOperation, on_delete=models.PROTECT, related_name="parts", db_index=False
    )
    number = models.IntegerField()
    # Its object in storage.
    name = models.CharField(max_length=200)
    runs = models.IntegerField()
    # Events that are stored of these runs, and those that should be and are not.
    events = models.BigIntegerField()
    missing = models.BigIntegerField()
    # Of the file as it lies there, which is compressed; and unpacked.
    bytes = models.BigIntegerField()
    unpacked = models.BigIntegerField()
    sha256 = models.CharField(max_length=64)

    class Meta:
        db_table = "export_parts"
        default_permissions = ()
        constraints = [
            models.UniqueConstraint(fields=["operation", "number"], name="export_parts_number"),
        ]


class DoomedQuerySet(models.QuerySet["DoomedObject"]):
    def due(self, now: datetime) -> DoomedQuerySet:
        return self.filter(due_at__lte=now).order_by("due_at")


class DoomedObject(models.Model):
    """An object in storage that is to be deleted; the row goes when the object has gone."""

    name = models.CharField(max_length=200, primary_key=True)
    doomed_at = models.DateTimeField()
    # When it is tried next, and how often it has been.
    due_at = models.DateTimeField()
    tries = models.IntegerField(default=0)
    reason = models.CharField(max_length=200, blank=True)

    objects = DoomedQuerySet.as_manager()

    class Meta:
        db_table = "doomed_objects"
        default_permissions = ()
        indexes = [models.Index(fields=["due_at"], name="doomed_objects_due")]

    def __str__(self) -> str:
        return self.name
