"""What becomes of an invoice that was read and checked."""

from datetime import date, timedelta
from decimal import Decimal

from runs.engine.registry import executor
from runs.samples import files, money
from runs.samples.context import Context, Output, Refused

LARGEST_LINES = 5


class AccountInvalid(Refused):
    """The supplier's bank account number has a typing error."""


@executor("samples.open_supplier_case")
def open_supplier_case(ctx: Context, fields: Output, supplier: Output) -> Output:
    """Asks for the supplier to be set up, or recognised under another name."""
    closest = [candidate["name"] for candidate in supplier["closest"]]
    question = f"Is {fields['supplier']} a new supplier, or one of: {'; '.join(closest)}?"
    if supplier["closest"]:
        best = supplier["closest"][0]
        ctx.log(f"{best['name']} comes closest, {best['likeness']:.0%} alike", level="warning")
    else:
        ctx.log("the list of suppliers is empty", level="warning")
    return {
        "decision": "supplier to be set up",
        "question": question,
        "closest": supplier["closest"],
    }


@executor("samples.flag_large")
def flag_large(ctx: Context, items_key: str, net: str, total_eur: str, limit_eur: int) -> Output:
    """Asks for a second approval and shows where the money goes."""
    items = files.read_json(items_key)
    items.sort(key=lambda item: (-Decimal(item["amount"]), item["article"]))
    largest = items[:LARGEST_LINES]
    share = sum(Decimal(item["amount"]) for item in largest) / Decimal(net) * 100
    over = Decimal(total_eur) - limit_eur
    ctx.log(
        f"{money.shown(over)} EUR over the limit; the largest line is {largest[0]['article']}",
        level="warning",
    )
    return {
        "decision": "second approval needed",
        "over_limit_eur": money.plain(over),
        "largest_lines": largest,
        "share_of_largest_lines": f"{share:.1f} %",
    }


@executor("samples.schedule_payment")
def schedule_payment(ctx: Context, fields: Output, supplier: Output) -> Output:
    """On the due date, or the working day before it."""
    if fields["due_date"]:
        due = date.fromisoformat(fields["due_date"])
    else:
        due = date.fromisoformat(fields["date"]) + timedelta(days=supplier["payment_days"])
    pay_on = due - timedelta(days=max(0, due.weekday() - 4))
    iban = supplier["iban"].replace(" ", "")
    if iban and not iban_is_valid(iban):
        raise AccountInvalid(f"{iban} of {supplier['name']} is no account: its check digits differ")
    if pay_on == due:
        ctx.log(f"due on {due:%A}, a working day: paid that day")
    else:
        ctx.log(f"due on {due:%A}, {due}: paid on the {pay_on:%A} before")
    return {
        "decision": "payment scheduled",
        "pay_on": pay_on.isoformat(),
        "method": "transfer" if iban else "cheque",
        "amount": fields["total"],
        "currency": fields["currency"],
    }


@executor("samples.file_result")
def file_result(
    ctx: Context,
    document: str,
    fields: Output,
    totals: Output,
    supplier: Output,
    converted: Output,
    outcomes: list[Output | None],
    answer: Output | None = None,
) -> Output:
    """Everything that was found out, and the outcome of whichever path was taken.

    `answer` is a person's to the question who the supplier is, where that was asked.
    """
    outcome = next(found for found in outcomes if found is not None)
    decision = _decided(outcome["decision"], answer)
    key = files.put_json(
        files.result_key(ctx, "result.json"),
        {
            "document": document,
            "invoice": fields,
            "totals": totals,
            "supplier": supplier,
            "converted": converted,
            "outcome": outcome,
            "answer": answer,
        },
    )
    return {
        "decision": decision,
        "summary": f"{fields['supplier']} {fields['number']}: "
        f"{money.shown(Decimal(totals['total']))} {fields['currency']}, {decision}",
        "result_key": key,
    }


def _decided(decision: str, answer: Output | None) -> str:
    if answer is None or answer["decision"] == "approved":
        return decision
    if answer["decision"] == "rejected":
        return "not to be paid"
    known = answer["value"].get("supplier_id")
    return f"supplier is {known}" if known else decision


def iban_is_valid(iban: str) -> bool:
    """ISO 13616: moved to the end and read as digits, the number leaves 1 modulo 97."""
    if len(iban) < 15 or not iban.isascii() or not iban.isalnum():
        return False
    return int("".join(str(int(character, 36)) for character in iban[4:] + iban[:4])) % 97 == 1
