"""The policy by tRPC."""

from __future__ import annotations

from typing import Any

from retention.api import acts
from retention.api.shapes import (
    ChangeRetentionSerializer,
    RetentionPreviewSerializer,
    RetentionSerializer,
    TryRetentionSerializer,
)
from runs.api.trpc.procedure import Asking, Procedure
from runs.api.trpc.shapes import NoInput


class ChangeRetentionInput(ChangeRetentionSerializer):
    pass


class TryRetentionInput(TryRetentionSerializer):
    pass


def get_policy(asking: Asking, _: dict[str, Any]) -> Any:
    return RetentionSerializer(acts.current(asking.now)).data


def set_policy(asking: Asking, given: dict[str, Any]) -> Any:
    return RetentionSerializer(acts.change(given, by=asking.actor, now=asking.now)).data


def preview(asking: Asking, given: dict[str, Any]) -> Any:
    return acts.look(given, asking.now)


PROCEDURES = (
    Procedure(
        "retention.get", "query", "runs.view_run", NoInput, RetentionSerializer, get_policy,
        says="How long runs and their logs are kept.",
    ),
    Procedure(
        "retention.set", "mutation", "runs.manage_retention", ChangeRetentionInput,
        RetentionSerializer, set_policy,
        says="Changes some of it; given workflows replace all that have days of their own.",
    ),
    Procedure(
        "retention.preview", "query", "runs.view_run", TryRetentionInput,
        RetentionPreviewSerializer, preview,
        permission_for=lambda given: acts.TRY if given else None,
        says="What the next night does; for who may save them, also with other values.",
    ),
)  # fmt: skip
