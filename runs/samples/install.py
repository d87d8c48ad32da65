"""Puts the sample workflows and their documents into the portal."""

import json
from pathlib import Path
from typing import Any, NamedTuple

from runs import graph
from runs.engine import registry
from runs.models import Workflow
from runs.samples import files

HERE = Path(__file__).resolve().parent
PREFIX = "samples"


class Installed(NamedTuple):
    workflows: tuple[str, ...]
    documents: int
    placed: int


def definitions() -> dict[str, dict[str, Any]]:
    """The shipped definitions by workflow id."""
    return {
        path.stem: json.loads(path.read_text(encoding="utf-8"))
        for path in sorted((HERE / "definitions").glob("*.json"))
    }


def documents() -> dict[str, Path]:
    """The shipped files by their key in storage."""
    folder = HERE / "documents"
    return {
        f"{PREFIX}/{path.relative_to(folder).as_posix()}": path
        for path in sorted(folder.rglob("[!.]*"))
        if path.is_file()
    }


def install() -> Installed:
    """Safe to repeat, and to run twice at once: what is there already stays as it is.

    Documents come first, so that no workflow can be started before its files are there.
    """
    shipped = documents()
    placed = [files.put(key, path.read_bytes()) for key, path in shipped.items()]
    versions = []
    for slug, definition in definitions().items():
        graph.parse(definition, registry.names(), registry.queues())
        versions.append(f"{slug} v{Workflow.objects.publish(slug, definition).number}")
    return Installed(tuple(versions), len(shipped), sum(placed))
