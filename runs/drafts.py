"""A workflow's definition while it is written: read it, say what is wrong with it, publish it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from django.db import IntegrityError, transaction

from runs import graph, json_text
from runs.definition_places import places
from runs.engine import registry
from runs.models import AuditEntry, User, Workflow, WorkflowVersion

# Largest definition, in bytes of its text.
LIMIT = 1_000_000
# No person mends more than this at a time.
MAX_FINDINGS = 100


@dataclass(frozen=True, slots=True)
class Finding:
    """What is wrong, with which node ("" for the whole), and where in the text."""

    message: str
    node: str = ""
    line: int | None = None
    column: int | None = None


@dataclass(frozen=True, slots=True)
class Draft:
    """A text as it was read. `definition` is None where it is no JSON."""

    text: str
    definition: Any
    findings: tuple[Finding, ...]
    # How many findings there are in all.
    total: int

    @property
    def is_sound(self) -> bool:
        return not self.findings

    @property
    def bad_nodes(self) -> frozenset[str]:
        return frozenset(finding.node for finding in self.findings if finding.node)


class Outdated(Exception):  # noqa: N818
    """Somebody published another version meanwhile."""

    def __init__(self, newest: WorkflowVersion) -> None:
        super().__init__(f"version {newest.number} is newer")
        self.newest = newest


class SlugTaken(Exception):  # noqa: N818
    """Somebody made a workflow of this name meanwhile."""


def read(text: str) -> Draft:
    """What stands in `text`, with everything that is wrong with it."""
    text = text.replace("\r\n", "\n")
    size = len(text.encode("utf-8", "replace"))
    if size > LIMIT:
        return _wrong(text, Finding(f"It is {size:,} bytes long; the limit is {LIMIT:,}."))
    try:
        definition = json_text.read(text)
    except json_text.JsonError as error:
        message = f"Not JSON: {error}." if error.line else f"Cannot be stored: {error}."
        return _wrong(text, Finding(message, line=error.line, column=error.column))
    try:
        graph.parse(definition, registry.names(), registry.queues())
    except graph.DefinitionError as error:
        where = places(text, definition)
        found = [
            Finding(problem.message, problem.node, where.line_of(problem.node, problem.message))
            for problem in error.problems[:MAX_FINDINGS]
        ]
        return Draft(text, definition, tuple(found), len(error.problems))
    return Draft(text, definition, (), 0)


def _wrong(text: str, finding: Finding) -> Draft:
    return Draft(text, None, (finding,), 1)


def create(slug: str, draft: Draft, *, by: User, note: str = "") -> WorkflowVersion:
    """A new workflow with its first version; `note` says what it is for. Raises SlugTaken."""
    with transaction.atomic():
        try:
            with transaction.atomic():
                Workflow.objects.create(slug=slug)
        except IntegrityError:
            raise SlugTaken(slug) from None
        version = Workflow.objects.publish(slug, draft.definition, by=by)
        _audit(version, by, note)
    return version


def publish(
    workflow: Workflow, draft: Draft, *, base: int | None, by: User, note: str = ""
) -> tuple[WorkflowVersion, bool]:
    """The newest version, and whether this made it: an unchanged definition makes none.

    `note` says what was changed, or why. Raises Outdated where a version newer than `base` is
    there; None does not ask.
    """
    with transaction.atomic():
        # Two who save at once: the second one is told.
        Workflow.objects.select_for_update().get(pk=workflow.pk)
        newest = workflow.versions.order_by("-number").first()
        if newest is not None and base is not None and newest.number != base:
            raise Outdated(newest)
        version = Workflow.objects.publish(workflow.slug, draft.definition, by=by)
        is_new = newest is None or version.pk != newest.pk
        if is_new:
            _audit(version, by, note)
    return version, is_new


def notes(workflow: Workflow, numbers: Iterable[int]) -> dict[int, str]:
    """What was said of these versions when they were published, of those that have a note.

    It stands in the audit, as a version itself has no room for it.
    """
    targets = {_target(workflow.slug, number): number for number in numbers}
    rows = AuditEntry.objects.filter(
        target_type="workflow", target_id__in=targets, action="publish"
    ).exclude(reason="")
    # A number is given once.
    return {
        targets[target]: reason
        for target, reason in rows.order_by("at").values_list("target_id", "reason")
    }


def _audit(version: WorkflowVersion, by: User, note: str) -> None:
    target = ("workflow", _target(version.workflow.slug, version.number))
    AuditEntry.objects.note(by.as_actor(), "publish", target, note)


def _target(slug: str, number: int) -> str:
    return f"{slug} v{number}"
