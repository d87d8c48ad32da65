"""What the lines of a log are about: the request, and the task that a worker is at.

A request has the id that whoever stands in front gave it as ``X-Request-ID``, or one of ours; it is
answered in the same header, and goes along with the Celery tasks that the request sends.
"""

from __future__ import annotations

import logging
import os
import re
import sys
import time
import uuid
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import quote

import celery.apps.worker
from celery import signals
from celery.utils.log import LoggingProxy, get_multiprocessing_logger
from django.conf import settings
from django.utils.log import configure_logging
from structlog.contextvars import (
    bind_contextvars,
    bound_contextvars,
    clear_contextvars,
    get_contextvars,
)

access = logging.getLogger("portal.access")

Application = Callable[[Any, Any, Any], Awaitable[None]]
HEADER = b"x-request-id"
_WELL_FORMED = re.compile(rb"[A-Za-z0-9][A-Za-z0-9._:+/=-]{0,127}")
_PLAIN = "/:@!$&'()*+,;=~"
# Asked for every few seconds, for ever: told only when they go wrong.
_PROBES = ("/healthz", "/readyz", "/metrics")


class Requests:
    """In front of the whole application: names each request, and writes its line when it ends."""

    def __init__(self, application: Application) -> None:
        self._application = application

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        given = _given(scope)
        own = given or uuid.uuid4().hex
        status, begun = 0, time.monotonic()

        async def tell(message: Any) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = [*message.get("headers", ()), (HEADER, own.encode())]
                message = {**message, "headers": headers}
            await send(message)

        with bound_contextvars(request_id=own):
            try:
                await self._application(scope, receive, tell)
            finally:
                _write(scope, status, time.monotonic() - begun)


def _given(scope: Any) -> str:
    values = [value for name, value in scope["headers"] if name == HEADER]
    if len(values) == 1 and _WELL_FORMED.fullmatch(values[0]):
        return str(values[0].decode())
    return ""


def _write(scope: Any, status: int, seconds: float) -> None:
    # Without the query: it may hold a token, or what somebody searched for.
    # And quoted: a line break in it would begin a line of its own.
    method, path = scope["method"], quote(scope["path"], safe=_PLAIN)
    if not access.isEnabledFor(logging.INFO) or (path in _PROBES and status == 200):
        return
    told = {
        "method": method,
        "path": path,
        "status": status,
        "duration_ms": round(seconds * 1000, 1),
        "address": _address(scope),
    }
    # Nothing was answered to who went away before.
    access.info("%s %s %s", method, path, status or "unanswered", extra=told)


def _address(scope: Any) -> str:
    # Not above: the settings name this module's application before there are models.
    from runs import callers

    return callers.address_in(scope["headers"], (scope.get("client") or ("",))[0]) or ""


# -- Celery ----------------------------------------------------------------------------------


def install() -> None:
    """For who sends tasks, for workers and for beat."""
    signals.celeryd_init.connect(_begin_logging, weak=False)
    signals.setup_logging.connect(_keep_logging, weak=False)
    signals.before_task_publish.connect(_send_along, weak=False)
    signals.task_prerun.connect(_begin, weak=False)
    signals.task_postrun.connect(_end, weak=False)


def _begin_logging(**_: Any) -> None:
    """Before Celery has anything to say: it sets Django up only later."""
    configure_logging(settings.LOGGING_CONFIG, settings.LOGGING)
    logging.captureWarnings(True)
    # What a worker says of a signal goes past all logging.
    celery.apps.worker.safe_say = _say


def _say(message: str, *_: Any) -> None:
    """Within a handler of a signal, where a lock of the log may be held by who was interrupted."""
    record = logging.makeLogRecord(
        {"name": "celery.worker", "levelname": "INFO", "levelno": logging.INFO, "msg": message}
    )
    for handler in logging.getLogger().handlers:
        if isinstance(handler, logging.StreamHandler):
            os.write(handler.stream.fileno(), f"{handler.format(record)}\n".encode())


def _keep_logging(**_: Any) -> None:
    """The portal's own logging instead of Celery's; what tasks print goes there too."""
    for handler in logging.getLogger().handlers:
        get_multiprocessing_logger().addHandler(handler)
    redirected = logging.getLogger("celery.redirected")
    if _is_celery():
        sys.stdout = LoggingProxy(redirected, logging.WARNING)
        sys.stderr = LoggingProxy(redirected, logging.WARNING)


def _is_celery() -> bool:
    """Whether this is a process of a worker or beat, rather than one that only sends tasks."""
    return any(word in ("worker", "beat") for word in sys.argv)


def _send_along(headers: dict[str, Any] | None = None, **_: Any) -> None:
    request_id = get_contextvars().get("request_id")
    if request_id and headers is not None:
        headers["request_id"] = request_id


def _begin(task_id: str = "", task: Any = None, **_: Any) -> None:
    clear_contextvars()
    bind_contextvars(task=task.name, task_id=task_id)
    if request_id := getattr(task.request, "request_id", None):
        bind_contextvars(request_id=request_id)


def _end(**_: Any) -> None:
    clear_contextvars()
