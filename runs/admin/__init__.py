"""The admin's registrations. What the portal records is read here, never written."""

from runs.admin.accounts import GroupAdmin, UserAdmin
from runs.admin.audit import AuditEntryAdmin
from runs.admin.backend import BackendAdmin
from runs.admin.executor_limit import ExecutorLimitAdmin
from runs.admin.records import EventAdmin, LLMCallAdmin
from runs.admin.run import RunAdmin
from runs.admin.source import SourceAdmin
from runs.admin.workflow import WorkflowAdmin, WorkflowVersionAdmin

__all__ = [
    "AuditEntryAdmin",
    "BackendAdmin",
    "EventAdmin",
    "ExecutorLimitAdmin",
    "GroupAdmin",
    "LLMCallAdmin",
    "RunAdmin",
    "SourceAdmin",
    "UserAdmin",
    "WorkflowAdmin",
    "WorkflowVersionAdmin",
]
