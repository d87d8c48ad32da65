"""The workflows whose runs are made up: their graphs, how long steps take, what models they ask."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from runs import graph
from runs.synthetic.errors import Fault


@dataclass(frozen=True, slots=True)
class Step:
    """A node, and how it behaves: typical seconds, model calls, what it logs."""

    id: str
    needs: tuple[str, ...] = ()
    seconds: float = 2.0
    model: str = ""
    calls: int = 1
    retries: int = 1
    # Nodes among which it chooses; it is a branch then.
    chooses: tuple[str, ...] = ()
    # A node for whose end it waits although it needs nothing of it.
    after: str = ""
    # Of this step alone, in runs that are meant to fail by it.
    fault: Fault | None = None


@dataclass(frozen=True)
class Kind:
    """A workflow with its versions, oldest first. Shares are of all runs, of triggers in it."""

    slug: str
    description: str
    document: str
    share: float
    versions: tuple[tuple[Step, ...], ...]
    triggers: dict[str, float] = field(default_factory=dict)

    @cached_property
    def definitions(self) -> list[dict[str, Any]]:
        return [_definition(self, steps) for steps in self.versions]

    @cached_property
    def graphs(self) -> list[graph.Graph]:
        return [graph.parse(definition) for definition in self.definitions]


def _definition(kind: Kind, steps: tuple[Step, ...]) -> dict[str, Any]:
    return {
        "description": kind.description,
        "input_schema": {
            "type": "object",
            "required": ["document"],
            "properties": {"document": {"type": "string", "title": "Document"}},
        },
        "nodes": [_node(kind, step) for step in steps],
        "output": {"summary": f"$.nodes.{steps[-1].id}.output.summary"},
    }


def _node(kind: Kind, step: Step) -> dict[str, Any]:
    node: dict[str, Any] = {"id": step.id, "needs": list(step.needs)}
    if step.chooses:
        first, *rest = step.chooses
        large = {"value": f"$.nodes.{step.needs[0]}.output.lines", "greater_than": 40}
        paths = [{"name": other, "when": large, "to": [other]} for other in rest]
        return {**node, "kind": "branch", "paths": paths, "default": [first]}
    reads = f"$.nodes.{step.needs[0]}.output.key" if step.needs else "$.data.document"
    return {
        **node,
        "kind": "executor",
        "executor": f"{kind.slug}.{step.id}",
        "input": {"document": reads},
        "retries": step.retries,
        "backoff_seconds": 4,
        "timeout_seconds": 600,
    }


SMALL, LARGE, VISION = "gpt-4.1-mini", "claude-sonnet-4-5", "gemini-2.5-flash"

KINDS = (
    Kind(
        "document_intake",
        "Reads incoming documents, tells what they are, and files or forwards them.",
        "scan-{}.pdf",
        0.29,
        (
            (
                Step("read_pages", (), 4),
                Step("classify", ("read_pages",), 3, SMALL),
                Step("file_document", ("classify",), 1),
            ),
            (
                Step("read_pages", (), 4),
                Step("classify", ("read_pages",), 3, SMALL),
                Step("route", ("classify",), 0.1, chooses=("file_document", "ask_clerk")),
                Step("file_document", ("route",), 1),
                Step("ask_clerk", ("route",), 20),
            ),
            (
                Step("read_pages", (), 3),
                Step("read_tables", (), 6, VISION),
                Step("classify", ("read_pages", "read_tables"), 2, SMALL),
                Step("route", ("classify",), 0.1, chooses=("file_document", "ask_clerk")),
                Step("file_document", ("route",), 1),
                Step("ask_clerk", ("route",), 20),
            ),
        ),
        {"webhook": 0.7, "api": 0.25, "manual": 0.05},
    ),
    Kind(
        "mail_routing",
        "Sorts mail by subject and forwards it.",
        "message-{}.eml",
        0.25,
        (
            (
                Step("parse_mail", (), 0.4),
                Step("classify", ("parse_mail",), 1.5, SMALL),
                Step("forward", ("classify",), 0.6, retries=3),
            ),
            (
                Step("parse_mail", (), 0.4),
                Step("find_customer", ("parse_mail",), 0.7),
                Step("classify", ("parse_mail",), 1.5, SMALL),
                Step("forward", ("find_customer", "classify"), 0.6, retries=3),
            ),
        ),
        {"webhook": 0.93, "api": 0.06, "manual": 0.01},
    ),
    Kind(
        "thumbnail_refresh",
        "Draws small pictures of new pages.",
        "pages-{}.zip",
        0.16,
        (
            (
                Step("list_pages", (), 0.3),
                Step("draw", ("list_pages",), 9),
                Step("publish", ("draw",), 0.8, retries=2),
            ),
        ),
        {"schedule": 0.85, "event": 0.15},
    ),
    Kind(
        "claims_triage",
        "Judges how urgent a claim is and who should look at it.",
        "claim-{}.pdf",
        0.11,
        (
            (
                Step("read_claim", (), 3),
                Step("extract_facts", ("read_claim",), 8, LARGE, 2),
                Step("check_policy", ("read_claim",), 2),
                Step("score", ("extract_facts", "check_policy"), 1, SMALL),
                Step("assign", ("score",), 0.5),
            ),
            (
                Step("read_claim", (), 3),
                Step("extract_facts", ("read_claim",), 8, LARGE, 2),
                Step("check_policy", ("read_claim",), 2),
                Step("look_for_fraud", ("extract_facts",), 5, LARGE),
                Step("score", ("look_for_fraud", "check_policy"), 1, SMALL),
                Step("route", ("score",), 0.1, chooses=("assign", "escalate")),
                Step("assign", ("route",), 0.5),
                Step("escalate", ("route",), 0.7),
            ),
        ),
        {"api": 0.8, "webhook": 0.14, "manual": 0.06},
    ),
    Kind(
        "customer_onboarding",
        "Checks a new customer's papers and opens the account.",
        "applicant-{}.zip",
        0.08,
        (
            (
                Step("unpack", (), 1),
                Step("read_passport", ("unpack",), 6, VISION),
                Step("read_address", ("unpack",), 5, VISION),
                Step("screen_names", ("read_passport",), 4, retries=3),
                Step("decide", ("screen_names", "read_address"), 1),
                Step("open_account", ("decide",), 2, retries=0),
            ),
        ),
        {"api": 0.7, "event": 0.2, "manual": 0.1},
    ),
    Kind(
        "contract_review",
        "Compares a contract's clauses with the house's template and writes a report.",
        "contract-{}.docx",
        0.05,
        (
            (
                Step("split_clauses", (), 4),
                Step("compare_template", ("split_clauses",), 40, LARGE, 3),
                Step("score_risk", ("compare_template",), 6, LARGE),
                Step("write_report", ("score_risk",), 9, LARGE),
            ),
            (
                Step("split_clauses", (), 4),
                Step("find_dates", ("split_clauses",), 5, SMALL),
                Step("compare_template", ("split_clauses",), 35, LARGE, 3),
                Step("score_risk", ("compare_template", "find_dates"), 6, LARGE),
                Step("write_report", ("score_risk",), 9, SMALL),
            ),
        ),
        {"manual": 0.75, "automation": 0.2, "api": 0.05},
    ),
    Kind(
        "ledger_export",
        "Exports the day's bookings to the ledger.",
        "bookings-{}.csv",
        0.0395,
        (
            (
                Step("collect", (), 12),
                Step("balance", ("collect",), 3),
                Step("upload", ("balance",), 8, retries=3),
                Step("confirm", ("upload",), 2),
            ),
        ),
        {"schedule": 0.92, "manual": 0.08},
    ),
    Kind(
        "translation",
        "Translates manuals chapter by chapter.",
        "manual-{}.xml",
        0.02,
        (
            (
                Step("split", (), 3),
                Step("translate", ("split",), 95, LARGE, 4),
                Step("check_terms", ("translate",), 12, SMALL, 2),
                Step("bind", ("check_terms",), 4),
            ),
        ),
        {"manual": 0.5, "automation": 0.5},
    ),
    Kind(
        "tax_audit",
        "Gathers what an auditor asked for. Runs a few times a week.",
        "request-{}.json",
        0.0005,
        (
            (
                Step("read_request", (), 5),
                Step("gather", ("read_request",), 240),
                Step("summarise", ("gather",), 30, LARGE, 2),
            ),
        ),
        {"manual": 1.0},
    ),
)
