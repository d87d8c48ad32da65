"""Whose invoice it is: looked up in the list of suppliers."""

import re
from difflib import SequenceMatcher
from typing import Final

from runs.engine.registry import executor
from runs.samples import files
from runs.samples.context import Context, Output

COLUMNS: Final = (
    "supplier_id", "name", "tax_number", "country", "currency", "iban", "payment_days"
)  # fmt: skip
_LEGAL_FORMS = re.compile(r"\b(?:inc|ltd|llc|co|company|gmbh|ag|kg|ab|sarl|sp z o o|bv)\b")
CLOSE_ENOUGH = 0.92
CANDIDATES = 3


@executor("samples.match_supplier")
def match_supplier(ctx: Context, fields: Output, suppliers: str) -> Output:
    return find_supplier(ctx, fields, files.read_table(suppliers, COLUMNS))


def find_supplier(ctx: Context, fields: Output, rows: list[dict[str, str]]) -> Output:
    """By tax number, else by name; an unknown supplier is an outcome, no error."""
    name, tax_number = fields["supplier"], _compact(fields["tax_number"] or "")
    for row in rows:
        if tax_number and _compact(row["tax_number"]) == tax_number:
            ctx.log(f"“{name}” is {row['name']} in the list: the tax numbers are the same")
            return _known(row, "tax number", fields)
    likeness = sorted(
        ((_likeness(name, row["name"]), row) for row in rows),
        key=lambda pair: (-pair[0], pair[1]["supplier_id"]),
    )[:CANDIDATES]
    if likeness and likeness[0][0] >= CLOSE_ENOUGH:
        ratio, row = likeness[0]
        ctx.log(f"“{name}” is {row['name']} in the list: the names are {ratio:.0%} alike")
        return _known(row, "name", fields)
    ctx.log(f"{name} is not among {len(rows)} suppliers", level="warning")
    return {
        "known": False,
        "searched": len(rows),
        "closest": [
            {"supplier_id": row["supplier_id"], "name": row["name"], "likeness": round(ratio, 3)}
            for ratio, row in likeness
        ],
    }


def _known(row: dict[str, str], matched_by: str, fields: Output) -> Output:
    return {
        "known": True,
        "matched_by": matched_by,
        **{column: row[column] for column in COLUMNS if column != "payment_days"},
        "payment_days": int(row["payment_days"]),
        "usual_currency": row["currency"] == fields["currency"],
    }


def _compact(number: str) -> str:
    return re.sub(r"[^A-Z0-9]", "", number.upper())


def _likeness(one: str, other: str) -> float:
    return SequenceMatcher(None, _bare(one), _bare(other), autojunk=False).ratio()


def _bare(name: str) -> str:
    """The name without its legal form and punctuation: Kestrel Tool Co. and KESTREL TOOL."""
    words = re.sub(r"[^\w]+", " ", name.casefold()).strip()
    return " ".join(_LEGAL_FORMS.sub(" ", words).split())
