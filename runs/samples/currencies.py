"""Amounts in the currency of the books."""

from decimal import Decimal
from typing import Final

from runs.engine.registry import executor
from runs.samples import files, money
from runs.samples.context import Context, Output, Refused

COLUMNS: Final = ("date", "currency", "per_eur")


class RateMissing(Refused):
    """No exchange rate for this currency on or before this day."""


@executor("samples.convert_total")
def convert_total(ctx: Context, fields: Output, rates: str) -> Output:
    return convert(ctx, fields, files.read_table(rates, COLUMNS))


def convert(ctx: Context, fields: Output, rates: list[dict[str, str]]) -> Output:
    """At the latest rate on or before the invoice's date.

    Cents are given as a whole number too, for conditions to compare with.
    """
    currency, day, total = fields["currency"], fields["date"], Decimal(fields["total"])
    rate, since = Decimal(1), day
    if currency != "EUR":
        fitting = [row for row in rates if row["currency"] == currency and row["date"] <= day]
        if not fitting:
            raise RateMissing(f"there is no rate for {currency} on or before {day}")
        latest = max(fitting, key=lambda row: row["date"])
        rate, since = Decimal(latest["per_eur"]), latest["date"]
    euros = money.cents(total / rate)
    if currency != "EUR":
        ctx.log(f"{money.shown(total)} {currency} at {rate} of {since}: {money.shown(euros)} EUR")
    return {
        "total_eur": money.plain(euros),
        "total_eur_cents": int(euros * 100),
        "rate": str(rate),
        "rate_date": since,
    }
