"""Named reads of runs."""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import TYPE_CHECKING

from django.db import models
from django.db.models import Q

from runs.states import FINAL_STATES, RunState

if TYPE_CHECKING:
    from runs.models import Run  # noqa: F401

# Counting stops here: "10,000+".
COUNT_CAP = 10_000


class RunQuerySet(models.QuerySet["Run"]):
    def finished(self) -> RunQuerySet:
        return self.filter(state__in=FINAL_STATES)

    def failed(self) -> RunQuerySet:
        return self.filter(state=RunState.FAILED)

    def open(self) -> RunQuerySet:
        """Queued or active: what can be terminated."""
        return self.filter(state__in=[RunState.CREATED, RunState.ACTIVE])

    def newest_first(self) -> RunQuerySet:
        return self.order_by("-created_at", "-id")

    def older_than(self, created_at: datetime, run_id: uuid.UUID) -> RunQuerySet:
        """Those after this key in a newest-first list.

        Written so that PostgreSQL begins its index scan at `created_at`; the row comparison
        and the plain OR both scan from the start.
        """
        return self.filter(
            Q(created_at__lte=created_at) & (Q(created_at__lt=created_at) | Q(id__lt=run_id))
        ).order_by("-created_at", "-id")

    def newer_than(self, created_at: datetime, run_id: uuid.UUID) -> RunQuerySet:
        """Those before this key in a newest-first list, nearest to it first."""
        return self.filter(
            Q(created_at__gte=created_at) & (Q(created_at__gt=created_at) | Q(id__gt=run_id))
        ).order_by("created_at", "id")

    def capped_count(self) -> int:
        """How many, counting no further than one past COUNT_CAP."""
        return self.order_by()[: COUNT_CAP + 1].count()
