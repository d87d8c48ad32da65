"""What the filter bar of the analysis offers: each choice is a link."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Any

from django.utils import timezone

from analytics.views.address import COMPARED, Address, version_in
from runs.filters import RANGES, range_words, typed_from, typed_to
from runs.models import Workflow, WorkflowVersion
from runs.templatetags.runs_ui import clock_words, day_words
from runs.views.runs_menus import MOST_WORKFLOWS, Choice

MOST_VERSIONS = 100


def menus(address: Address, now: datetime) -> dict[str, Any]:
    chosen = address.filter
    slugs = list(Workflow.objects.values_list("slug", flat=True)[: MOST_WORKFLOWS + 1])
    if chosen.workflow and chosen.workflow not in slugs:
        slugs.insert(0, chosen.workflow)
    return {
        "ranges": _ranges(address, now),
        "range_words": (
            RANGES[chosen.created][0]
            if chosen.created
            else range_words(chosen.created_from, chosen.created_to, now)
        ),
        "bounds": {"from": typed_from(chosen.created_from), "to": typed_to(chosen.created_to)},
        "workflows": [
            Choice("All workflows", address.with_(workflow="").query(), not chosen.workflow),
            *(
                Choice(slug, address.with_(workflow=slug).query(), slug == chosen.workflow)
                for slug in slugs[:MOST_WORKFLOWS]
            ),
        ],
        **_versions(address),
        # What else narrows the filter came from the list, and can be taken away here.
        "further": [
            Choice(
                f"{name.replace('_', ' ')} {value}",
                replace(address, filter=chosen.without(name), page=1).query(),
            )
            for name, value in chosen.pairs()
            if name not in ("workflow", "version", "created", "created_from", "created_to")
        ],
    }


def _ranges(address: Address, now: datetime) -> list[Choice]:
    here = timezone.localtime(now)
    found = []
    for name, (label, length) in RANGES.items():
        since = now - length
        note = (
            clock_words(since, now, seconds=False)
            if length.days < 2
            else day_words(timezone.localtime(since), here)
        )
        url = address.with_(created=name, created_from=None, created_to=None).query()
        found.append(Choice(label, url, name == address.filter.created, note=f"since {note}"))
    return found


def _versions(address: Address) -> dict[str, Any]:
    chosen, numbers = address.filter, list[int]()
    if chosen.workflow:
        numbers = list(
            WorkflowVersion.objects.filter(workflow__slug=chosen.workflow)
            .order_by("-number")
            .values_list("number", flat=True)[:MOST_VERSIONS]
        )
    compared = [
        Choice(label, address.with_(compare=name).query(), name == address.compared)
        for name, label in COMPARED.items()
    ]
    compared += [
        Choice(f"v{number}", address.with_(compare=f"v{number}").query(),
               address.compared == f"v{number}")
        for number in numbers
        if number != chosen.version
    ]  # fmt: skip
    number = version_in(address.compared)
    return {
        "versions": [
            Choice("All versions", address.with_(version=None).query(), not chosen.version),
            *(
                Choice(f"v{each}", address.with_(version=each).query(), each == chosen.version)
                for each in numbers
            ),
        ],
        "compared": compared,
        "compared_words": COMPARED.get(address.compared, "") or f"v{number}",
    }
