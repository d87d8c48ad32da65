"""Errors as RFC 9457 problems, also those that Django answers itself under /api/."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from http import HTTPStatus
from typing import Any

from django.contrib.auth import get_user
from django.core.exceptions import RequestDataTooBig, SuspiciousOperation
from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils.encoding import escape_uri_path
from django.views import defaults
from rest_framework import exceptions
from rest_framework.permissions import SAFE_METHODS
from rest_framework.request import Request
from rest_framework.response import Response

from runs.graph import DefinitionError
from runs.ingest.body import BadBody, BodyTooLarge
from runs.objects import StorageAway
from runs.payload import PayloadError, PayloadTooLarge
from runs.timeouts import was_stopped
from runs.triggers.rule import RuleError

logger = logging.getLogger("runs.api")

PREFIX = "/api/"
MEDIA_TYPE = "application/problem+json"
# Problems with members of their own have types of their own; the rest is what the status says.
PLAIN = "about:blank"
INVALID = "urn:problem-type:runs:invalid"
WRONG_STATE = "urn:problem-type:runs:wrong-state"
OUTDATED = "urn:problem-type:runs:outdated"
RULE_REFUSED = "urn:problem-type:runs:rule-refused"
LOG_ARCHIVED = "urn:problem-type:runs:log-archived"
KEY_REUSED = "urn:problem-type:runs:idempotency-key-reused"
MAX_DETAIL = 1_000
MAX_ERRORS = 50


class TooLarge(exceptions.APIException):
    status_code = 413
    default_detail = "The request is too large."


class LengthRequired(exceptions.APIException):
    status_code = 411
    default_detail = "Send the body with a Content-Length."


class Conflict(exceptions.APIException):
    status_code = 409
    default_detail = "This cannot be done now."


class Gone(exceptions.APIException):
    status_code = 410
    default_detail = "It is not kept any more."


class Unprocessable(exceptions.APIException):
    status_code = 422
    default_detail = "This cannot be done as it is asked for."


class KeyReused(Unprocessable):
    default_detail = (
        "This Idempotency-Key was sent with another request; give each request its own."
    )


class RuleRefused(Unprocessable):
    """A trigger's rule with all that is wrong with it."""

    def __init__(self, error: RuleError) -> None:
        self.errors = [
            {"field": _field(problem.place), "place": problem.place, "message": problem.message}
            for problem in error.problems[:MAX_ERRORS]
        ]
        super().__init__(joined(self.errors))


def _field(place: str) -> str:
    """The place of a problem in the request: most are within its rule."""
    if place in ("name", "description", "kind"):
        return place
    return f"rule.{place}" if place else "rule"


class Outdated(Conflict):
    """Somebody published a version meanwhile: `newest` is its number."""

    def __init__(self, newest: int, detail: str = "") -> None:
        super().__init__(detail or f"Version {newest} was published meanwhile; look at it first.")
        self.newest = newest


class WrongState(Conflict):
    """An act that the run's state does not allow; `actions` are those that it does."""

    def __init__(self, detail: str, state: str, actions: list[str]) -> None:
        super().__init__(detail)
        self.state = state
        self.actions = actions


class LogArchived(Conflict):
    """What is asked for is in a log that is archived, and not read from there; `restore` is where
    it is asked for to come back."""

    def __init__(self, detail: str, logs: str, restore: str) -> None:
        super().__init__(detail)
        self.logs = logs
        self.restore = restore


class Unavailable(exceptions.APIException):
    status_code = 503
    default_detail = "The database did not answer; try again in a moment."
    # Seconds; sent as Retry-After.
    wait = 5


class StorageUnavailable(Unavailable):
    default_detail = "Object storage, where the log is archived, did not answer; try again later."
    wait = 30


class TooSlow(Unavailable):
    default_detail = (
        "The query took too long and was stopped; narrow it by workflow, state or creation time."
    )


def handle(exc: Exception, context: dict[str, Any]) -> Response | None:
    """The REST framework's exception handler; what it does not know becomes Django's 500."""
    # Its views import, by the settings, parsers that raise this module's errors.
    from rest_framework.views import exception_handler

    request: Request = context["request"]
    exc = translated(exc)
    response = exception_handler(exc, context)
    if response is None:
        return None
    code, said = response.status_code, response.data
    if isinstance(exc, exceptions.ValidationError):
        errors = errors_in(said)
        response.data = problem(code, request.path, joined(errors), INVALID, errors=errors)
    else:
        type_, members = _own(exc)
        response.data = problem(code, request.path, said["detail"], type_, **members)
    renderer = getattr(request, "accepted_renderer", None)
    # The browsable pages show the same as HTML.
    if renderer is None or renderer.format != "api":
        response.content_type = MEDIA_TYPE
    if isinstance(exc, exceptions.Throttled):
        # Said once a minute by what holds up; a line for each would fill the log.
        response._has_been_logged = True  # type: ignore[attr-defined]
    elif request.method not in SAFE_METHODS and response.status_code < 500:
        log_refusal(request, response)
    return response


def _own(exc: Exception) -> tuple[str, dict[str, Any]]:
    """The problem's own type and members, where it has any."""
    match exc:
        case WrongState():
            return WRONG_STATE, {"state": exc.state, "actions": exc.actions}
        case LogArchived():
            return LOG_ARCHIVED, {"log_state": exc.logs, "restore": exc.restore}
        case Outdated():
            return OUTDATED, {"newest": exc.newest}
        case RuleRefused():
            return RULE_REFUSED, {"errors": exc.errors}
        case KeyReused():
            return KEY_REUSED, {}
    return PLAIN, {}


def problem(
    code: int, path: str, detail: str, type_: str = PLAIN, **members: Any
) -> dict[str, Any]:
    return {
        "type": type_,
        "title": HTTPStatus(code).phrase,
        "status": code,
        "detail": detail[:MAX_DETAIL],
        "instance": escape_uri_path(path),
        **members,
    }


def translated(exc: Exception) -> Exception:
    """An error from further in as one of the REST framework's, where it can be one."""
    match exc:
        case RequestDataTooBig():
            return TooLarge()
        case SuspiciousOperation():  # such as too many parameters
            return exceptions.ParseError("The request cannot be read.")
        case PayloadTooLarge():
            return TooLarge(str(exc))
        case PayloadError():
            return exceptions.ParseError(str(exc))
        case BodyTooLarge():
            return TooLarge(str(exc))
        case BadBody():
            return exceptions.ParseError(str(exc))
        case DefinitionError():
            return Conflict(f"This portal cannot execute the workflow's version: {exc}")
        case StorageAway():
            logger.error("object storage did not answer: %s", exc)
            return StorageUnavailable()
        case OperationalError() | InterfaceError():
            logger.error("the database did not answer", exc_info=exc)
            stopped = isinstance(exc, OperationalError) and was_stopped(exc)
            return TooSlow() if stopped else Unavailable()
    return exc


def errors_in(found: Any) -> list[dict[str, str]]:
    return list(_flat(found))[:MAX_ERRORS]


def _flat(found: Any, field: str = "") -> Iterator[dict[str, str]]:
    """The single messages in a serializer's nested errors."""
    if isinstance(found, dict):
        for key, inner in found.items():
            own = "" if key == "non_field_errors" else str(key)
            yield from _flat(inner, ".".join(filter(None, [field, own])))
    elif isinstance(found, list):
        for position, inner in enumerate(found):
            nested = isinstance(inner, dict | list)
            yield from _flat(inner, f"{field}.{position}" if nested else field)
    else:
        yield {"field": field, "message": str(found)}


def joined(errors: list[dict[str, str]]) -> str:
    return "; ".join(
        f"{error['field']}: {error['message']}" if error["field"] else error["message"]
        for error in errors
    )


def log_refusal(request: Request, response: Response) -> None:
    """One line that says who was refused what, and why."""
    user: Any = getattr(request, "_user", None)
    if user is None or not user.is_authenticated:
        # Refused before it was asked who calls, or for CSRF: the session still knows.
        user = get_user(request._request)
    who = f"{user.get_username()} ({user.public_id})" if user.is_authenticated else "anonymous"
    if via := getattr(user, "via", ""):
        who = f"{who} by token {via}"
    why = response.data["detail"]
    logger.warning(
        "refused with %d: %s %s by %s: %s",
        response.status_code, request.method, _plain(request.path), _plain(who), _plain(why),
    )  # fmt: skip
    # Else Django would log the same answer again.
    response._has_been_logged = True  # type: ignore[attr-defined]


def _plain(text: str) -> str:
    """`text` on one line, whatever a caller has put into it."""
    return "".join(char if char.isprintable() else "?" for char in text)[:MAX_DETAIL]


# -- What Django answers itself ----------------------------------------------------------------


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:  # noqa: ARG001
    return _answer(request, 400, "The request cannot be read.")


def permission_denied(request: HttpRequest, exception: Exception) -> HttpResponse:  # noqa: ARG001
    return _answer(request, 403, "This is not allowed.")


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:  # noqa: ARG001
    return _answer(request, 404, "There is nothing at this address.")


def server_error(request: HttpRequest) -> HttpResponse:
    """Django's handler for the whole portal; elsewhere than here it gives Django's page."""
    if not request.path.startswith(PREFIX):
        # Into a part of a page htmx would put what answers with 503.
        if database_is_away() and not request.headers.get("HX-Request"):
            page = defaults.server_error(request, "503.html")
            page.status_code = 503
            return page
        return defaults.server_error(request)
    if database_is_away():
        # Where it was needed before any view was reached: for the session, above all.
        answer = _answer(request, 503, Unavailable.default_detail)
        answer.headers["Retry-After"] = str(Unavailable.wait)
        return answer
    return _answer(request, 500, "The portal met an unexpected error; its log says more.")


def database_is_away() -> bool:
    """Whether this is what Django's handler of errors is called for."""
    error = sys.exc_info()[1]
    if isinstance(error, OperationalError) and was_stopped(error):
        return False
    return isinstance(error, OperationalError | InterfaceError)


def _answer(request: HttpRequest, code: int, detail: str) -> HttpResponse:
    return JsonResponse(problem(code, request.path, detail), status=code, content_type=MEDIA_TYPE)
