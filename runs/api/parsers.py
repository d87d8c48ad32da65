"""Request bodies: JSON that is strict, bounded, and can be stored."""

from __future__ import annotations

from collections.abc import Mapping
from typing import IO, Any

from django.conf import settings
from rest_framework.exceptions import ParseError
from rest_framework.parsers import BaseParser
from rest_framework.renderers import JSONRenderer

from runs import json_text
from runs.api.problems import TooLarge


class BoundedJSONParser(BaseParser):
    """Refuses a body over the limit before it is read, and JSON that means nothing certain."""

    media_type = "application/json"
    # How the browsable pages write the sample of a body.
    renderer_class = JSONRenderer

    def parse(
        self,
        stream: IO[bytes],
        media_type: str | None = None,  # noqa: ARG002
        parser_context: Mapping[str, Any] | None = None,
    ) -> Any:
        limit = settings.DATA_UPLOAD_MAX_MEMORY_SIZE
        too_large = TooLarge(f"The body is over {limit:,} bytes.")
        request = (parser_context or {}).get("request")
        if request is not None and int(request.META.get("CONTENT_LENGTH") or 0) > limit:
            raise too_large
        body = stream.read(limit + 1)
        if len(body) > limit:
            raise too_large
        try:
            return json_text.read(body.decode("utf-8"))
        except UnicodeDecodeError as error:
            raise ParseError(f"The body is not UTF-8: {error.reason}.") from error
        except json_text.JsonError as error:
            place = f" (line {error.line}, column {error.column})" if error.line else ""
            raise ParseError(f"The body is not usable JSON: {error}{place}.") from error
