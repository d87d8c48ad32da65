"""Answers that are streamed, packed as one whole.

Django packs each piece of an asynchronous stream by itself; curl and browsers read the first only.
"""

from __future__ import annotations

import zlib
from collections.abc import AsyncIterator
from typing import Any

from django.http import HttpRequest
from django.middleware import gzip
from django.utils.cache import patch_vary_headers

LEVEL = 6
# A gzip header, and the largest window.
_GZIP = 31


class GZipMiddleware(gzip.GZipMiddleware):
    def process_response(self, request: HttpRequest, response: Any) -> Any:
        if not (response.streaming and response.is_async):
            return super().process_response(request, response)
        if response.has_header("Content-Encoding"):
            return response
        patch_vary_headers(response, ("Accept-Encoding",))
        if not gzip.re_accepts_gzip.search(request.META.get("HTTP_ACCEPT_ENCODING", "")):
            return response
        response.streaming_content = packed(response.streaming_content)
        del response.headers["Content-Length"]
        response.headers["Content-Encoding"] = "gzip"
        return response


async def packed(pieces: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    packer = zlib.compressobj(LEVEL, zlib.DEFLATED, _GZIP)
    async for piece in pieces:
        if ready := packer.compress(piece):
            yield ready
    yield packer.flush()
