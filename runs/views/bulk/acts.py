"""How each kind of bulk operation is called, and to which runs it can be done."""

from __future__ import annotations

from dataclasses import dataclass

from runs.bulk import kinds
from runs.models.bulk import BulkKind
from runs.states import FINAL_STATES, RunState


@dataclass(frozen=True, slots=True)
class Act:
    kind: BulkKind
    verb: str
    # “2 runs were …”, and the same as a word of its own.
    past: str
    done: str
    icon: str
    # “Retry {} runs” with the runs in its place.
    phrase: str
    states: tuple[RunState, ...] = tuple(RunState)
    # Why a run in another state is left out.
    only: str = ""
    # Whether a reason must be given.
    asks_why: bool = False
    is_danger: bool = False
    # Whether a run that is executed elsewhere is left out.
    is_ours_alone: bool = False
    note: str = ""

    @property
    def permission(self) -> str:
        return kinds.PERMISSIONS[self.kind]

    def why_not(self, state: RunState, *, held: bool, elsewhere: bool, archived: bool) -> str:
        """Why such a run is left out, or ""."""
        if state not in self.states:
            return self.only
        if not archived and self.kind == BulkKind.RESTORE:
            return "their logs are not archived"
        if elsewhere and self.is_ours_alone:
            return "executed elsewhere, where it must be done"
        if held and self.kind == BulkKind.DELETE:
            return "under legal hold"
        if held and self.kind == BulkKind.HOLD:
            return "held already"
        if not held and self.kind == BulkKind.RELEASE:
            return "not under legal hold"
        return ""


ACTS: dict[str, Act] = {
    act.kind: act
    for act in (
        Act(
            BulkKind.RETRY, "Retry", "retried", "Retried", "replay", "Retry {}",
            (RunState.FAILED,), "only failed runs can be retried", is_ours_alone=True,
        ),
        Act(
            BulkKind.TERMINATE, "Terminate", "terminated", "Terminated", "stop_circle",
            "Terminate {}", (RunState.CREATED, RunState.ACTIVE), "they have ended already",
            asks_why=True, is_danger=True, is_ours_alone=True,
            note="Nodes in flight finish what they do; nothing starts after them. This cannot be"
            " undone.",
        ),
        Act(
            BulkKind.DELETE, "Delete", "deleted", "Deleted", "delete", "Delete {}",
            FINAL_STATES, "only runs that have ended are deleted", asks_why=True, is_danger=True,
            note="Each run's events, inputs and outputs go with it. This cannot be undone; the"
            " audit keeps who deleted what, when and why.",
        ),
        Act(BulkKind.EXPORT, "Export", "exported", "Exported", "download", "Export {}"),
        Act(
            BulkKind.HOLD, "Legal hold", "put under legal hold", "Held", "gavel",
            "Put {} under legal hold", asks_why=True,
            note="While it lasts, neither a run nor its log is deleted, by anybody or anything.",
        ),
        Act(
            BulkKind.RELEASE, "End legal hold", "released from legal hold", "Released", "lock_open",
            "End the legal hold of {}",
            note="From then on they can be deleted, and their logs archived, like any others.",
        ),
        Act(
            BulkKind.RESTORE, "Restore logs", "restored", "Restored", "settings_backup_restore",
            "Restore the logs of {}",
        ),
        Act(
            BulkKind.RESCUE, "Rescue", "rescued", "Rescued", "healing", "Rescue {}",
            (RunState.CREATED, RunState.ACTIVE), "they have ended already", is_ours_alone=True,
            note="Nodes that have fallen silent run again, nodes that nobody takes are offered"
            " anew. A run is left alone where it gets on, or where only a person can help it.",
        ),
    )
}  # fmt: skip
