"""An invoice's lines: read them in whichever layout they stand, and add them up."""

import re
from decimal import Decimal

from runs.engine.registry import executor
from runs.samples import files, money
from runs.samples.context import Context, Output, Refused, step
from runs.samples.invoices import FieldMissing, lines_of

LINES_PER_STEP = 500

_QUANTITY = r"\d+(?:[.,]\d{1,2})?"
_LAYOUTS = {
    # 12 KT-0481 Steel bracket 40 mm 16 104.50 1,672.00
    "columns": rf"(?P<position>\d+) (?P<article>[A-Z]+-\d+) (?P<description>.+)"
    rf" (?P<quantity>{_QUANTITY}) (?P<price>{money.AMOUNT}) (?P<amount>{money.AMOUNT})",
    # 12 16 Stk ST-0481 Flachstahl 40 mm 104,50 1.672,00
    "unit first": rf"(?P<position>\d+) (?P<quantity>{_QUANTITY}) (?:Stk|m|kg)"
    rf" (?P<article>[A-Z]+-\d+) (?P<description>.+)"
    rf" (?P<price>{money.AMOUNT}) (?P<amount>{money.AMOUNT})",
    # 12. Steel bracket 40 mm (KT-0481), and below it: 16 x 104.50 1,672.00
    "two rows": r"(?P<position>\d+)\. (?P<description>.+) \((?P<article>[A-Z]+-\d+)\)\n+"
    rf" ?(?P<quantity>{_QUANTITY}) x (?P<price>{money.AMOUNT}) (?P<amount>{money.AMOUNT})",
}


class LineMissing(Refused):
    """A line of the invoice could not be read."""


class TotalsMismatch(Refused):
    """The document's figures contradict each other."""


@executor("samples.extract_items")
def extract_items(ctx: Context, text_key: str) -> Output:
    layout, items = read_items(files.read_text(text_key))
    largest = max(items, key=lambda item: Decimal(item["amount"]))
    ctx.log(
        f"the largest line is {largest['description']}, {money.shown(Decimal(largest['amount']))}"
    )
    return {
        "layout": layout,
        "lines": len(items),
        "first": items[0],
        "items_key": files.put_json(files.result_key(ctx, "items.json"), items),
    }


def read_items(text: str) -> tuple[str, list[Output]]:
    """The layout's name, and at least one line."""
    text = lines_of(text)
    found = {
        layout: list(re.finditer(rf"^ ?{form} ?$", text, re.M)) for layout, form in _LAYOUTS.items()
    }
    layout = max(found, key=lambda name: len(found[name]))
    items: list[Output] = []
    for match in found[layout]:
        if int(match["position"]) != len(items) + 1:
            raise LineMissing(
                f"line {match['position']} follows line {len(items)}: what is between can't be read"
            )
        items.append(
            {
                "article": match["article"],
                "description": match["description"].strip(),
                "quantity": str(money.parse(match["quantity"])),
                "price": money.plain(money.parse(match["price"])),
                "amount": money.plain(money.parse(match["amount"])),
            }
        )
    if not items:
        raise FieldMissing("no line items found")
    return layout, items


@executor("samples.check_totals")
def check_totals(ctx: Context, fields: Output, items_key: str) -> Output:
    return add_up(ctx, fields, files.read_json(items_key))


def add_up(ctx: Context, fields: Output, items: list[Output]) -> Output:
    """Every line, then the lines against the net total, then net and tax against the total."""
    total, tax = Decimal(fields["total"]), Decimal(fields["tax"])
    net = Decimal(fields["net"]) if fields["net"] else total - tax
    lines_sum = Decimal(0)
    for number, item in enumerate(items, start=1):
        quantity, price, amount = (Decimal(item[name]) for name in ("quantity", "price", "amount"))
        if (expected := money.cents(quantity * price)) != amount:
            # The sum below decides: suppliers round and grant discounts within a line.
            ctx.log(
                f"line {number}: {quantity} × {money.shown(price)} makes {money.shown(expected)}, "
                f"document says {money.shown(amount)}",
                level="warning",
            )
        lines_sum += amount
        if number % LINES_PER_STEP == 0 or number == len(items):
            step(ctx, number, len(items), "line")
    if lines_sum != net:
        raise TotalsMismatch(
            f"line items sum to {money.shown(lines_sum)}, document says {money.shown(net)}"
        )
    if net + tax != total:
        raise TotalsMismatch(
            f"net {money.shown(net)} and tax {money.shown(tax)} make {money.shown(net + tax)}, "
            f"document says {money.shown(total)}"
        )
    return {
        "lines": len(items),
        "net": money.plain(net),
        "tax": money.plain(tax),
        "total": money.plain(total),
    }
