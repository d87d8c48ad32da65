"""Writes the files in ``documents/``: ``python -m runs.samples.make_documents``.

The same bytes every time; all that looks random is drawn from the document's own name.
"""

import csv
import io
import random
from collections.abc import Sequence
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import NamedTuple, TypeVar

from runs.samples.invoice_layouts import LAYOUTS, Invoice, Line
from runs.samples.money import cents, shown
from runs.samples.pdf_writer import write_pdf

HERE = Path(__file__).resolve().parent / "documents"
T = TypeVar("T")


class Supplier(NamedTuple):
    supplier_id: str
    name: str
    tax_number: str
    country: str
    currency: str
    iban: str
    payment_days: int


class Plan(NamedTuple):
    """One invoice to print: `price` is the usual price of a line."""

    file: str
    number: str
    supplier: str
    layout: str
    currency: str
    lines: int
    price: int


PLANS = (
    Plan("inv-1001", "KT-20417", "Kestrel Tool Company", "columns", "USD", 318, 2),
    Plan("inv-1002", "KT-20455", "Kestrel Tool Company", "columns", "USD", 690, 90),
    Plan("inv-1003", "2026-00417", "Mühlbach Stahlhandel GmbH", "unit first", "EUR", 96, 12),
    Plan("inv-1004", "2026-00518", "Mühlbach Stahlhandel GmbH", "unit first", "EUR", 1330, 40),
    Plan("inv-1005", "H/8812", "Harbour & Pike Fasteners Ltd", "two rows", "GBP", 260, 3),
    Plan("inv-1006", "H/8840", "Harbour & Pike Fasteners Ltd", "two rows", "GBP", 560, 25),
    Plan("inv-1007", "RE-2026-1107", "Oberland Präzisionsteile AG", "unit first", "CHF", 1980, 8),
    Plan("inv-1008", "BL-77120", "Brightwater Lab Supplies Inc.", "columns", "USD", 3520, 18),
    Plan("inv-1009", "F-3391", "Lindqvist Kabel AB", "two rows", "SEK", 640, 9),
    Plan("inv-1010", "SP-5", "Saltmarsh Printing", "columns", "USD", 4, 60),
    Plan("inv-1011", "T-140", "Tidewell Traffic Signs Ltd", "two rows", "GBP", 300, 14),
    Plan("inv-1012", "PL-2026-61", "Polmet Sp. z o.o.", "columns", "PLN", 1620, 1),
)
# What reaches a company besides good invoices. The first two are cut and overwritten below.
BROKEN = (
    Plan("inv-1014", "BL-77164", "Brightwater Lab Supplies Inc.", "columns", "USD", 420, 30),
    Plan("inv-1015", "KT-20461", "Kestrel Tool Company", "columns", "USD", 520, 11),
    Plan("inv-1016", "2026-00533", "Mühlbach Stahlhandel GmbH", "unit first", "EUR", 880, 6),
    Plan("inv-1017", "", "Kestrel Tool Company", "columns", "USD", 370, 5),
)
# These two are in no list of suppliers.
STRANGERS = {"Saltmarsh Printing": "84-5521907", "Tidewell Traffic Signs Ltd": "GB447120983"}

_TAX = {"USD": "8.25", "EUR": "19", "GBP": "20", "CHF": "8.1", "SEK": "25", "PLN": "23"}
_COUNTRIES = {"US": "USD", "DE": "EUR", "GB": "GBP", "CH": "CHF", "SE": "SEK", "PL": "PLN"}
_PARTNERS = (
    ("Kestrel Tool Company", "US"),
    ("Mühlbach Stahlhandel GmbH", "DE"),
    ("Harbour & Pike Fasteners Ltd", "GB"),
    ("Oberland Präzisionsteile AG", "CH"),
    ("Brightwater Lab Supplies Inc.", "US"),
    ("Lindqvist Kabel AB", "SE"),
    ("Polmet Sp. z o.o.", "PL"),
)
_PLACES = ("Alder", "Birch", "Cedar", "Dover", "Elm", "Fjord", "Granite", "Hazel", "Iron",
           "Juniper", "Keel", "Linden", "Maple", "North", "Orchard", "Pine", "Quarry", "River",
           "Stone", "Thorn", "Upland", "Valley", "Willow", "York")  # fmt: skip
_TRADES = ("Castings", "Chemicals", "Electric", "Freight", "Glass", "Hydraulics", "Joinery",
           "Optics", "Packaging", "Textiles")  # fmt: skip
_FORMS = {"US": "Inc.", "DE": "GmbH", "GB": "Ltd", "CH": "AG", "SE": "AB", "PL": "Sp. z o.o."}
_WORDS = {
    "en": (
        ("Hex bolt", "Steel bracket", "Flange gasket", "Ball bearing", "Pipe clamp", "Drill bit",
         "Cable gland", "Filter cartridge", "Hose coupling", "Shim plate"),
        ("zinc plated", "stainless", "heavy duty", "for outdoor use", "grade A", "brass"),
    ),
    "de": (
        ("Flachstahl", "Rundrohr", "Winkelprofil", "Sechskantschraube", "Blechtafel", "Passfeder",
         "Gewindestange", "Lochplatte", "Unterlegscheibe", "Wellendichtring"),
        ("verzinkt", "blank", "nach Maß", "gebeizt und geölt", "Güte S235", "rostfrei"),
    ),
}  # fmt: skip


class Dice:
    """Draws that are the same on every Python: only random() is promised to stay as it is."""

    def __init__(self, seed: str) -> None:
        self._random = random.Random(seed).random

    def below(self, bound: int) -> int:
        return int(self._random() * bound)

    def pick(self, choices: Sequence[T]) -> T:
        return choices[self.below(len(choices))]

    def digits(self, count: int) -> str:
        return "".join(str(self.below(10)) for _ in range(count))


def documents() -> dict[str, bytes]:
    """Every file's content by its path below ``documents/``."""
    suppliers = _suppliers()
    found = {f"invoices/{plan.file}.pdf": _print(plan, _invoice(plan, suppliers)) for plan in PLANS}
    cut, transposed, altered, unnumbered = (_invoice(plan, suppliers) for plan in BROKEN)
    found["invoices/inv-1013.pdf"] = (
        b"Dear accounts department,\n\nplease find invoice KT-20460 attached. It did not come "
        b"through?\nThen call us and we will send it by post.\n\nKestrel Tool Company\n"
    )
    whole = _print(BROKEN[0], cut)
    found["invoices/inv-1014.pdf"] = whole[: len(whole) * 2 // 3]
    found["invoices/inv-1015.pdf"] = _print(BROKEN[1], _with_transposed_digits(transposed))
    found["invoices/inv-1016.pdf"] = _print(BROKEN[2], _with_altered_line(altered))
    found["invoices/inv-1017.pdf"] = _print(BROKEN[3], unnumbered)
    found["suppliers.csv"] = _csv([Supplier._fields, *suppliers])
    found["exchange-rates.csv"] = _csv(_rates())
    open_invoices, statement = _receivables()
    found["bank/open-invoices.txt"] = open_invoices
    found["bank/statement-2026-03.csv"] = _csv(statement)
    # A row was lost on the way, so the balances no longer follow from each other.
    found["bank/statement-2026-04.csv"] = _csv(statement[:140] + statement[141:])
    return found


def write(folder: Path = HERE) -> None:
    for path, content in documents().items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(content)


def _print(plan: Plan, invoice: Invoice) -> bytes:
    return write_pdf(LAYOUTS[plan.layout](invoice))


def _invoice(plan: Plan, suppliers: list[Supplier]) -> Invoice:
    dice = Dice(plan.file)
    known = {supplier.name: supplier for supplier in suppliers}.get(plan.supplier)
    issued = date(2026, 1, 7) + timedelta(days=dice.below(150))
    lines = tuple(_line(dice, plan) for _ in range(plan.lines))
    net = sum((line.amount for line in lines), Decimal(0))
    tax = cents(net * Decimal(_TAX[plan.currency]) / 100)
    return Invoice(
        number=plan.number,
        supplier=plan.supplier,
        address=f"{1 + dice.below(90)} {dice.pick(_PLACES)} Street, {dice.pick(_PLACES)}ton",
        tax_number=known.tax_number if known else STRANGERS[plan.supplier],
        issued=issued,
        due=issued + timedelta(days=known.payment_days if known else 14),
        currency=plan.currency,
        lines=lines,
        net=net,
        tax_percent=_TAX[plan.currency],
        tax=tax,
        total=net + tax,
    )


def _line(dice: Dice, plan: Plan) -> Line:
    things, kinds = _WORDS["de" if plan.layout == "unit first" else "en"]
    unit = dice.pick(("Stk", "Stk", "m", "kg")) if plan.layout == "unit first" else ""
    quantity = Decimal(1 + dice.below(24))
    if unit in ("m", "kg"):
        quantity += Decimal(dice.pick(("0.5", "0.25", "0.75")))
    price = cents(Decimal(plan.price) * (20 + dice.below(160)) / 100) + Decimal("0.01")
    size = f"{dice.pick((4, 6, 8, 10, 12, 16, 20, 40))} x {10 + 5 * dice.below(30)} mm"
    article = f"{''.join(c for c in plan.number[:2] if c.isalpha()) or 'ST'}-{dice.digits(4)}"
    description = f"{dice.pick(things)} {size} {dice.pick(kinds)}"
    return Line(article, description, quantity, unit, price, cents(quantity * price))


def _with_transposed_digits(invoice: Invoice) -> Invoice:
    """Two digits of the totals changed places, as when someone typed them in."""
    digits = str(invoice.net)
    place = next(i for i in range(len(digits) - 4) if digits[i] != digits[i + 1])
    net = Decimal(digits[:place] + digits[place + 1] + digits[place] + digits[place + 2 :])
    return Invoice(**{**vars(invoice), "net": net, "total": net + invoice.tax})


def _with_altered_line(invoice: Invoice) -> Invoice:
    """One line's amount was raised, the totals were not."""
    lines = list(invoice.lines)
    line = lines[411]
    lines[411] = Line(**{**vars(line), "amount": line.amount + 90})
    return Invoice(**{**vars(invoice), "lines": tuple(lines)})


def _suppliers() -> list[Supplier]:
    names = list(_PARTNERS)
    for number, (place, trade) in enumerate((p, t) for p in _PLACES for t in _TRADES):
        country = tuple(_COUNTRIES)[number % len(_COUNTRIES)]
        names.append((f"{place} {trade} {_FORMS[country]}", country))
    names.sort()
    return [
        _supplier(f"S{1000 + 7 * number}", name, country)
        for number, (name, country) in enumerate(names)
    ]


def _supplier(supplier_id: str, name: str, country: str) -> Supplier:
    dice = Dice(name)
    if country == "US":
        tax_number, iban = f"{dice.digits(2)}-{dice.digits(7)}", ""
    else:
        tax_number, iban = f"{country}{dice.digits(9)}", _iban(country, dice.digits(18))
    days = dice.pick((14, 30, 30, 45, 60))
    return Supplier(supplier_id, name, tax_number, country, _COUNTRIES[country], iban, days)


def _iban(country: str, account: str) -> str:
    number = int("".join(str(int(character, 36)) for character in f"{account}{country}00"))
    return f"{country}{98 - number % 97:02d}{account}"


def _rates() -> list[Sequence[object]]:
    rows: list[Sequence[object]] = [("date", "currency", "per_eur")]
    dice = Dice("rates")
    rates = {"USD": 1085, "GBP": 856, "CHF": 948, "SEK": 11240, "PLN": 4310}
    for month in range(1, 13):
        for currency, rate in rates.items():
            drift = rate * (970 + dice.below(61)) // 1000
            rows.append((date(2026, month, 1), currency, f"{Decimal(drift) / 1000:.3f}"))
    return rows


def _receivables() -> tuple[bytes, list[Sequence[object]]]:
    """The list of open invoices, and a statement on which most of them are paid."""
    dice = Dice("receivables")
    lines = ["Open invoices on 28 February 2026", "", f"{'Number':14}{'Customer':34}Due"]
    rows: list[Sequence[object]] = [("booked_on", "counterparty", "reference", "amount", "balance")]
    balance = Decimal("48210.35")
    for number in range(220):
        customer = f"{dice.pick(_PLACES)} & {dice.pick(_PLACES)} {dice.pick(_TRADES)}"
        amount = Decimal(4000 + dice.below(900_000)) / 100
        due = date(2026, 3, 1) + timedelta(days=number // 8)
        key = f"AR-26-{410 + 3 * number:05d}"
        lines.append(f"{key:14}{customer:34}{due}{shown(amount):>14}")
        # Nine in ten pay; some name no number, some pay too little, some type it their own way.
        habit = dice.below(20)
        if habit < 2:
            continue
        references = {2: "Thank you", 3: "March", 4: key.lower(), 5: key.replace("-", " ")}
        paid = amount - Decimal("12.50") if habit == 6 else amount
        balance += paid
        reference = references.get(habit, f"Invoice {key}")
        rows.append((due, customer, reference, f"{paid:.2f}", f"{balance:.2f}"))
        if habit > 16:
            spent = Decimal(2000 + dice.below(500_000)) / 100
            balance -= spent
            rows.append((due, dice.pick(_PARTNERS)[0], "Order", f"{-spent:.2f}", f"{balance:.2f}"))
        if habit == 19:
            balance += Decimal("75.00")
            rows.append((due, "Unknown sender", "Refund AR-25-00001", "75.00", f"{balance:.2f}"))
    return "\n".join([*lines, ""]).encode(), rows


def _csv(rows: Sequence[Sequence[object]]) -> bytes:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue().encode()


if __name__ == "__main__":
    write()
