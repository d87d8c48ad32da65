"""What stands above and below an invoice's lines: number, dates, supplier, totals."""

import re
from datetime import date, datetime
from decimal import Decimal
from typing import NamedTuple

from runs.engine.registry import executor
from runs.samples import files, money
from runs.samples.context import Context, Output, Refused
from runs.samples.pdf import PAGE_BREAK


class FieldMissing(Refused):
    """The document doesn't say something that every invoice must."""


class FieldUnclear(Refused):
    """The document says it in a way that can't be understood."""


class Field(NamedTuple):
    """The labels that suppliers print before a value, and the value's form, both as patterns."""

    what: str
    labels: tuple[str, ...]
    form: str


_DATE = r"\d{4}-\d\d-\d\d|\d{1,2}\.\d{1,2}\.\d{4}|\d{1,2} [A-Z][a-z]+ \d{4}"
_DATE_FORMATS = ("%Y-%m-%d", "%d.%m.%Y", "%d %B %Y")

NUMBER = Field(
    "invoice number",
    ("Invoice number:", "Rechnungsnummer:", "Invoice #"),
    r"(?:[A-Z0-9][A-Z0-9/.-]*)?\d",
)
DATE = Field("invoice date", ("Invoice date:", "Rechnungsdatum:", "Dated"), _DATE)
DUE = Field("due date", ("Due date:", "Fällig am:", "Pay by"), _DATE)
TAX_NUMBER = Field(
    "supplier's tax number", ("VAT no.", "USt-IdNr.", "EIN"), r"[A-Z]{0,3}[0-9-]{8,12}"
)
TOTAL = Field(
    "total",
    ("Total", "Rechnungsbetrag", "Amount due"),
    rf"\(?(?P<currency>[A-Z]{{3}})\)? (?P<amount>{money.AMOUNT})",
)
NET = Field("net total", ("Net total", "Nettobetrag", "Sub-total"), money.AMOUNT)
TAX = Field("tax", (r"Sales tax \S+ %", r"zzgl. \S+ % USt", r"VAT at \S+ %"), money.AMOUNT)


@executor("samples.extract_fields")
def extract_fields(ctx: Context, text_key: str) -> Output:
    found = read_fields(files.read_text(text_key))
    if found["due_date"]:
        days = (date.fromisoformat(found["due_date"]) - date.fromisoformat(found["date"])).days
        ctx.log(f"to be paid within {days} days of its date")
    else:
        ctx.log("names no due date: the supplier's usual terms apply")
    return found


def read_fields(text: str) -> Output:
    text = lines_of(text)
    supplier = text.lstrip().split("\n", 1)[0].strip()
    total = _find(text, TOTAL)
    net, tax = _search(text, NET), _search(text, TAX)
    return {
        "number": _find(text, NUMBER)["value"],
        "date": _date(_find(text, DATE)["value"]).isoformat(),
        "due_date": _date(due["value"]).isoformat() if (due := _search(text, DUE)) else None,
        "supplier": supplier,
        "tax_number": number["value"] if (number := _search(text, TAX_NUMBER)) else None,
        "currency": total["currency"],
        "net": money.plain(money.parse(net["value"])) if net else None,
        "tax": money.plain(money.parse(tax["value"]) if tax else Decimal(0)),
        "total": money.plain(money.parse(total["amount"])),
    }


def lines_of(text: str) -> str:
    """The text without the gaps that stand for columns, page breaks as line ends."""
    return re.sub(r"[ \t]+", " ", text.replace(PAGE_BREAK, "\n"))


def _search(text: str, field: Field) -> re.Match[str] | None:
    labels = "|".join(field.labels)
    return re.search(rf"(?:^|(?<= ))(?:{labels}) (?P<value>{field.form})(?![\w])", text, re.M)


def _find(text: str, field: Field) -> re.Match[str]:
    if match := _search(text, field):
        return match
    labels = ", ".join(label.rstrip(":") for label in field.labels)
    raise FieldMissing(f"no {field.what} found; looked for {labels}")


def _date(text: str) -> date:
    for form in _DATE_FORMATS:
        try:
            return datetime.strptime(text, form).date()  # noqa: DTZ007
        except ValueError:
            continue
    raise FieldUnclear(f"{text} is not a date")
