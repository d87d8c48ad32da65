"""A bank statement reconciled with the invoices that customers have yet to pay."""

import re
from collections import defaultdict
from decimal import Decimal
from typing import Final

from runs.engine.registry import executor
from runs.samples import files, money
from runs.samples.context import Context, Output, Refused, step

ROWS_PER_STEP = 100
MOST_SHOWN = 20
_STATEMENT: Final = ("booked_on", "counterparty", "reference", "amount", "balance")
# AR-26-00417  Fenwick Boats Ltd            2026-03-31       1,204.50
_OPEN_INVOICE = re.compile(
    rf"(?P<number>AR-\d\d-\d{{5}}) +(?P<customer>\S.*?) {{2,}}(?P<due>\d{{4}}-\d\d-\d\d)"
    rf" +(?P<amount>{money.AMOUNT})"
)
_NUMBER = re.compile(r"\bAR[ -]?(\d\d)[ -]?(\d{5})\b", re.IGNORECASE)


class BalanceBroken(Refused):
    """A row of the statement is missing or was changed."""


class ListUnreadable(Refused):
    """The list of open invoices doesn't have the form it should."""


@executor("samples.read_statement")
def read_statement(ctx: Context, statement: str) -> Output:
    """Every balance must follow from the one before it."""
    rows = files.read_table(statement, _STATEMENT)
    payments = []
    before: Decimal | None = None
    for number, row in enumerate(rows, start=1):
        amount, balance = money.parse(row["amount"]), money.parse(row["balance"])
        if before is not None and before + amount != balance:
            raise BalanceBroken(
                f"{statement} row {number}: {money.shown(before)} and {money.shown(amount)} make "
                f"{money.shown(before + amount)}, the statement says {money.shown(balance)}"
            )
        before = balance
        if amount > 0:
            payments.append({**row, "amount": money.plain(amount)})
        if number % ROWS_PER_STEP == 0 or number == len(rows):
            step(ctx, number, len(rows), "row")
    if before is None:
        raise BalanceBroken(f"{statement} has no rows")
    return {
        "rows": len(rows),
        "closing_balance": money.plain(before),
        "payments": len(payments),
        "payments_key": files.put_json(files.result_key(ctx, "payments.json"), payments),
    }


@executor("samples.read_open_invoices")
def read_open_invoices(ctx: Context, listing: str) -> Output:
    invoices = []
    for number, line in enumerate(files.read_text(listing).splitlines(), start=1):
        if not line.startswith("AR-"):
            continue
        match = _OPEN_INVOICE.fullmatch(line.rstrip())
        if not match:
            raise ListUnreadable(f"{listing} line {number}: “{line.strip()[:80]}” is unclear")
        amount = money.plain(money.parse(match["amount"]))
        invoices.append({**match.groupdict(), "amount": amount})
    if invoices:
        due = sorted(invoice["due"] for invoice in invoices)
        customers = len({invoice["customer"] for invoice in invoices})
        ctx.log(f"{customers} customers owe; due from {due[0]} to {due[-1]}")
    return {
        "invoices": len(invoices),
        "open": money.plain(sum((Decimal(i["amount"]) for i in invoices), Decimal(0))),
        "invoices_key": files.put_json(files.result_key(ctx, "open-invoices.json"), invoices),
    }


@executor("samples.reconcile")
def reconcile(ctx: Context, payments_key: str, invoices_key: str) -> Output:
    """By the invoice number in the payment's reference, else by an amount that fits one only."""
    owed = {i["number"]: Decimal(i["amount"]) for i in files.read_json(invoices_key)}
    by_amount: dict[Decimal, list[str]] = defaultdict(list)
    for number, amount in owed.items():
        by_amount[amount].append(number)
    outcomes: dict[str, list[Output]] = {"paid": [], "differs": [], "unmatched": []}
    for payment in files.read_json(payments_key):
        amount = Decimal(payment["amount"])
        named = _NUMBER.search(payment["reference"])
        number = f"AR-{named[1]}-{named[2]}" if named else ""
        if not named and len(fitting := [n for n in by_amount[amount] if n in owed]) == 1:
            number = fitting[0]
        if number not in owed:
            outcomes["unmatched"].append(payment)
        elif (expected := owed.pop(number)) == amount:
            outcomes["paid"].append({"number": number, **payment})
        else:
            outcomes["differs"].append(
                {"number": number, "expected": money.plain(expected), **payment}
            )
    still_open = money.plain(sum(owed.values(), Decimal(0)))
    for found in outcomes["unmatched"][:MOST_SHOWN]:
        ctx.log(
            f"{money.shown(Decimal(found['amount']))} of {found['counterparty']} on "
            f"{found['booked_on']} fits no open invoice; its reference is “{found['reference']}”",
            level="warning",
        )
    return {
        **{name: len(found) for name, found in outcomes.items()},
        "still_open": still_open,
        "unmatched_payments": outcomes["unmatched"][:MOST_SHOWN],
        "result_key": files.put_json(
            files.result_key(ctx, "reconciliation.json"),
            {**outcomes, "open_invoices": sorted(owed), "still_open": still_open},
        ),
    }
