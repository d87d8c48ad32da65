"""Workflows and their versions: found, made, published, executed."""

from __future__ import annotations

import uuid
from typing import Any

from runs import idempotency, workflow_state
from runs.api import acts, workflow_acts
from runs.api.pagination import VersionPages
from runs.api.problems import KeyReused
from runs.api.serializers import (
    VersionDetailSerializer,
    VersionSerializer,
    WorkflowDetailSerializer,
    WorkflowSerializer,
)
from runs.api.trpc.procedure import Asking, Procedure
from runs.api.trpc.shapes import (
    ExecuteInput,
    LimitWorkflowInput,
    MakeWorkflowInput,
    PauseInput,
    PublishInput,
    StartedSerializer,
    VersionInput,
    VersionsInput,
    WorkflowInput,
    WorkflowsInput,
)


def list_workflows(asking: Asking, given: dict[str, Any]) -> Any:
    found = acts.shown_workflows().order_by("slug")
    if after := given.get("after"):
        found = found.filter(slug__gt=after)
    return WorkflowSerializer(found[: given["limit"]], many=True, context=asking.context).data


def get_workflow(asking: Asking, given: dict[str, Any]) -> dict[str, Any]:
    found = workflow_acts.detailed(given["id"])
    return WorkflowDetailSerializer(found, context=asking.context).data


def create_workflow(asking: Asking, given: dict[str, Any]) -> dict[str, Any]:
    workflow_acts.create(given, by=asking.person)
    return get_workflow(asking, given)


def publish_version(asking: Asking, given: dict[str, Any]) -> dict[str, Any]:
    version, _ = workflow_acts.publish(given["id"], given, by=asking.person)
    return VersionDetailSerializer(version).data


def list_versions(_: Asking, given: dict[str, Any]) -> Any:
    versions = workflow_acts.versions_of(given["id"])
    before = given.get("before")
    page = VersionPages().page_at(versions, "after", str(before) if before else "")
    return VersionSerializer(page[: given["limit"]], many=True).data


def get_version(_: Asking, given: dict[str, Any]) -> dict[str, Any]:
    return VersionDetailSerializer(workflow_acts.version_of(given["id"], given["number"])).data


def execute_workflow(asking: Asking, given: dict[str, Any]) -> dict[str, str]:
    slug, key = given.pop("workflow_id"), given.pop("idempotency_key")
    workflow = acts.find_workflow(slug)

    def act() -> tuple[uuid.UUID, dict[str, Any]]:
        run = acts.start(workflow, given, by=asking.actor, now=asking.now)
        return run.pk, asking.shown(acts.shown_runs().get(pk=run.pk))

    if not key:
        return {"id": act()[1]["id"]}
    try:
        # As the REST API does: a key means the same wherever it is sent to.
        answer = idempotency.once(asking.person.public_id, key, [slug, given], act, now=asking.now)
    except idempotency.Mismatch:
        raise KeyReused from None
    return {"id": answer.shown["id"]}


def pause_workflow(asking: Asking, given: dict[str, Any]) -> Any:
    workflow, reason = acts.find_workflow(given["id"]), given["reason"]
    workflow_state.pause(workflow, by=asking.actor, reason=reason, now=asking.now)
    return _state(asking, given)


def resume_workflow(asking: Asking, given: dict[str, Any]) -> Any:
    workflow = acts.find_workflow(given["id"])
    workflow_state.resume(workflow, by=asking.actor, reason=given["reason"])
    return _state(asking, given)


def limit_workflow(asking: Asking, given: dict[str, Any]) -> Any:
    workflow, most = acts.find_workflow(given["id"]), given["max_active"]
    workflow_state.limit(workflow, most, by=asking.actor, reason=given["reason"])
    return _state(asking, given)


def _state(asking: Asking, given: dict[str, Any]) -> Any:
    return WorkflowSerializer(acts.find_workflow(given["id"]), context=asking.context).data


PROCEDURES = (
    Procedure(
        "workflows.list", "query", "runs.view_workflow", WorkflowsInput, WorkflowSerializer,
        list_workflows, gives_many=True, says="Workflows in the order of their ids.",
    ),
    Procedure(
        "workflows.get", "query", "runs.view_workflow", WorkflowInput,
        WorkflowDetailSerializer, get_workflow,
        says="A workflow with its newest definition, and its versions, the newest first.",
    ),
    Procedure(
        "workflows.versions", "query", "runs.view_workflow", VersionsInput, VersionSerializer,
        list_versions, gives_many=True, says="A workflow's versions, the newest first.",
    ),
    Procedure(
        "workflows.version", "query", "runs.view_workflow", VersionInput,
        VersionDetailSerializer, get_version,
        says="One version as it was published; it never changes.",
    ),
    Procedure(
        "workflows.create", "mutation", "runs.add_workflow", MakeWorkflowInput,
        WorkflowDetailSerializer, create_workflow,
        says="A new workflow with its first version.",
    ),
    Procedure(
        "workflows.publish", "mutation", "runs.change_workflow", PublishInput,
        VersionDetailSerializer, publish_version,
        says="A new version; where the definition is the newest one's, that.",
    ),
    Procedure(
        "workflows.execute", "mutation", "runs.execute_workflow", ExecuteInput,
        StartedSerializer, execute_workflow,
        says="Starts a run. Input that breaks the workflow's schema makes one that has failed.",
    ),
    Procedure(
        "workflows.pause", "mutation", "runs.change_workflow", PauseInput, WorkflowSerializer,
        pause_workflow, says="Lets queued and new runs wait; active ones go on.",
    ),
    Procedure(
        "workflows.resume", "mutation", "runs.change_workflow", PauseInput, WorkflowSerializer,
        resume_workflow, says="Lets queued runs start again, in the order of their creation.",
    ),
    Procedure(
        "workflows.limit", "mutation", "runs.change_workflow", LimitWorkflowInput,
        WorkflowSerializer, limit_workflow,
        says="How many of its runs may be active at once; the others wait in their order.",
    ),
)  # fmt: skip
