"""Django behind ASGI, with each request answered in one go by a thread that stays.

Django's own handler goes to and fro between the loop and a thread that it starts for the request:
for its signals, for the middleware, from there through the loop to the view, and to end. All
middleware and all views here are synchronous, so one trip is enough; and a thread that stays keeps
its connection to the database, with the statements that are prepared on it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from functools import partial
from typing import Any

from asgiref.sync import sync_to_async
from django.conf import settings
from django.core import signals
from django.core.exceptions import RequestAborted
from django.core.handlers.asgi import ASGIHandler, get_script_prefix
from django.core.handlers.base import BaseHandler
from django.http import FileResponse, HttpRequest, HttpResponseBase
from django.urls import set_script_prefix

from config.token_calls import TokenCalls
from runs.connections import keep_own_connection


class Handler(ASGIHandler):
    def __init__(self) -> None:
        BaseHandler.__init__(self)  # its own would make an asynchronous chain
        self.load_middleware(is_async=False)
        self._token_calls = TokenCalls()
        self._threads = ThreadPoolExecutor(
            settings.WEB_THREADS, "django", partial(keep_own_connection, checked=True)
        )

    async def handle(self, scope: Any, receive: Any, send: Any) -> None:
        try:
            body = await self.read_body(receive)
        except RequestAborted:
            return
        with body:
            # A context for the request alone, as a thread has nothing else that ends with it.
            answered = partial(copy_context().run, self._answered, scope, body)
            loop = asyncio.get_running_loop()
            response = await loop.run_in_executor(self._threads, answered)
            if response.streaming:
                await self._stream(response, receive, send)
            else:
                await self.send_response(response, send)

    def _answered(self, scope: Any, body: Any) -> HttpResponseBase:
        set_script_prefix(get_script_prefix(scope))
        signals.request_started.send(sender=self.__class__, scope=scope)
        request, refused = self.create_request(scope, body)
        response: Any = refused if request is None else self._handler_of(request)(request)
        response._handler_class = self.__class__
        if isinstance(response, FileResponse):
            response.block_size = self.chunk_size
        if not response.streaming:
            response.close()
        return response

    def _handler_of(self, request: HttpRequest) -> Callable[[HttpRequest], HttpResponseBase]:
        calls = self._token_calls
        return calls.get_response if calls.serves(request) else self.get_response

    async def _stream(self, response: Any, receive: Any, send: Any) -> None:
        """Until all is sent or the client has gone."""
        sending = asyncio.create_task(self.send_response(response, send))
        leaving = asyncio.create_task(receive())
        try:
            await asyncio.wait({sending, leaving}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            sending.cancel()
            leaving.cancel()
            await asyncio.wait({sending, leaving})
            # What it reads, it reads in a thread of the stream, which gives its connection back.
            await sync_to_async(response.close)()
        if not sending.cancelled():
            sending.result()
