"""Queries and mutations, single, in batches, and in batches that are streamed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import Any

from asgiref.sync import sync_to_async
from django.db import close_old_connections
from django.http import HttpResponse, HttpResponseBase, StreamingHttpResponse
from django.utils import timezone
from django.utils.cache import patch_vary_headers
from rest_framework.exceptions import MethodNotAllowed
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from runs.api.parsers import BoundedJSONParser
from runs.api.permissions import Staff
from runs.api.problems import LengthRequired
from runs.api.trpc import wire
from runs.api.trpc.errors import failure_of, log_refusal
from runs.api.trpc.procedure import Asking, Procedure
from runs.api.trpc.procedures import PROCEDURES
from runs.api.trpc.wire import Answer, Call, Failure

# Calls of streamed batches that are worked on at a time, in all of this process.
THREADS = 8
JSON = "application/json"
JSON_LINES = "application/jsonl"
METHODS = {"query": ("GET", "POST"), "mutation": ("POST",), "subscription": ("GET",)}

_threads = ThreadPoolExecutor(THREADS, "trpc")


class TrpcView(APIView):
    """The REST framework tells who calls; what they may is asked for each call of a batch."""

    parser_classes = [BoundedJSONParser]
    http_method_names = ["get", "post", "head"]
    # It has a document of its own: the TypeScript.
    schema = None
    now: datetime

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:  # noqa: ARG002
        """Throttles and permissions come with each call: a batch must not pass for one."""
        self.now = timezone.now()
        self.perform_authentication(request)

    def get(self, request: Request, path: str = "") -> HttpResponseBase:
        given = wire.read_input(request.query_params.get("input", ""))
        return self.answered(request, path, given)

    def post(self, request: Request, path: str = "") -> HttpResponseBase:
        """Mutations, and queries of a client whose `methodOverride` is POST."""
        empty = not int(request.META.get("CONTENT_LENGTH") or 0)
        # Taken for an empty body it would get lost.
        if empty and "Transfer-Encoding" in request.headers:
            raise LengthRequired
        return self.answered(request, path, None if empty else request.data)

    def head(self, request: Request, path: str = "") -> HttpResponse:  # noqa: ARG002
        """Whether the server is there."""
        return HttpResponse(status=204)

    def answered(self, request: Request, path: str, given: Any) -> HttpResponseBase:
        is_batch = request.query_params.get("batch") == "1"
        calls = wire.calls(path, given, batch=is_batch)
        if not is_batch:
            return _whole(self.answer(request, calls[0]))
        if request.headers.get("trpc-accept") == JSON_LINES:
            return self.streamed(request, calls)
        return _whole(wire.batch([self.answer(request, call) for call in calls]))

    def streamed(self, request: Request, calls: list[Call]) -> StreamingHttpResponse:
        response = StreamingHttpResponse(self.lines(request, calls), content_type=JSON)
        # Each line is to arrive when it is written: neither packed nor gathered on its way.
        response.headers["Content-Encoding"] = "identity"
        response.headers["X-Accel-Buffering"] = "no"
        return response

    async def lines(self, request: Request, calls: list[Call]) -> AsyncIterator[bytes]:
        """Each call's answer as soon as it is there."""
        answer = sync_to_async(self._answer_in_thread, thread_sensitive=False, executor=_threads)

        async def placed(place: int, call: Call) -> tuple[int, Answer]:
            return place, await answer(request, call)

        yield wire.stream_head(len(calls))
        tasks = [asyncio.create_task(placed(place, call)) for place, call in enumerate(calls)]
        try:
            for done in asyncio.as_completed(tasks):
                async for piece in wire.stream_line(*await done).lines():
                    yield piece
        finally:
            for task in tasks:  # where the client has gone
                task.cancel()

    def _answer_in_thread(self, request: Request, call: Call) -> Answer:
        try:
            return self.answer(request, call)
        finally:
            close_old_connections()

    def answer(self, request: Request, call: Call) -> Answer:
        """One call's answer, whatever it meets: the others of its batch go on."""
        procedure = PROCEDURES.get(call.path)
        try:
            self._check(request, procedure, call)
            assert procedure is not None
            assert procedure.answer is not None
            given = procedure.checked(call.input)
            asking = Asking(request, self.now)
            return wire.result(procedure.answer(asking, given))
        except Exception as exc:
            failure = failure_of(exc)
            if procedure is not None and procedure.kind == "mutation":
                log_refusal(request, failure)
            return wire.error(failure, call.path)

    def _check(self, request: Request, procedure: Procedure | None, call: Call) -> None:
        """Raises what stands against the call."""
        self.check_throttles(request)
        if procedure is None:
            raise Failure("NOT_FOUND", f"There is no procedure “{call.path[:100]}”.")
        method = request.method or ""
        if method not in METHODS[procedure.kind]:
            raise MethodNotAllowed(method, f"A {procedure.kind} is not called by {method}.")
        if procedure.answer is None:
            raise Failure("BAD_REQUEST", "A subscription is not called in a batch.")
        if request.user.is_authenticated:
            procedure = procedure.judged(call.input)
        for asked in self.get_permissions() if procedure.permission else [Staff()]:
            # It reads from the procedure, as from a view, which permission is needed.
            if not asked.has_permission(request, procedure):  # type: ignore[arg-type]
                self.permission_denied(request, message=getattr(asked, "message", None))

    # -- The whole request -------------------------------------------------------------------

    def handle_exception(self, exc: Exception) -> Response:
        """What no call was reached for; the client takes it for the answer to each."""
        failure = failure_of(exc)
        request: Request = self.request
        if request.method == "POST":
            log_refusal(request, failure)
        return _plain(wire.error(failure))  # type: ignore[return-value]

    def finalize_response(self, request: Request, response: Any, *args: Any, **kwargs: Any) -> Any:
        response.headers["Cache-Control"] = "no-store"
        if response.status_code == 401:
            response.headers["WWW-Authenticate"] = self.get_authenticate_header(request)
        patch_vary_headers(response, ["trpc-accept", "accept", "cookie", "authorization"])
        return super().finalize_response(request, response, *args, **kwargs)


def _whole(answer: Answer) -> HttpResponseBase:
    if answer.is_ready:
        return _plain(answer)
    return StreamingHttpResponse(answer.lines(), status=answer.status, content_type=JSON)


def _plain(answer: Answer) -> HttpResponse:
    return HttpResponse(answer.body, status=answer.status, content_type=JSON)
