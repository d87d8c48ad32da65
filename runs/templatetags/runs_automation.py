"""What the pages of triggers need: problems by their place, and where they are in words."""

from __future__ import annotations

from collections.abc import Mapping

from django import template

from runs.triggers.rule import Problem

register = template.Library()
_PLACES = {"when": "When", "if": "If", "then": "Then", "name": "Name", "description": "Description"}


@register.filter
def get(problems: Mapping[str, str], place: str) -> str:
    return problems.get(place, "")


@register.filter
def said_where(problem: Problem) -> str:
    """``Then 2, input: …`` for the place “then.1.input”."""
    first, *rest = problem.place.split(".")
    if not first:
        return problem.message
    words = [_PLACES.get(first, first)]
    for part in rest:
        if part.isdecimal():
            words[-1] += f" {int(part) + 1}"
        else:
            words.append(part.replace("_", " "))
    return f"{', '.join(words)}: {problem.message}"
