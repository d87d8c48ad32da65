from analytics.models.failures import FailureGroup, FailureRollup
from analytics.models.rollups import (
    Bucket,
    CallRollup,
    NodeRollup,
    RunRollup,
    SampleRollup,
    Span,
    UserRollup,
)

__all__ = [
    "Bucket",
    "CallRollup",
    "FailureGroup",
    "FailureRollup",
    "NodeRollup",
    "RunRollup",
    "SampleRollup",
    "Span",
    "UserRollup",
]
