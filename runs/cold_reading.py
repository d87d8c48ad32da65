"""Reading archived logs where they lie, without restoring them. Never within a transaction."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from runs import coldstore, objects
from runs.archiving import THREADS
from runs.coldstore import Damaged
from runs.models import Archive
from runs.objects import Missing, StorageAway
from runs.states import AT_HAND


@dataclass(slots=True)
class Inputs:
    """What archived runs were started with, as the lines of their first events; or why not."""

    found: dict[uuid.UUID, str] = field(default_factory=dict)
    missing: dict[uuid.UUID, str] = field(default_factory=dict)

    def input_of(self, run_id: uuid.UUID) -> Any:
        return json.loads(self.found[run_id])["data"].get("input")


def pages_of(archive: Archive) -> Iterator[list[bytes]]:
    """An object's lines by pages. Raises Damaged, at the end at the latest, where they are not
    those that were archived, Missing where there is no object, and what storage raises."""
    manifest, pages = coldstore.unpack(objects.read(archive.name))
    if manifest.sha256 != archive.sha256 or manifest.last_seq != archive.last_seq:
        raise Damaged("it is another one than was put there")
    yield from pages


def inputs_of(run_ids: Sequence[uuid.UUID], *, threads: int = THREADS) -> Inputs:
    """The inputs of those of the runs whose logs are archived. Where storage is away, it is said
    of each of them: what is not archived can be retried all the same."""
    inputs = Inputs()
    away = Archive.objects.exclude(run__logs__in=AT_HAND).filter(pk__in=run_ids)
    archives = list(away.order_by("run_id"))
    if not archives:
        return inputs
    with ThreadPoolExecutor(threads) as pool:
        for archive, line in zip(archives, pool.map(_first_line, archives), strict=True):
            if isinstance(line, bytes):
                inputs.found[archive.run_id] = line.decode()
            else:
                inputs.missing[archive.run_id] = line
    return inputs


def _first_line(archive: Archive) -> bytes | str:
    """Read to the end: only then is it known that the object is what was archived."""
    first = b""
    try:
        for page in pages_of(archive):
            first = first or page[0]
    except (Damaged, Missing) as error:
        return f"its archived log is not whole: {error}"
    except StorageAway as error:
        return f"its log is archived, and storage cannot be read: {error}"
    return first
