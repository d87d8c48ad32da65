"""An invoice whose figures are right, to be printed in any layout."""

from datetime import date
from decimal import Decimal

from runs.samples.invoice_layouts import Invoice, Line

HAMMER = Line("KT-0001", "Hex bolt", Decimal(12), "Stk", Decimal("87.00"), Decimal("1044.00"))
SAW = Line("KT-0002", "Drill bit 8 mm", Decimal(2), "m", Decimal("5.25"), Decimal("10.50"))
PLAIN = Invoice(
    number="KT-20417",
    supplier="Kestrel Tool Company",
    address="1 Alder Street",
    tax_number="DE123456789",
    issued=date(2026, 3, 14),
    due=date(2026, 4, 13),
    currency="EUR",
    lines=(HAMMER, SAW),
    net=Decimal("1054.50"),
    tax_percent="19",
    tax=Decimal("200.36"),
    total=Decimal("1254.86"),
)
