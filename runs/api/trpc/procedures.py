"""All that can be called, by its path: the REST API's acts, in tRPC's form."""

from __future__ import annotations

from collections.abc import Mapping

from runs.api.trpc import (
    bulk_procedures,
    decision_procedures,
    run_procedures,
    token_procedures,
    view_procedures,
    workflow_procedures,
)
from runs.api.trpc.procedure import Procedure

PROCEDURES: Mapping[str, Procedure] = {
    procedure.path: procedure
    for procedure in (
        *run_procedures.PROCEDURES,
        *workflow_procedures.PROCEDURES,
        *bulk_procedures.PROCEDURES,
        *decision_procedures.PROCEDURES,
        *view_procedures.PROCEDURES,
        *token_procedures.PROCEDURES,
    )
}
