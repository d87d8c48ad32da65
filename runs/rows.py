"""A run and its nodes as plain values: what deciding and folding work on. Pure."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any

from runs.states import FINAL_STATES, Kind


class Refused(Exception):  # noqa: N818
    """A report that cannot be stored: what is wrong with which of its fields."""

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(reason)
        self.field = field
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Copied:
    """Where the payloads of an event stand already: they are copied within the database."""

    run_id: uuid.UUID
    input_seq: int | None
    output_seq: int


@dataclass(frozen=True, slots=True)
class NewEvent:
    """An event to be: the recorder gives it its number and the time it was stored.

    `at` is when it happened by the sender's clock; None means now.
    """

    kind: Kind
    node: str = ""
    attempt: int | None = None
    actor: str = ""
    data: dict[str, Any] = field(default_factory=dict)
    at: datetime | None = None
    # Who reported it, and its id there; what follows from a report has no id of its own.
    source: int | None = None
    sender_id: str | None = None
    # The data as it is stored, where it was written already.
    json: str | None = None
    # Whose input and output are added to the data.
    copied: Copied | None = None


@dataclass(slots=True)
class RunRow:
    id: uuid.UUID
    version_id: int
    state: str
    state_seq: int
    last_seq: int
    started_at: datetime | None = None
    completed_at: datetime | None = None
    cost: Decimal = Decimal(0)
    input_tokens: int = 0
    output_tokens: int = 0
    cached_tokens: int = 0
    nodes_total: int = 0
    nodes_done: int = 0
    current_node: str = ""
    error_node: str = ""
    error_kind: str = ""
    error_message: str = ""
    ended_by: str = ""
    reason: str = ""
    # Set for a run that is executed elsewhere and reported.
    source_id: int | None = None
    created_at: datetime | None = None

    @property
    def elsewhere(self) -> bool:
        return self.source_id is not None

    @property
    def is_final(self) -> bool:
        return self.state in FINAL_STATES


@dataclass(slots=True)
class NodeRow:
    run_id: uuid.UUID
    key: str
    position: int
    kind: str
    executor: str
    status: str
    attempts: int = 0
    failures: int = 0
    queued_at: datetime | None = None
    started_at: datetime | None = None
    completed_at: datetime | None = None
    input_seq: int | None = None
    output_seq: int | None = None
    error_seq: int | None = None
    error_kind: str = ""
    error_message: str = ""
    selected: list[str] | None = None
    progress_done: int | None = None
    progress_total: int | None = None
    cost: Decimal = Decimal(0)
    # Neither is read of a run that there is already: they do not change.
    queue: str = ""
    reused_from: uuid.UUID | None = None


@dataclass(frozen=True, slots=True)
class AttemptBegun:
    run_id: uuid.UUID
    node: str
    number: int
    worker: str
    started_at: datetime
    input_seq: int
    # Seconds; the lease is never renewed past the node's timeout. None: no worker of ours holds it.
    timeout: float | None


@dataclass(frozen=True, slots=True)
class AttemptEnded:
    run_id: uuid.UUID
    node: str
    number: int
    status: str
    completed_at: datetime
    result_seq: int
    retry_at: datetime | None = None
    error_kind: str = ""
    error_message: str = ""


@dataclass(frozen=True, slots=True)
class Question:
    """A human node begins to wait. `people` and `groups` by name; empty: whoever may decide."""

    run_id: uuid.UUID
    node: str
    title: str
    people: list[str]
    groups: list[str]
    asked_at: datetime
    due_at: datetime | None


@dataclass(frozen=True, slots=True)
class Answer:
    run_id: uuid.UUID
    node: str
    act: str
    decided_by: str
    decided_at: datetime


@dataclass(frozen=True, slots=True)
class ModelCall:
    run_id: uuid.UUID
    seq: int
    node: str
    attempt: int
    model: str
    input_tokens: int
    output_tokens: int
    cached_tokens: int
    cost: Decimal
    at: datetime
