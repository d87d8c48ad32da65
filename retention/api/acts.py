"""The policy as all APIs read, change and try it, and why it cannot be."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from rest_framework.exceptions import ValidationError

from retention import changing, values
from retention.api.shapes import given_by, shown_preview, values_of
from retention.preview import preview
from retention.values import Values
from runs.actors import Actor
from runs.api.problems import Conflict

# What it takes to preview other values than those that are saved: as on the page.
TRY = "runs.manage_retention"


def current(now: datetime) -> dict[str, Any]:
    return _shown(values.saved(), now)


def change(given: dict[str, Any], *, by: Actor, now: datetime) -> dict[str, Any]:
    """`given` is what PutRetentionSerializer or ChangeRetentionSerializer takes."""
    after = values_of(given, values.saved())
    try:
        changed = changing.change(
            after,
            revision=given["revision"],
            is_confirmed=given["confirm_deletion"],
            by=by,
            reason=given["reason"],
            now=now,
        )
    except changing.Wrong as wrong:
        raise _invalid(wrong.problems) from None
    except changing.Outdated:
        raise Conflict("Somebody changed the policy meanwhile; get it and look first.") from None
    except changing.Unconfirmed as unconfirmed:
        said = f"{unconfirmed} To do so, send confirm_deletion: true."
        raise Conflict(said[:1_000]) from None
    return _shown(changed.after, now)


def look(given: dict[str, Any], now: datetime) -> Any:
    """`given` is what TryRetentionSerializer takes."""
    saved = values.saved()
    wanted = values_of(given, saved)
    if wrong := values.problems(wanted):
        raise _invalid(wrong)
    changed = wanted if wanted != saved else None
    return shown_preview(preview(saved, changed, now), wanted)


def _shown(found: Values, now: datetime) -> dict[str, Any]:
    return {**given_by(found), "next_night": found.next_night(now)}


def _invalid(problems: dict[str, str]) -> ValidationError:
    return ValidationError({place[:200]: [said] for place, said in problems.items()})
