"""Kind ``http``: one request to a service. Pure.

Its ``url``, ``headers``, ``query`` and ``body`` may hold places, ``{{ name }}``, for the node's
inputs; headers also for secrets, ``{{ secret.NAME }}``. Settings of the node: all these and
``method``. Where a request with a body says none, its inputs are sent as JSON.
"""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import urlsplit

from runs.graph.fields import Fields
from runs.graph.kinds import attempted

FIELDS = attempted.FIELDS | {"method", "url", "headers", "query", "body"}
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD")
# These can be sent twice without being done twice.
_REPEATABLE = frozenset({"GET", "PUT", "DELETE", "HEAD"})
_HEADER = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}\Z")
# What the request itself decides.
_OWN_HEADERS = frozenset({"host", "content-length", "transfer-encoding", "connection"})


def read(fields: Fields) -> dict[str, Any]:
    method = fields.choice("method", METHODS, "GET")
    spec = attempted.read(fields, idempotent=method in _REPEATABLE)
    spec["settings"] = {
        "method": method,
        "url": address(fields, "url", spec["input"]),
        "headers": headers(fields, spec["input"]),
        "query": _query(fields),
        "body": fields.raw.get("body"),
    }
    for name in ("query", "body"):
        fields.places(name, spec["settings"][name], spec["input"])
    return spec


def address(fields: Fields, name: str, inputs: dict[str, Any]) -> str:
    """The address of a service; its host is written out, so that a run cannot choose it."""
    url = fields.text(name, needed=True, most=2_000)
    if not url:
        return ""
    try:
        scheme = urlsplit(url.replace("{{", "").replace("}}", "")).scheme
    except ValueError:  # brackets with no address of IPv6 in them
        scheme = ""
    host = url.partition("://")[2].partition("/")[0].partition("?")[0]
    if scheme not in ("http", "https") or not host or re.search(r"[\s{}@]", host):
        fields.say(f"“{name}” begins with http:// or https:// and the name of a host")
    fields.places(name, url, inputs)
    return url


def headers(fields: Fields, inputs: dict[str, Any]) -> dict[str, str]:
    found = fields.texts("headers")
    for name, value in found.items():
        if not _HEADER.match(name):
            fields.say(f"“headers”: “{name}” is no name of a header")
        elif name.lower() in _OWN_HEADERS:
            fields.say(f"“headers”: “{name}” is set by the request itself")
        elif "\n" in value or "\r" in value:
            fields.say(f"“headers”: “{name}” stands in one line")
    fields.places("headers", found, inputs, secrets=True)
    return found


def _query(fields: Fields) -> dict[str, Any]:
    value = fields.raw.get("query", {})
    if not isinstance(value, dict):
        fields.say("“query” maps names to values")
        return {}
    return value
