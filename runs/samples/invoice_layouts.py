"""How suppliers print their invoices: three layouts, each in its own language of figures."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from runs.samples.money import shown
from runs.samples.pdf_writer import BOLD, REGULAR, TYPEWRITER, Page

LEFT, RIGHT, TOP, BOTTOM = 50, 545, 800, 60


@dataclass(frozen=True)
class Line:
    article: str
    description: str
    quantity: Decimal
    unit: str
    price: Decimal
    amount: Decimal


@dataclass(frozen=True)
class Invoice:
    """What is printed, whether it is right or not."""

    number: str
    supplier: str
    address: str
    tax_number: str
    issued: date
    due: date
    currency: str
    lines: tuple[Line, ...]
    net: Decimal
    tax_percent: str
    tax: Decimal
    total: Decimal


def columns(invoice: Invoice) -> list[Page]:
    """English, one row a line, ISO dates."""
    pages: list[Page] = []
    carried = Decimal(0)
    for page, lines, first, last in _sheets(invoice, pages, height=11.2, head=150):
        y: float = TOP
        if first == 1:
            page.text(LEFT, y, invoice.supplier, 15, BOLD)
            page.text(LEFT, y - 16, invoice.address)
            page.text(LEFT, y - 28, _tax_label(invoice.tax_number))
            page.text(LEFT, y - 60, "INVOICE", 12, BOLD)
            if invoice.number:
                page.text(LEFT, y - 76, f"Invoice number: {invoice.number}")
            page.text(230, y - 76, f"Invoice date: {invoice.issued}")
            page.text(400, y - 76, f"Due date: {invoice.due}")
            y -= 110
        else:
            page.text(LEFT, y, f"{invoice.supplier} page {len(pages)}", 8)
            page.text(LEFT, y - 16, "Brought forward", 9, BOLD)
            page.right(RIGHT, y - 16, shown(carried))
            y -= 34
        for x, heading in ((LEFT, "Pos"), (80, "Article"), (140, "Description")):
            page.text(x, y, heading, 9, BOLD)
        for x, heading in ((400, "Quantity"), (470, "Unit price"), (RIGHT, "Amount")):
            page.right(x, y, heading, 9, BOLD)
        page.rule(LEFT, y - 4, RIGHT - LEFT)
        y -= 15
        for position, line in enumerate(lines, start=first):
            page.text(LEFT, y, str(position))
            page.text(80, y, line.article)
            page.text(140, y, line.description)
            page.right(400, y, f"{line.quantity:f}")
            page.right(470, y, shown(line.price))
            page.right(RIGHT, y, shown(line.amount))
            page.rule(LEFT, y - 2.8, RIGHT - LEFT)
            carried += line.amount
            y -= 11.2
        if not last:
            page.text(LEFT, BOTTOM - 20, "Carried forward", 9, BOLD)
            page.right(RIGHT, BOTTOM - 20, shown(carried))
            continue
        totals = [
            ("Net total", shown(invoice.net)),
            (f"Sales tax {invoice.tax_percent} %", shown(invoice.tax)),
            (f"Total {invoice.currency}", shown(invoice.total)),
        ]
        _totals(page, y - 8, totals, REGULAR)
    return pages


def unit_first(invoice: Invoice) -> list[Page]:
    """German, quantity and unit before the article, a comma before the cents."""
    pages: list[Page] = []
    carried = Decimal(0)
    for page, lines, first, last in _sheets(invoice, pages, height=12.2, head=170):
        y: float = TOP
        page.text(LEFT, y, invoice.supplier, 14 if first == 1 else 8, BOLD)
        page.right(RIGHT, BOTTOM - 34, f"Seite {len(pages)}", 8)
        if first == 1:
            page.text(LEFT, y - 16, invoice.address, 8)
            page.text(LEFT, y - 70, "Rechnung", 16, BOLD)
            details = (
                ("Rechnungsnummer:", invoice.number),
                ("Rechnungsdatum:", f"{invoice.issued:%d.%m.%Y}"),
                ("Fällig am:", f"{invoice.due:%d.%m.%Y}"),
                ("USt-IdNr.", invoice.tax_number),
            )
            for row, (label, value) in enumerate(details):
                page.text(340, y - 30 - 12 * row, label)
                page.right(RIGHT, y - 30 - 12 * row, value)
            y -= 115
        else:
            page.text(LEFT, y - 16, "Übertrag")
            page.right(RIGHT, y - 16, _german(carried))
            y -= 36
        for x, heading in ((LEFT, "Pos."), (78, "Menge"), (140, "Artikel"), (200, "Bezeichnung")):
            page.text(x, y, heading, 8, BOLD)
        page.right(475, y, f"Einzelpreis {invoice.currency}", 8, BOLD)
        page.right(RIGHT, y, f"Gesamt {invoice.currency}", 8, BOLD)
        page.rule(LEFT, y - 4, RIGHT - LEFT)
        y -= 14
        for position, line in enumerate(lines, start=first):
            page.text(LEFT, y, str(position), 8)
            page.right(108, y, f"{line.quantity:f}".replace(".", ","), 8)
            page.text(113, y, line.unit, 8)
            page.text(140, y, line.article, 8)
            page.text(200, y, line.description, 8)
            page.right(475, y, _german(line.price), 8)
            page.right(RIGHT, y, _german(line.amount), 8)
            carried += line.amount
            y -= 12.2
        if not last:
            page.text(LEFT, BOTTOM - 20, "Übertrag")
            page.right(RIGHT, BOTTOM - 20, _german(carried))
            continue
        totals = [
            ("Nettobetrag", _german(invoice.net)),
            (f"zzgl. {invoice.tax_percent.replace('.', ',')} % USt", _german(invoice.tax)),
            (f"Rechnungsbetrag {invoice.currency}", _german(invoice.total)),
        ]
        _totals(page, y - 8, totals, REGULAR)
    return pages


def two_rows(invoice: Invoice) -> list[Page]:
    """Typewriter, the figures below the description, days and months in words."""
    pages: list[Page] = []
    for page, lines, first, last in _sheets(invoice, pages, height=22, head=130):
        y: float = TOP
        page.text(LEFT, y, invoice.supplier.upper(), 11, TYPEWRITER)
        if first == 1:
            page.text(LEFT, y - 14, invoice.address, 8, TYPEWRITER)
            page.text(LEFT, y - 26, _tax_label(invoice.tax_number), 8, TYPEWRITER)
            page.text(LEFT, y - 56, f"Invoice # {invoice.number}", 10, TYPEWRITER)
            page.text(LEFT, y - 70, f"Dated {_in_words(invoice.issued)}", 9, TYPEWRITER)
            page.text(300, y - 70, f"Pay by {_in_words(invoice.due)}", 9, TYPEWRITER)
            y -= 80
        else:
            page.right(RIGHT, y, f"- {len(pages)} -", 9, TYPEWRITER)
        y -= 24
        for position, line in enumerate(lines, start=first):
            text = f"{position}. {line.description} ({line.article})"
            page.text(LEFT, y, text, 9, TYPEWRITER)
            page.text(LEFT + 22, y - 10, f"{line.quantity:f} x {shown(line.price)}", 9, TYPEWRITER)
            page.right(RIGHT, y - 10, shown(line.amount), 9, TYPEWRITER)
            y -= 22
        if last:
            totals = [
                ("Sub-total", shown(invoice.net)),
                (f"VAT at {invoice.tax_percent} %", shown(invoice.tax)),
                (f"Amount due ({invoice.currency})", shown(invoice.total)),
            ]
            _totals(page, y - 8, totals, TYPEWRITER)
    return pages


LAYOUTS: dict[str, Callable[[Invoice], list[Page]]] = {
    "columns": columns,
    "unit first": unit_first,
    "two rows": two_rows,
}


def _sheets(
    invoice: Invoice, pages: list[Page], height: float, head: float
) -> Iterator[tuple[Page, tuple[Line, ...], int, bool]]:
    """Each page, with its lines, the first one's position, and whether it is the last page.

    The first page has room for a head of its own, and every page for the totals.
    """
    done = 0
    while done < len(invoice.lines) or not pages:
        room = int((TOP - BOTTOM - (70 if done else head)) / height)
        lines = invoice.lines[done : done + room]
        pages.append(Page())
        yield pages[-1], lines, done + 1, done + room >= len(invoice.lines)
        done += room


def _totals(page: Page, y: float, totals: list[tuple[str, str]], font: str) -> None:
    for label, amount in totals:
        page.text(330, y, label, 10, TYPEWRITER if font == TYPEWRITER else BOLD)
        page.right(RIGHT, y, amount, 10, TYPEWRITER if font == TYPEWRITER else REGULAR)
        y -= 13


def _tax_label(tax_number: str) -> str:
    return f"{'VAT no.' if tax_number[:1].isalpha() else 'EIN'} {tax_number}"


def _german(amount: Decimal) -> str:
    return shown(amount).translate(str.maketrans(",.", ".,"))


def _in_words(day: date) -> str:
    return f"{day.day} {day:%B %Y}"
