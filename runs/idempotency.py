"""The same answer to the same request, however often it is sent."""

from __future__ import annotations

import hashlib
import json
import uuid
from collections.abc import Callable
from datetime import datetime
from typing import Any, NamedTuple

from django.db import IntegrityError, transaction

from runs.models import IdempotencyKey
from runs.models.idempotency import KEPT


class Mismatch(Exception):  # noqa: N818
    """The key was sent before, with something else."""


class Answer(NamedTuple):
    shown: dict[str, Any]
    # Whether it is the one of an earlier request.
    is_repeated: bool


def once(
    caller: str,
    key: str,
    asked: Any,
    act: Callable[[], tuple[uuid.UUID, dict[str, Any]]],
    *,
    now: datetime,
) -> Answer:
    """What `act` gives, or gave: a run's id and what to answer. `asked` is JSON; raises Mismatch
    where the caller asked for something else under this key.

    The key is stored with what `act` does, or not at all. Of two at once the second one waits.
    """
    digest = digest_of(asked)
    of_key = IdempotencyKey.objects.filter(caller=caller, key=key)
    with transaction.atomic():
        of_key.filter(created_at__lt=now - KEPT).delete()
        try:
            with transaction.atomic():
                own = IdempotencyKey.objects.create(
                    caller=caller, key=key, digest=digest, created_at=now
                )
        except IntegrityError:
            before = of_key.get()
            if before.digest != digest:
                raise Mismatch(key) from None
            assert before.answer is not None  # by the end of its transaction
            return Answer(before.answer, is_repeated=True)
        run_id, shown = act()
        IdempotencyKey.objects.filter(pk=own.pk).update(run_id=run_id, answer=shown)
    return Answer(shown, is_repeated=False)


def digest_of(asked: Any) -> str:
    # As text: to Python, true, 1 and 1.0 are the same.
    text = json.dumps(asked, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()
