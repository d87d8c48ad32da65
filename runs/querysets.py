"""Named reads of runs."""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import TYPE_CHECKING

from django.db import models
from django.db.models import Q
from django.db.models.lookups import Exact, IContains

from runs import ids
from runs.expressions import IdEnd, elapsed, error_words
from runs.states import AT_HAND, FINAL_STATES, LogState, RunState

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

    def archived(self) -> RunQuerySet:
        """Those whose log is not wholly in the database: what can be restored."""
        return self.filter(logs__in=[each for each in LogState if each not in AT_HAND])

    def with_log(self) -> RunQuerySet:
        return self.filter(logs__in=AT_HAND)

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

    # -- Searches ----------------------------------------------------------------------------

    def with_short_id(self, short: str) -> RunQuerySet:
        """Those whose id ends as a list's row shows it: ``run_…0vq8k3fd`` or its end alone."""
        end = ids.end_bytes(short)
        return self.none() if end is None else self.filter(Exact(IdEnd("id"), end))

    def with_reference(self, text: str) -> RunQuerySet:
        """Those whose reference's id begins with `text`, in its own case."""
        return self.filter(ref_id__startswith=text) if text else self.none()

    def with_error_text(self, text: str) -> RunQuerySet:
        """Failed ones with `text`, in any case, in the error's node, kind or message.

        Bound `created_at` too, and the time: what is in every error is looked for in all of them.
        """
        return self.failed().filter(IContains(error_words(), text))

    def failed_like(self, kind: str, node: str) -> RunQuerySet:
        """Failed ones with this kind of error at this node, or with "" before any node."""
        return self.failed().filter(error_kind=kind, error_node=node)

    def failed_alike(self, group: int | None) -> RunQuerySet:
        """Failed ones with this fingerprint, whatever differs in their messages."""
        return self.failed().filter(error_group=group)

    # -- Other orders: these sort all that the filter leaves, so bound `created_at` -----------

    def longest_first(self) -> RunQuerySet:
        """By elapsed time, of active runs up to now; those that never started come last."""
        return self.order_by(elapsed().desc(nulls_last=True), "-created_at", "-id")

    def dearest_first(self) -> RunQuerySet:
        return self.order_by("-cost", "-created_at", "-id")

    def capped_count(self) -> int:
        """How many, counting no further than one past COUNT_CAP."""
        return self.order_by()[: COUNT_CAP + 1].count()
