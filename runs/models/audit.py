"""Who did what, why, and to how many. Append-only; it outlives the account."""

from typing import Any

import pgtrigger
from django.contrib.postgres.indexes import GinIndex, OpClass
from django.db import models
from django.db.models.functions import Now, Upper

from runs.actors import Actor

REASON_LENGTH = 500


class AuditQuerySet(models.QuerySet["AuditEntry"]):
    def note(
        self, by: Actor, action: str, target: tuple[str, str], reason: str = ""
    ) -> "AuditEntry":
        """`target` is a type and an id. Call it within the transaction of what is audited."""
        target_type, target_id = target
        if len(reason) > REASON_LENGTH:
            reason = f"{reason[: REASON_LENGTH - 1]}…"
        entry = AuditEntry.by(
            by, action=action, target_type=target_type, target_id=target_id, reason=reason
        )
        entry.save(force_insert=True)
        return entry


class AuditEntry(models.Model):
    at = models.DateTimeField(db_default=Now())
    actor = models.CharField(max_length=150)
    ref_type = models.CharField(max_length=64, blank=True)
    ref_id = models.CharField(max_length=200, blank=True)
    # From where; the prefix of the API token, for what was done by one.
    address = models.GenericIPAddressField(null=True, blank=True)
    via = models.CharField("token", max_length=16, blank=True, db_default="")
    # A verb such as "retry"; what it was done to, such as "run" and its public id.
    action = models.CharField(max_length=32)
    target_type = models.CharField(max_length=32)
    target_id = models.CharField(max_length=200, blank=True)
    reason = models.CharField(max_length=REASON_LENGTH, blank=True)
    filter = models.JSONField(null=True)
    count = models.BigIntegerField(default=1)

    objects = AuditQuerySet.as_manager()

    class Meta:
        db_table = "audit"
        verbose_name = "audit entry"
        verbose_name_plural = "audit"
        ordering = ["-at", "-id"]
        indexes = [
            models.Index(fields=["at", "id"], name="audit_at"),
            models.Index(fields=["target_type", "target_id", "at"], name="audit_target"),
            models.Index(fields=["target_type", "at", "id"], name="audit_kind"),
            models.Index(fields=["action", "at", "id"], name="audit_action"),
            models.Index(fields=["actor", "at", "id"], name="audit_actor"),
            models.Index(fields=["actor", "action", "at", "id"], name="audit_actor_action"),
            models.Index(fields=["address", "at", "id"], name="audit_address"),
            models.Index(
                fields=["via", "at", "id"], name="audit_token", condition=~models.Q(via="")
            ),
            # Spelled as Django's icontains asks.
            GinIndex(OpClass(Upper("reason"), name="gin_trgm_ops"), name="audit_reason"),
        ]
        triggers = [
            pgtrigger.Trigger(
                name="append_only",
                when=pgtrigger.Before,
                operation=pgtrigger.Update | pgtrigger.Delete,
                func="RAISE EXCEPTION 'the audit only grows' USING ERRCODE = '23514';",
            ),
            pgtrigger.Trigger(
                name="no_truncate",
                when=pgtrigger.Before,
                level=pgtrigger.Statement,
                operation=pgtrigger.Truncate,
                func=(
                    # Nothing of the portal empties it; tests do, by the log's own way.
                    "IF current_setting('runs.purge', true) = 'on' THEN RETURN NULL; END IF;"
                    "RAISE EXCEPTION 'the audit only grows' USING ERRCODE = '23514';"
                ),
            ),
        ]

    @classmethod
    def by(cls, actor: Actor, **fields: Any) -> "AuditEntry":
        """An entry that is yet to be saved."""
        return cls(
            actor=actor.name,
            ref_type=actor.ref_type,
            ref_id=actor.ref_id,
            address=actor.address,
            via=actor.via,
            **fields,
        )
