"""The API's OpenAPI document, and what every operation of it may answer."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from drf_spectacular.extensions import OpenApiSerializerExtension
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.renderers import OpenApiJsonRenderer, OpenApiYamlRenderer
from drf_spectacular.utils import extend_schema
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from runs.api.problems import MEDIA_TYPE
from runs.api.serializers import RunMembersSerializer, RunSerializer
from runs.states import AttemptStatus, Kind, NodeStatus, RunState

# What the document calls the values of fields that several resources have.
RUN_STATES = [str(state) for state in RunState]
NODE_STATUSES = [str(status) for status in NodeStatus]
EVENT_KINDS = [str(kind) for kind in Kind]
ATTEMPT_STATUSES = [str(status) for status in AttemptStatus]

_TEXT = {"type": "string"}
PROBLEM: dict[str, Any] = {
    "type": "object",
    "description": "What went wrong (RFC 9457).",
    "required": ["type", "title", "status", "detail", "instance"],
    "properties": {
        "type": {**_TEXT, "description": "`about:blank`, or an URN for a kind of its own."},
        "title": _TEXT,
        "status": {"type": "integer"},
        "detail": {**_TEXT, "description": "What to read to a person."},
        "instance": _TEXT,
        "errors": {
            "type": "array",
            "description": "What is wrong with which field; of an invalid request.",
            "items": {
                "type": "object",
                "required": ["field", "message"],
                "properties": {
                    "field": _TEXT,
                    "message": _TEXT,
                    "place": {**_TEXT, "description": "Of a trigger's rule: where in it."},
                },
            },
        },
        "state": {**_TEXT, "description": "The run's state, where that forbids the act."},
        "actions": {
            "type": "array",
            "description": "What the run's state allows instead.",
            "items": _TEXT,
        },
        "newest": {
            "type": "integer",
            "description": "The version that is newer than `base`; the trigger's revision.",
        },
    },
    "example": {
        "type": "urn:problem-type:runs:invalid",
        "title": "Bad Request",
        "status": 400,
        "detail": "state: There is no state “gone”, only queued, running, completed, failed.",
        "instance": "/api/runs/",
        "errors": [{"field": "state", "message": "There is no state “gone”."}],
    },
}
_WORDS = {
    "400": "It cannot be meant: `errors` says what is wrong with which field.",
    "401": "Nobody is signed in, or the token is not valid.",
    "403": "The permission, or the token's scope, is missing.",
    "404": "There is no such thing, or no more.",
    "405": "Not with this method; `Allow` says with which.",
    "406": "It cannot be given in this form.",
    "409": "The present state does not allow it.",
    "411": "A body needs a Content-Length.",
    "413": "The body is too large.",
    "415": "The body is not JSON.",
    "422": "The Idempotency-Key was sent with another request before.",
    "429": "Too many requests; `Retry-After` says when to come back.",
    "503": "The database does not answer, or not in time.",
}
_OF_BODIES = ("409", "411", "413", "415")
_OF_ALL = ("400", "401", "403", "405", "406", "429", "503")


def add_problems(result: dict[str, Any], **_: Any) -> dict[str, Any]:
    """A postprocessing hook: what each operation answers when it is refused."""
    result["components"].setdefault("schemas", {})["Problem"] = PROBLEM
    for path, operations in result["paths"].items():
        for method, operation in operations.items():
            responses = operation["responses"]
            words = " ".join(operation.get("description", "").split())
            operation.setdefault("summary", words.partition(". ")[0].rstrip("."))
            for parameter in operation.get("parameters", ()):
                if parameter["name"] == "format":  # the framework's own
                    parameter["description"] = "Stands for an Accept header."
            for code in _codes(path, method, operation):
                responses.setdefault(code, _problem(_WORDS[code]))
            responses.setdefault("default", _problem("Whatever else may go wrong."))
    return result


class EitherRun(OpenApiSerializerExtension):  # type: ignore[no-untyped-call]
    """Of the list: whole runs, or what `fields` leaves of them."""

    target_class = "runs.api.serializers.RunOrMembersSerializer"

    def get_name(self, *_: Any) -> str:
        return "RunOrMembers"

    def map_serializer(self, auto_schema: Any, direction: Any) -> dict[str, Any]:
        shapes = (RunSerializer, RunMembersSerializer)
        return {"anyOf": [auto_schema.resolve_serializer(each, direction).ref for each in shapes]}


def any_is_null_too(result: dict[str, Any], **_: Any) -> dict[str, Any]:
    """A postprocessing hook: “anything, or else null” would be no null, which is both."""
    _mend(result["components"])
    return result


def _mend(found: Any) -> None:
    if isinstance(found, dict):
        if found.get("oneOf") == [{}, {"type": "null"}]:
            del found["oneOf"]
        found = list(found.values())
    if isinstance(found, list):
        for inner in found:
            _mend(inner)


def _codes(path: str, method: str, operation: dict[str, Any]) -> list[str]:
    codes = list(_OF_ALL)
    if "{" in path:
        codes.append("404")
    if method in ("post", "patch", "put", "delete"):
        codes += _OF_BODIES
    named = {each["name"] for each in operation.get("parameters", ())}
    return [*codes, "422"] if "Idempotency-Key" in named else codes


def _problem(words: str) -> dict[str, Any]:
    schema = {"$ref": "#/components/schemas/Problem"}
    return {"description": words, "content": {MEDIA_TYPE: {"schema": schema}}}


@lru_cache(maxsize=1)
def document() -> dict[str, Any]:
    """It says what the code says, so it is made once a process."""
    generator = SchemaGenerator()  # type: ignore[no-untyped-call]
    return generator.get_schema(request=None, public=True)  # type: ignore[no-untyped-call]


class _Json(OpenApiJsonRenderer):
    format = "openapi"


class SchemaView(APIView):
    """This document, as JSON or YAML."""

    permission = "runs.view_run"
    renderer_classes = [_Json, OpenApiYamlRenderer, JSONRenderer]

    @extend_schema(exclude=True)
    def get(self, request: Request) -> Response:
        name = "openapi.yaml" if request.accepted_renderer.format == "yaml" else "openapi.json"
        return Response(document(), headers={"Content-Disposition": f'inline; filename="{name}"'})
