"""All that can be called, by its path: the REST API's acts, in tRPC's form."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib import import_module

from django.conf import settings

from runs.api.trpc import (
    bulk_procedures,
    decision_procedures,
    run_procedures,
    stuck_procedures,
    token_procedures,
    trigger_procedures,
    view_procedures,
    workflow_procedures,
)
from runs.api.trpc.procedure import Procedure


def _of_upper_apps() -> Iterator[Procedure]:
    """An app above this one is not imported by name: the settings say where its procedures are."""
    for module in settings.TRPC_PROCEDURES:
        yield from import_module(module).PROCEDURES


PROCEDURES: Mapping[str, Procedure] = {
    procedure.path: procedure
    for procedure in (
        *run_procedures.PROCEDURES,
        *workflow_procedures.PROCEDURES,
        *bulk_procedures.PROCEDURES,
        *decision_procedures.PROCEDURES,
        *stuck_procedures.PROCEDURES,
        *trigger_procedures.PROCEDURES,
        *view_procedures.PROCEDURES,
        *token_procedures.PROCEDURES,
        *_of_upper_apps(),
    )
}
