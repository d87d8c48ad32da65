"""Whether storage is still the one that logs were archived to.

A folder that is not mounted, or another bucket, takes new objects without a word. Whoever mounts
the right one again would not find what was archived meanwhile.
"""

from __future__ import annotations

from datetime import timedelta
from itertools import chain

from django.utils import timezone

from runs import objects
from runs.models import Archive
from runs.objects import Misconfigured, Missing

# Of the archives that were verified last, and of those that were verified first.
LOOKED_AT = 2
# What was put or read more lately may be in the wrong one already.
LATELY = timedelta(hours=1)


def same_storage(*, but: str = "") -> None:
    """Asks for a few archives. Raises StorageAway where storage does not answer, or has none of
    them. Those that are known to be lost are not asked for, nor the one that is not there `but`
    may be lost alone."""
    known = Archive.objects.filter(problem="").exclude(name=but).values_list("name", flat=True)
    before = known.filter(verified_at__lt=timezone.now() - LATELY)
    known = before if before.exists() else known
    names = set(
        chain(
            known.order_by("-verified_at", "-run_id")[:LOOKED_AT],
            known.order_by("verified_at", "run_id")[:LOOKED_AT],
        )
    )
    for name in names:
        try:
            objects.size(name)
        except Missing:
            continue
        return
    if names:
        raise Misconfigured(
            f"Storage answers, but has none of the {len(names)} archives that were looked for, such"
            f" as {min(names)}: is its folder mounted, and is it the right bucket? Nothing is"
            " archived, or marked as lost, until one of them is there. Only if they are lost"
            " indeed, have a check of all mark them, “however many”: what is known to be lost is"
            " not waited for."
        )
