"""Reading archived logs where they lie, without restoring them. Never within a transaction."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from runs import coldstore, objects
from runs.archiving import THREADS
from runs.coldstore import Damaged
from runs.models import Archive
from runs.objects import Missing, StorageAway
from runs.objects.together import together
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
    manifest.must_be(archive.sha256, archive.last_seq)
    yield from pages


def inputs_of(run_ids: Sequence[uuid.UUID], *, threads: int = THREADS) -> Inputs:
    """The inputs of those of the runs whose logs are archived. Where storage is away, it is said
    of each of them: what is not archived can be retried all the same."""
    inputs = Inputs()
    away = Archive.objects.exclude(run__logs__in=AT_HAND).filter(pk__in=run_ids)
    archives = list(away.order_by("run_id"))
    if not archives:
        return inputs
    lines = together([partial(_first_line, archive) for archive in archives], threads)
    for archive, line in zip(archives, lines, strict=True):
        if isinstance(line, bytes):
            inputs.found[archive.run_id] = line.decode()
        elif isinstance(line, Damaged | Missing):
            inputs.missing[archive.run_id] = f"its archived log is not whole: {line}"
        elif isinstance(line, StorageAway):
            told = f"its log is archived, and storage cannot be read: {line}"
            inputs.missing[archive.run_id] = told
        else:
            raise line
    return inputs


def _first_line(archive: Archive) -> bytes:
    """Read to the end: only then is it known that the object is what was archived."""
    first = b""
    for page in pages_of(archive):
        first = first or page[0]
    return first
