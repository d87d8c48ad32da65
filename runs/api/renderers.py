"""Kinds of answers beside JSON. What is streamed is written elsewhere; problems are JSON there."""

from collections.abc import Mapping
from typing import Any

import orjson
from rest_framework.renderers import JSONRenderer

# Times are written by what shows them; whatever is left is the framework's to write.
_OPTIONS = orjson.OPT_PASSTHROUGH_DATETIME | orjson.OPT_PASSTHROUGH_DATACLASS
_LINE_ENDS = [("\u2028".encode(), b"\\u2028"), ("\u2029".encode(), b"\\u2029")]


class FastJSONRenderer(JSONRenderer):
    """The framework's JSON, written faster."""

    def render(
        self,
        data: Any,
        accepted_media_type: str | None = None,
        renderer_context: Mapping[str, Any] | None = None,
    ) -> bytes:
        if data is None or self.get_indent(accepted_media_type or "", renderer_context or {}):
            return super().render(data, accepted_media_type, renderer_context)
        try:
            written = orjson.dumps(data, default=self.encoder_class().default, option=_OPTIONS)
        except TypeError:  # a number of more than 64 bits, half a character
            return super().render(data, accepted_media_type, renderer_context)
        # As the framework does: JavaScript once took these for the ends of lines.
        for end, escaped in _LINE_ENDS:
            written = written.replace(end, escaped)
        return written


class NdjsonRenderer(JSONRenderer):
    media_type = "application/x-ndjson"
    format = "ndjson"


class CsvRenderer(JSONRenderer):
    media_type = "text/csv"
    format = "csv"


class ZipRenderer(JSONRenderer):
    media_type = "application/zip"
    format = "zip"
