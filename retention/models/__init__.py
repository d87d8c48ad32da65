from retention.models.execution import Execution, Finding
from retention.models.policy import Policy, WorkflowPolicy

__all__ = ["Execution", "Finding", "Policy", "WorkflowPolicy"]
