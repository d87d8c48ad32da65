"""What went wrong, in tRPC's words. The REST API's exceptions decide; nothing else leaks out."""

from __future__ import annotations

import logging

from rest_framework import exceptions
from rest_framework.request import Request
from rest_framework.response import Response

from runs.api import problems
from runs.api.trpc.wire import CODE_OF_STATUS, Failure

logger = logging.getLogger("runs.api.trpc")

UNEXPECTED = "The portal met an unexpected error; its log says more."


def failure_of(exc: Exception) -> Failure:
    if isinstance(exc, Failure):
        return exc
    exc = problems.translated(exc)
    if not isinstance(exc, exceptions.APIException):
        logger.error("a call failed", exc_info=exc)
        return Failure("INTERNAL_SERVER_ERROR", UNEXPECTED)
    # What has no code of its own is the caller's fault, as a body without a length.
    otherwise = "BAD_REQUEST" if exc.status_code < 500 else "INTERNAL_SERVER_ERROR"
    code = CODE_OF_STATUS.get(exc.status_code, otherwise)
    if isinstance(exc, exceptions.ValidationError):
        errors = problems.errors_in(exc.detail)
        return Failure(code, problems.joined(errors)[: problems.MAX_DETAIL], errors=errors)
    said = str(exc.detail)[: problems.MAX_DETAIL]
    if isinstance(exc, problems.WrongState):
        return Failure(code, said, state=exc.state, actions=exc.actions)
    if isinstance(exc, problems.LogArchived):
        return Failure(code, said, log_state=exc.logs, restore=exc.restore)
    if isinstance(exc, problems.Outdated):
        return Failure(code, said, newest=exc.newest)
    if isinstance(exc, problems.RuleRefused):
        return Failure(code, said, errors=exc.errors)
    return Failure(code, said)


def log_refusal(request: Request, failure: Failure) -> None:
    """One line about a mutation that was refused, as for the REST API.

    None for who calls too often: a line for each call would fill the log.
    """
    if failure.status < 500 and failure.code != "TOO_MANY_REQUESTS":
        answer = Response({"detail": str(failure)}, status=failure.status)
        problems.log_refusal(request, answer)
