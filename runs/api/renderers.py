"""Kinds of answers beside JSON. What is streamed is written elsewhere; problems are JSON there."""

from rest_framework.renderers import JSONRenderer


class NdjsonRenderer(JSONRenderer):
    media_type = "application/x-ndjson"
    format = "ndjson"


class CsvRenderer(JSONRenderer):
    media_type = "text/csv"
    format = "csv"
