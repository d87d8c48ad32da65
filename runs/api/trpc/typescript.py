"""The procedures as TypeScript: ``manage.py trpc_types > runs/api/trpc/app_router.d.ts``.

Whoever gives its AppRouter to the official client has completion, and learns of wrong input when
compiling.
"""

from __future__ import annotations

import json
import types
import typing
from collections.abc import Iterator
from typing import Any

from rest_framework import serializers
from rest_framework.fields import Field

from runs.api.trpc.procedure import Procedure
from runs.api.trpc.procedures import PROCEDURES
from runs.api.trpc.wire import CODES
from runs.states import RunState

_HEAD = """\
// Made by `manage.py trpc_types`: change the procedures instead.
// Needs the types of @trpc/server 11, which comes along with @trpc/client.

import type {
  TRPC_ERROR_CODE_NUMBER,
  TRPCBuiltRouter,
  TRPCMutationProcedure,
  TRPCQueryProcedure,
  TRPCSubscriptionProcedure,
} from "@trpc/server";
"""
_PLAIN: tuple[tuple[type[Field] | tuple[type[Field], ...], str], ...] = (
    (serializers.BooleanField, "boolean"),
    ((serializers.IntegerField, serializers.FloatField), "number"),
    # Decimals come as text: a number would lose digits.
    ((serializers.CharField, serializers.DateTimeField, serializers.DecimalField), "string"),
)
_PYTHON = {
    str: "string", int: "number", bool: "boolean", type(None): "null",
    dict: "Record<string, unknown>", Any: "unknown",
}  # fmt: skip
_KINDS = {
    "query": "TRPCQueryProcedure",
    "mutation": "TRPCMutationProcedure",
    "subscription": "TRPCSubscriptionProcedure",
}


def document() -> str:
    """The whole file."""
    found: dict[str, type[serializers.Serializer]] = {}
    for procedure in PROCEDURES.values():
        _collect(procedure.takes(), found)
        _collect(procedure.gives(), found)
    interfaces = [_interface(name, shape()) for name, shape in found.items()]
    return "\n".join([_HEAD, *interfaces, _error_shape(), _router()])


def _name(shape: type[serializers.Serializer]) -> str:
    name = shape.__name__.removesuffix("Serializer")
    # The browser's own word.
    return "RunEvent" if name == "Event" else name


def _collect(shape: serializers.Serializer, found: dict[str, type[serializers.Serializer]]) -> None:
    """The shape and all within it, by name."""
    name = _name(type(shape))
    known = found.setdefault(name, type(shape))
    assert known is type(shape), f"two shapes are called {name}"
    for field in shape.fields.values():
        for inner in _shapes_in(field):
            _collect(inner, found)


def _shapes_in(field: Any) -> Iterator[serializers.Serializer]:
    field = _annotated(field) or field
    if isinstance(field, serializers.Serializer):
        yield field
    elif child := getattr(field, "child", None):
        yield from _shapes_in(child)


def _interface(name: str, shape: serializers.Serializer) -> str:
    if not shape.fields:
        return f"export type {name} = Record<string, never>;\n"
    lines = [f"export interface {name} {{"]
    for field_name, field in shape.fields.items():
        if field.help_text:
            lines.append(f"  /** {field.help_text} */")
        optional = "?" if not field.required and not field.read_only else ""
        lines.append(f"  {field_name}{optional}: {_type(field)};")
    return "\n".join([*lines, "}", ""])


def _type(field: Any) -> str:
    base = _base(field)
    return f"{base} | null" if field.allow_null and base != "unknown" else base


def _base(field: Any) -> str:
    if isinstance(field, serializers.SerializerMethodField):
        return _method_type(field)
    if isinstance(field, serializers.ListSerializer | serializers.ListField):
        return (
            f"({_type(field.child)})[]" if "|" in _type(field.child) else f"{_type(field.child)}[]"
        )
    if isinstance(field, serializers.Serializer):
        return _name(type(field))
    if isinstance(field, serializers.DictField):
        return f"Record<string, {_type(field.child)}>"
    if isinstance(field, serializers.MultipleChoiceField):
        return f"({_union(field.choices)})[]"
    if isinstance(field, serializers.ChoiceField):
        return _union([*field.choices, *([""] if field.allow_blank else [])])
    return next((word for kinds, word in _PLAIN if isinstance(field, kinds)), "unknown")


def _annotated(field: Any) -> Any:
    """The field that a method stands for, where it says so to the REST API's document."""
    if not isinstance(field, serializers.SerializerMethodField):
        return None
    said = getattr(_method(field), "_spectacular_annotation", {}).get("field")
    return said if isinstance(said, Field) else None


def _method_type(field: Any) -> str:
    if annotated := _annotated(field):
        return _type(annotated)
    returned = typing.get_type_hints(_method(field))["return"]
    parts = typing.get_args(returned) if isinstance(returned, types.UnionType) else (returned,)
    words = [_PYTHON[typing.get_origin(part) or part] for part in parts]
    return "unknown" if "unknown" in words else " | ".join(words)


def _method(field: Any) -> Any:
    return getattr(field.parent, field.method_name)


def _union(values: Any) -> str:
    return " | ".join(json.dumps(str(value)) for value in values)


def _error_shape() -> str:
    return f"""\
export interface ErrorShape {{
  message: string;
  code: TRPC_ERROR_CODE_NUMBER;
  data: {{
    code: {_union(CODES)};
    httpStatus: number;
    path?: string;
    /** What is wrong with the input; `place` is where in a trigger's rule. */
    errors?: {{ field: string; message: string; place?: string }}[];
    /** What somebody else made of it meanwhile: the number of its newest version or revision. */
    newest?: number;
    /** The run's state, where it stands against the act, and what can be done instead. */
    state?: {_union(RunState)};
    actions?: string[];
  }};
}}
"""


def _router() -> str:
    tree: dict[str, Any] = {}
    for path, procedure in PROCEDURES.items():
        *rooms, name = path.split(".")
        room = tree
        for each in rooms:
            room = room.setdefault(each, {})
        room[name] = procedure
    record = "\n".join(_record(tree, "    "))
    return f"""\
export type AppRouter = TRPCBuiltRouter<
  {{ ctx: object; meta: object; errorShape: ErrorShape; transformer: false }},
  {{
{record}
  }}
>;
"""


def _record(tree: dict[str, Any], margin: str) -> Iterator[str]:
    for name, entry in tree.items():
        if isinstance(entry, dict):
            yield f"{margin}{name}: {{"
            yield from _record(entry, margin + "  ")
            yield f"{margin}}};"
        else:
            yield f"{margin}/** {entry.says} */"
            yield f"{margin}{name}: {_KINDS[entry.kind]}<{{"
            yield f"{margin}  input: {_input(entry)};"
            yield f"{margin}  output: {_output(entry)};"
            yield f"{margin}  meta: object;"
            yield f"{margin}}}>;"


def _input(procedure: Procedure) -> str:
    fields = procedure.takes().fields.values()
    may_be_left_out = not any(field.required for field in fields)
    return _name(procedure.takes) + (" | undefined" if may_be_left_out else "")


def _output(procedure: Procedure) -> str:
    name = _name(procedure.gives)
    if procedure.kind == "subscription":
        name = f"{{ id: string; data: {name} }}" if procedure.is_tracked else name
        return f"AsyncIterable<{name}, void>"
    return f"{name}[]" if procedure.gives_many else name
