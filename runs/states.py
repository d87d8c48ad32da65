"""Run states, node statuses, the kinds of events, and what may follow what. Pure."""

from enum import StrEnum


class RunState(StrEnum):
    CREATED = "created"
    ACTIVE = "active"
    COMPLETED = "completed"
    FAILED = "failed"
    TERMINATED = "terminated"


TRANSITIONS: dict[RunState, frozenset[RunState]] = {
    RunState.CREATED: frozenset({RunState.ACTIVE, RunState.FAILED}),
    RunState.ACTIVE: frozenset({RunState.COMPLETED, RunState.FAILED, RunState.TERMINATED}),
    RunState.COMPLETED: frozenset(),
    RunState.FAILED: frozenset(),
    RunState.TERMINATED: frozenset(),
}
# In a fixed order: migrations are made from it.
FINAL_STATES = tuple(state for state, following in TRANSITIONS.items() if not following)

# What a state is called on a page and drawn as (the design's names).
LABELS = {
    RunState.CREATED: ("Queued", "queued", "schedule"),
    RunState.ACTIVE: ("Running", "running", "progress_activity"),
    RunState.COMPLETED: ("Completed", "completed", "check_circle"),
    RunState.FAILED: ("Failed", "failed", "error"),
    RunState.TERMINATED: ("Terminated", "terminated", "stop_circle"),
}


class NodeStatus(StrEnum):
    PENDING = "pending"
    QUEUED = "queued"
    RUNNING = "running"
    WAITING = "waiting"
    COMPLETED = "completed"
    FAILED = "failed"
    SKIPPED = "skipped"
    TERMINATED = "terminated"


NODE_FINAL = frozenset(
    {NodeStatus.COMPLETED, NodeStatus.FAILED, NodeStatus.SKIPPED, NodeStatus.TERMINATED}
)


class AttemptStatus(StrEnum):
    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"
    # Its worker fell silent and the lease ended; a result may still come, and is late then.
    LOST = "lost"
    # Its result came when the run was final or a newer attempt had begun.
    LATE = "late"


class LogState(StrEnum):
    """Where a run's events are."""

    LIVE = "live"  # all in the database
    ARCHIVING = "archiving"  # their object is verified, and they are leaving the database
    ARCHIVED = "archived"  # all in the object
    PARTLY = "partly"  # in the object, but for some that came later
    RESTORING = "restoring"  # in the object, and on their way back into the database
    RESTORED = "restored"  # all in the database, and the object is still there


# Where the database has all events, and need not be asked whether others are elsewhere.
AT_HAND = (LogState.LIVE, LogState.RESTORED)


class Trigger(StrEnum):
    MANUAL = "manual"
    API = "api"
    SCHEDULE = "schedule"
    WEBHOOK = "webhook"
    EVENT = "event"
    AUTOMATION = "automation"


class DecisionAct(StrEnum):
    """What came of a question to a person."""

    APPROVED = "approved"
    REJECTED = "rejected"
    CORRECTED = "corrected"
    # Nobody can answer any more: the run ended, or what it is about was given up.
    WITHDRAWN = "withdrawn"


class Kind(StrEnum):
    """What an event tells."""

    RUN_CREATED = "run_created"
    STATE_CHANGED = "state_changed"
    NODE_QUEUED = "node_queued"
    NODE_STARTED = "node_started"
    NODE_COMPLETED = "node_completed"
    NODE_FAILED = "node_failed"
    NODE_SKIPPED = "node_skipped"
    PATH_SELECTED = "path_selected"
    HUMAN_ACTION = "human_action"
    LOG = "log"
    PROGRESS = "progress"
    LLM_CALL = "llm_call"
    COST_UPDATE = "cost_update"
    LATE_RESULT = "late_result"


# The event name of a kind on the live stream.
STREAM_NAMES = {
    Kind.RUN_CREATED: "status",
    Kind.STATE_CHANGED: "status",
    Kind.NODE_QUEUED: "node",
    Kind.NODE_STARTED: "node",
    Kind.NODE_COMPLETED: "node",
    Kind.NODE_FAILED: "node",
    Kind.NODE_SKIPPED: "node",
    Kind.PATH_SELECTED: "node",
    Kind.HUMAN_ACTION: "human",
    Kind.LOG: "log",
    Kind.PROGRESS: "log",
    Kind.LLM_CALL: "cost",
    Kind.COST_UPDATE: "cost",
    Kind.LATE_RESULT: "node",
}


def may_follow(before: str, after: str) -> bool:
    return after in TRANSITIONS[RunState(before)]
