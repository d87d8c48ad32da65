"""What a token may be given: verbs, each of which stands for permissions of its owner."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.db.models import TextChoices

# Their pages are for people: no token reads or changes accounts, groups or tokens.
_OF_ACCOUNTS = frozenset({"user", "group", "permission", "apitoken"})


class Scope(TextChoices):
    VIEW = "view", "See runs, their events and workflows"
    EXECUTE = "execute", "Start runs"
    RETRY = "retry", "Retry runs"
    TERMINATE = "terminate", "Terminate runs"
    EXPORT = "export", "Export runs"
    DELETE = "delete", "Delete runs for good"
    HOLD = "hold", "Put runs under legal hold, and end it"
    RESTORE = "restore", "Restore archived logs"
    DECIDE = "decide", "Approve, reject and correct what waits for a person"
    WORKFLOWS = "workflows", "Make workflows and publish their versions"
    TRIGGERS = "triggers", "Make, change, switch and test what starts runs by itself"
    VIEWS = "views", "Save, change and delete views of the list"
    INGEST = "ingest", "Report runs that are executed elsewhere"
    MARK = "mark", "Mark failure groups as known or resolved"
    RETENTION = "retention", "Change how long runs and logs are kept, and have them archived"


# Of whoever sees runs: saving views takes no permission, so that no permission's name tells.
_WITH_RUNS = "runs.view_run"
_OF_WORKFLOWS = frozenset({"runs.add_workflow", "runs.change_workflow"})
_OF_TRIGGERS = frozenset(f"runs.{verb}_trigger" for verb in ("add", "change", "delete", "fire"))


def scope_of(permission: str) -> Scope | None:
    """The scope that a token needs for a permission such as ``runs.retry_run``.

    None: no token may, whatever its owner may.
    """
    app, _, codename = permission.partition(".")
    verb, _, noun = codename.partition("_")
    if noun in _OF_ACCOUNTS or app == "auth":
        return None
    if verb == Scope.VIEW:
        return Scope.VIEW
    if permission in _OF_WORKFLOWS:
        return Scope.WORKFLOWS
    if permission in _OF_TRIGGERS:
        return Scope.TRIGGERS
    if app == Scope.RETENTION or noun.startswith(Scope.RETENTION):
        return Scope.RETENTION
    # Django makes such a permission for every table; only runs are deleted by the API.
    if verb == Scope.DELETE and noun != "run":
        return None
    return Scope(verb) if verb in Scope.values else None


def scopes_within(permissions: Iterable[str]) -> list[Scope]:
    """The scopes that are of any use to who has these permissions."""
    given = set(permissions)
    found = {scope_of(permission) for permission in given}
    if _WITH_RUNS in given:
        found.add(Scope.VIEWS)
    return [scope for scope in Scope if scope in found]


def scopes_of(user: Any) -> list[Scope]:
    return scopes_within(user.get_all_permissions())
