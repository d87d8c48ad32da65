"""Amounts as they are printed on paper, and as they go into JSON."""

import re
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation
from typing import Final

from runs.samples.context import Refused

CENT: Final = Decimal("0.01")
# 1,204.50 and 1.204,50 and 1'204.50 and -200.00
AMOUNT: Final = r"-?\d{1,3}(?:[,.'’]?\d{3})*[.,]\d{2}"


class NotAnAmount(Refused):
    """A number was expected."""


def parse(text: str) -> Decimal:
    """A printed number: its last separator is the decimal one unless three digits follow it."""
    digits = re.sub(r"['’\s]", "", text)
    separator = "," if digits.rfind(",") > digits.rfind(".") else "."
    whole, _, fraction = digits.rpartition(separator) if separator in digits else (digits, "", "")
    if len(fraction) == 3:
        whole, fraction = whole + fraction, ""
    try:
        return Decimal(f"{re.sub(r'[.,]', '', whole)}.{fraction}")
    except InvalidOperation:
        raise NotAnAmount(f"“{text}” is not an amount") from None


def cents(amount: Decimal) -> Decimal:
    """Rounded as invoices are: half a cent goes up."""
    return amount.quantize(CENT, ROUND_HALF_UP)


def plain(amount: Decimal) -> str:
    """For JSON: 1204.50"""
    return f"{amount:.2f}"


def shown(amount: Decimal) -> str:
    """For people: 1,204.50"""
    return f"{amount:,.2f}"
