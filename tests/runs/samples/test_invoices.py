from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from types import SimpleNamespace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from runs.samples import files, invoices, items, money, pdf
from runs.samples.invoice_layouts import LAYOUTS, Invoice, Line
from runs.samples.pdf_writer import write_pdf

from .printed import PLAIN, SAW


def read(ctx, invoice: Invoice, layout: str) -> SimpleNamespace:
    """The printed invoice after extraction."""
    files.put("samples/printed.pdf", write_pdf(LAYOUTS[layout](invoice)))
    text_key = pdf.extract_text(ctx, document="samples/printed.pdf")["text_key"]
    listed = items.extract_items(ctx, text_key=text_key)
    return SimpleNamespace(
        fields=invoices.extract_fields(ctx, text_key=text_key),
        items_key=listed["items_key"],
        listed=listed,
        items=files.read_json(listed["items_key"]),
    )


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_layout_says_the_same(ctx, empty_storage, layout) -> None:
    found = read(ctx, PLAIN, layout)
    assert found.fields == {
        "number": "KT-20417",
        "date": "2026-03-14",
        "due_date": "2026-04-13",
        "supplier": "KESTREL TOOL COMPANY" if layout == "two rows" else "Kestrel Tool Company",
        "tax_number": "DE123456789",
        "currency": "EUR",
        "net": "1054.50",
        "tax": "200.36",
        "total": "1254.86",
    }
    assert found.listed["layout"] == layout
    assert found.items[0] == {
        "article": "KT-0001",
        "description": "Hex bolt",
        "quantity": "12",
        "price": "87.00",
        "amount": "1044.00",
    }
    assert items.check_totals(ctx, fields=found.fields, items_key=found.items_key) == {
        "lines": 2,
        "net": "1054.50",
        "tax": "200.36",
        "total": "1254.86",
    }
    assert ctx.warnings() == []


@st.composite
def printed(draw: st.DrawFn) -> Invoice:
    """Invoices whose figures are right, from one line to several pages."""
    lines = []
    for _ in range(draw(st.integers(1, 12))):
        quantity = Decimal(draw(st.integers(1, 400)))
        price = Decimal(draw(st.integers(1, 3_000_000))) / 100
        words = draw(st.lists(st.sampled_from(["M8", "x", "40", "2.5", "1,000.00", "Maß"])))
        description = " ".join(["Part", *words][:6])
        article = f"AB-{draw(st.integers(0, 9999)):04d}"
        lines.append(Line(article, description, quantity, "kg", price, quantity * price))
    lines *= draw(st.sampled_from((1, 1, 9)))
    net = sum((line.amount for line in lines), Decimal(0))
    tax = money.cents(net * Decimal("0.19"))
    issued = draw(st.dates(date(2000, 1, 1), date(2099, 12, 31)))
    return replace(
        PLAIN,
        number=draw(st.from_regex(r"[A-Z]{1,3}[-/][0-9]{1,6}", fullmatch=True)),
        issued=issued,
        due=issued + timedelta(days=draw(st.integers(0, 90))),
        currency=draw(st.sampled_from(("EUR", "USD", "SEK"))),
        lines=tuple(lines),
        net=net,
        tax=tax,
        total=net + tax,
    )


@settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(invoice=printed(), layout=st.sampled_from(sorted(LAYOUTS)))
def test_what_was_printed_is_read(ctx, empty_storage, invoice: Invoice, layout: str) -> None:
    found = read(ctx, invoice, layout)
    assert found.fields["number"] == invoice.number
    assert found.fields["date"] == invoice.issued.isoformat()
    assert found.fields["due_date"] == invoice.due.isoformat()
    assert found.fields["currency"] == invoice.currency
    assert [
        (item["article"], item["description"], Decimal(item["quantity"]), Decimal(item["amount"]))
        for item in found.items
    ] == [(line.article, line.description, line.quantity, line.amount) for line in invoice.lines]
    checked = items.check_totals(ctx, fields=found.fields, items_key=found.items_key)
    assert Decimal(checked["total"]) == invoice.total


def test_lines_that_do_not_add_up_are_told_with_both_sums(ctx, empty_storage) -> None:
    found = read(ctx, replace(PLAIN, lines=(*PLAIN.lines, replace(SAW, amount=Decimal(150)))),
                 "columns")  # fmt: skip
    message = "line items sum to 1,204.50, document says 1,054.50"
    with pytest.raises(items.TotalsMismatch, match=message):
        items.check_totals(ctx, fields=found.fields, items_key=found.items_key)
    assert ctx.warnings() == ["line 3: 2 × 5.25 makes 10.50, document says 150.00"]


def test_a_total_that_is_not_net_and_tax_is_told(ctx, empty_storage) -> None:
    found = read(ctx, replace(PLAIN, total=Decimal("1245.86")), "unit first")
    message = "net 1,054.50 and tax 200.36 make 1,254.86, document says 1,245.86"
    with pytest.raises(items.TotalsMismatch, match=message):
        items.check_totals(ctx, fields=found.fields, items_key=found.items_key)


@pytest.mark.parametrize(
    ("text", "error", "message"),
    [
        ("Acme\nTotal USD 1.00", invoices.FieldMissing,
         "no invoice number found; looked for Invoice number, Rechnungsnummer, Invoice #"),
        ("Acme\nInvoice # 7\nDated 1 May 2026", invoices.FieldMissing, "no total found"),
        ("Acme\nInvoice # 7\nTotal USD 1.00", invoices.FieldMissing, "no invoice date found"),
        ("Acme\nInvoice # 7\nDated 31 Juno 2026\nTotal USD 1.00", invoices.FieldUnclear,
         "31 Juno 2026 is not a date"),
    ],
)  # fmt: skip
def test_a_missing_field_is_named(ctx, place, text, error, message) -> None:
    with pytest.raises(error, match=message):
        invoices.extract_fields(ctx, text_key=place("text.txt", text))


def test_an_invoice_without_tax_and_due_date_is_one_too(ctx, place) -> None:
    text = "Acme\nInvoice # 7\nDated 1 May 2026\nTotal USD 1.00"
    fields = invoices.extract_fields(ctx, text_key=place("text.txt", text))
    assert (fields["net"], fields["tax"], fields["due_date"]) == (None, "0.00", None)


def test_a_line_that_cannot_be_read_is_not_passed_over(ctx, place) -> None:
    text = "1 AB-1 Bolt 2 1.00 2.00\n2 AB-2 Bolt two 1.00 2.00\n3 AB-3 Bolt 2 1.00 2.00\n"
    with pytest.raises(items.LineMissing, match="line 3 follows line 1"):
        items.extract_items(ctx, text_key=place("text.txt", text))
    with pytest.raises(invoices.FieldMissing, match="no line items found"):
        items.extract_items(ctx, text_key=place("text.txt", "a letter"))


@pytest.mark.parametrize(
    ("text", "amount"),
    [
        ("1,204.50", "1204.50"),
        ("1.204,50", "1204.50"),
        ("1'204.50", "1204.50"),
        ("1,204,500.00", "1204500.00"),
        ("-200.00", "-200.00"),
        ("2,5", "2.5"),
        ("1.000", "1000"),
        ("12", "12"),
    ],
)
def test_printed_amounts(text, amount) -> None:
    assert money.parse(text) == Decimal(amount)


@pytest.mark.parametrize("text", ["", "abc", "1-2", "--1.00", "1.2e5"])
def test_what_is_no_amount(text) -> None:
    with pytest.raises(money.NotAnAmount, match="is not an amount"):
        money.parse(text)
