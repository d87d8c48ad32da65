from runs.models.archive import Archive
from runs.models.audit import AuditEntry
from runs.models.bulk import BulkOperation, BulkOutcome
from runs.models.decision import Decision
from runs.models.deleted import DeletedRun
from runs.models.event import Event
from runs.models.export_part import DoomedObject, ExportPart
from runs.models.idempotency import IdempotencyKey
from runs.models.llm_call import LLMCall
from runs.models.login import LoginTry
from runs.models.node import Attempt, ExecutorLimit, Lease, Node, ReadyNode
from runs.models.outbox import OutboxCursor, OutboxLine
from runs.models.run import Run
from runs.models.service import Backend, Service, ServiceMinute
from runs.models.source import Source
from runs.models.stuck import StuckRun
from runs.models.token import ApiToken
from runs.models.trigger import Firing, Trigger, TriggeredRun
from runs.models.user import User
from runs.models.view import SavedView
from runs.models.workflow import Workflow, WorkflowVersion

__all__ = [
    "ApiToken",
    "Archive",
    "Attempt",
    "AuditEntry",
    "Backend",
    "BulkOperation",
    "BulkOutcome",
    "Decision",
    "DeletedRun",
    "DoomedObject",
    "Event",
    "ExecutorLimit",
    "ExportPart",
    "Firing",
    "IdempotencyKey",
    "LLMCall",
    "Lease",
    "LoginTry",
    "Node",
    "OutboxCursor",
    "OutboxLine",
    "ReadyNode",
    "Run",
    "SavedView",
    "Service",
    "ServiceMinute",
    "Source",
    "StuckRun",
    "Trigger",
    "TriggeredRun",
    "User",
    "Workflow",
    "WorkflowVersion",
]
