"""The definition that a new workflow begins with."""

from typing import Any

from runs.engine import registry


def example() -> dict[str, Any]:
    """A definition to begin with, which runs as it is.

    Where the samples' executors are not there, it names one that is.
    """
    names = registry.names()
    if {node["executor"] for node in _EXAMPLE["nodes"] if "executor" in node} <= names:
        return _EXAMPLE
    first = min(names, default="my_app.do_something")
    return {
        "description": "What this workflow does, in a sentence.",
        "input_schema": {"type": "object"},
        "nodes": [{"id": "first_step", "kind": "executor", "executor": first}],
    }


_EXAMPLE: dict[str, Any] = {
    "description": "Reads an invoice and adds up the lines of a large one.",
    "input_schema": {
        "type": "object",
        "properties": {
            "document": {
                "type": "string",
                "description": "Key of a PDF in the portal's storage.",
                "default": "samples/invoices/inv-1001.pdf",
            }
        },
        "required": ["document"],
    },
    "nodes": [
        {
            "id": "extract_text",
            "kind": "executor",
            "executor": "samples.extract_text",
            "input": {"document": "$.data.document"},
            "retries": 1,
            "backoff_seconds": 2,
            "timeout_seconds": 120,
        },
        {
            "id": "extract_fields",
            "kind": "executor",
            "executor": "samples.extract_fields",
            "needs": ["extract_text"],
            "input": {"text_key": "$.nodes.extract_text.output.text_key"},
        },
        {
            "id": "extract_items",
            "kind": "executor",
            "executor": "samples.extract_items",
            "needs": ["extract_text"],
            "input": {"text_key": "$.nodes.extract_text.output.text_key"},
        },
        {
            "id": "is_large",
            "kind": "branch",
            "needs": ["extract_fields", "extract_items"],
            "paths": [
                {
                    "name": "large",
                    "when": {
                        "value": "$.nodes.extract_fields.output.total",
                        "greater_than": 1000,
                    },
                    "to": ["check_totals"],
                }
            ],
        },
        {
            "id": "check_totals",
            "kind": "executor",
            "executor": "samples.check_totals",
            "needs": ["is_large"],
            "input": {
                "fields": "$.nodes.extract_fields.output",
                "items_key": "$.nodes.extract_items.output.items_key",
            },
        },
    ],
    "output": {"total": "$.nodes.extract_fields.output.total"},
}
