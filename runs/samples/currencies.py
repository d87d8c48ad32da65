"""Amounts in the currency of the books."""

from decimal import Decimal

from runs.engine.registry import executor
from runs.samples import files, money
from runs.samples.context import Context, Output, Refused


class RateMissing(Refused):
    """No exchange rate for this currency on or before this day."""


@executor("samples.convert_total")
def convert_total(ctx: Context, fields: Output, rates: str) -> Output:
    """At the latest rate on or before the invoice's date.

    Cents are given as a whole number too, for conditions to compare with.
    """
    currency, day, total = fields["currency"], fields["date"], Decimal(fields["total"])
    rate, since = Decimal(1), day
    if currency != "EUR":
        fitting = [
            row
            for row in files.read_table(rates, ("date", "currency", "per_eur"))
            if row["currency"] == currency and row["date"] <= day
        ]
        if not fitting:
            raise RateMissing(f"{rates} has no rate for {currency} on or before {day}")
        latest = max(fitting, key=lambda row: row["date"])
        rate, since = Decimal(latest["per_eur"]), latest["date"]
    euros = money.cents(total / rate)
    ctx.log(f"{money.shown(total)} {currency} are {money.shown(euros)} EUR at {rate} of {since}")
    return {
        "total_eur": money.plain(euros),
        "total_eur_cents": int(euros * 100),
        "rate": str(rate),
        "rate_date": since,
    }
