import csv
import io
from collections import Counter
from dataclasses import replace
from datetime import date
from decimal import Decimal

import pytest

from runs.engine.errors import Permanent
from runs.samples import files, make_documents, money, month_end
from runs.samples.context import Stopped
from runs.samples.invoice_layouts import LAYOUTS, Invoice
from runs.samples.pdf_writer import write_pdf
from runs.states import NodeStatus

from .printed import PLAIN, SAW
from .walk import walk

OTHER = replace(PLAIN, number="H/8812", supplier="Harbour & Pike Fasteners Ltd", tax_number="?")


@pytest.fixture
def month(ctx, place):
    """Walks through the month end of a folder with these files in it."""
    place("samples/bank/open-invoices.txt", "AR-26-00001  Elm  2026-03-31  1,000.00\n")
    place("samples/exchange-rates.csv", "date,currency,per_eur\n2026-03-01,USD,1.250\n")
    place(
        "samples/suppliers.csv",
        "supplier_id,name,tax_number,country,currency,iban,payment_days\n"
        f"S1,Kestrel Tool Company,{PLAIN.tax_number},DE,EUR,,30\n",
    )

    def end(**documents: Invoice | str):
        for name, content in documents.items():
            written = content if isinstance(content, str) else printed(content)
            place(f"samples/march/{name}.pdf", written)
        return walk("month_end", {"folder": "samples/march"}, ctx)

    return end


def printed(invoice: Invoice, layout: str = "columns") -> bytes:
    return write_pdf(LAYOUTS[layout](invoice))


def dearer(invoice: Invoice) -> Invoice:
    """The same with one line more."""
    lines = (*invoice.lines, SAW)
    net = sum((line.amount for line in lines), Decimal(0))
    return replace(invoice, lines=lines, net=net, total=net + invoice.tax)


def table(key: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(files.read_text(key))))


@pytest.mark.long
def test_the_shipped_folder_gives_what_was_printed(ctx, storage) -> None:
    run = walk("month_end", {"folder": "samples/invoices"}, ctx)
    suppliers = make_documents._suppliers()
    invoices = [make_documents._invoice(plan, suppliers) for plan in make_documents.PLANS]
    expected: Counter[str] = Counter()
    for invoice in invoices:
        expected[f"{invoice.supplier} {invoice.currency}".upper()] += invoice.total
    rows = table(run.output["csv"])
    assert {
        f"{row['supplier']} {row['currency']}".upper(): Decimal(row["total"]) for row in rows
    } == expected
    assert [row["supplier"] for row in rows if not row["supplier_id"]] == [
        "TIDEWELL TRAFFIC SIGNS LTD",
        "Saltmarsh Printing",
    ]
    assert [(row["document"][-12:], row["error"]) for row in table(run.output["exceptions"])] == [
        ("inv-1013.pdf", "NotAPdf"),
        ("inv-1014.pdf", "TruncatedPdf"),
        ("inv-1015.pdf", "TotalsMismatch"),
        ("inv-1016.pdf", "TotalsMismatch"),
        ("inv-1017.pdf", "FieldMissing"),
    ]
    filed = files.read_json(run.output["json"])
    assert (filed["invoices"], filed["refused"]) == (12, 5)
    assert Decimal(filed["total_eur"]) == sum(Decimal(row["total_eur"]) for row in rows)
    assert run.output["summary"].startswith(
        f"{money.shown(Decimal(filed['total_eur']))} EUR to pay"
    )
    assert run.output["summary"].endswith("; documents refused: 5 of 17")


def test_a_folder_without_faults_needs_no_exceptions(ctx, month) -> None:
    run = month(a=PLAIN, b=OTHER)
    assert run.statuses["write_exceptions"] == NodeStatus.SKIPPED
    assert run.statuses["write_summary"] == NodeStatus.COMPLETED
    assert run.output["exceptions"] is None
    assert run.output["summary"] == (
        "2,509.72 EUR to pay, 1,000.00 EUR to receive; documents refused: 0 of 2"
    )


def test_sums_are_kept_apart_by_supplier_and_currency(ctx, month) -> None:
    run = month(
        a=PLAIN,
        b=replace(PLAIN, number="2", due=date(2026, 4, 1)),
        c=replace(PLAIN, number="3", currency="USD"),
        d=OTHER,
    )
    columns = ("supplier_id", "currency", "invoices", "total", "total_eur", "first_due")
    assert [tuple(row[column] for column in columns) for row in table(run.output["csv"])] == [
        ("S1", "EUR", "2", "2509.72", "2509.72", "2026-04-01"),
        ("", "EUR", "1", "1254.86", "1254.86", "2026-04-13"),
        ("S1", "USD", "1", "1254.86", "1003.89", "2026-04-13"),
    ]


def test_a_refused_document_stops_no_other(ctx, month) -> None:
    run = month(a="a letter", b=PLAIN, c=replace(OTHER, total=Decimal(1)), d=OTHER)
    assert run.outputs["sum_per_supplier"]["invoices"] == 2
    refused = table(run.output["exceptions"])
    assert [row["document"] for row in refused] == ["samples/march/a.pdf", "samples/march/c.pdf"]
    assert [row["error"] for row in refused] == ["NotAPdf", "TotalsMismatch"]
    assert refused[0]["reason"].startswith("samples/march/a.pdf is not a PDF")
    assert [message for message in ctx.warnings() if "refused" in message] != []


def test_a_folder_of_refused_documents_is_a_result_too(ctx, month) -> None:
    run = month(a="a letter")
    assert run.outputs["write_exceptions"]["errors"] == {"NotAPdf": 1}
    assert table(run.output["csv"]) == []


def test_the_same_invoice_in_two_documents_is_paid_once(ctx, month) -> None:
    run = month(a=PLAIN, b=dearer(PLAIN), c=replace(OTHER, number=PLAIN.number))
    assert run.outputs["sum_per_supplier"]["invoices"] == 2
    (refused,) = table(run.output["exceptions"])
    assert (refused["document"], refused["error"]) == ("samples/march/b.pdf", "InvoiceTwice")
    assert refused["reason"] == "invoice KT-20417 of Kestrel Tool Company is in a.pdf too"


def test_an_invoice_without_exchange_rate_is_refused(ctx, month) -> None:
    run = month(a=PLAIN, b=replace(OTHER, currency="SEK"))
    (refused,) = table(run.output["exceptions"])
    assert refused["reason"] == "there is no rate for SEK on or before 2026-03-14"


def test_other_bytes_in_the_folder_give_another_result(ctx, month) -> None:
    before = files.read_json(month(a=PLAIN, b=OTHER).output["json"])
    after = files.read_json(month(b=dearer(OTHER)).output["json"])
    assert Decimal(after["total_eur"]) - Decimal(before["total_eur"]) == SAW.amount


def test_progress_counts_documents_and_lines_of_the_log_name_them(ctx, place) -> None:
    read = [place(f"samples/{name}.pdf", printed(PLAIN)) for name in "abc"]
    found = month_end.read_documents(ctx, read)
    assert (found["read"], found["pages"], found["lines"]) == (3, 3, 6)
    assert ctx.steps == [(n, 3, f"document {n} of 3") for n in (1, 2, 3)]
    said = "invoice KT-20417 of Kestrel Tool Company, 1,254.86 EUR in 2 lines"
    assert ctx.logs == [("info", f"{name}.pdf: {said}") for name in "abc"]


def test_a_terminated_run_stops_between_documents_and_between_pages(ctx, storage) -> None:
    read = [f"samples/invoices/inv-{number}.pdf" for number in (1010, 1003, 1001)]
    ctx.stop_after = 2
    with pytest.raises(Stopped, match="stopped after document 2 of 3"):
        month_end.read_documents(ctx, read)
    ctx.stop_after = 0
    with pytest.raises(Stopped, match="stopped after page 1 of 6"):
        month_end.read_documents(ctx, read[2:])


def test_a_storage_that_fails_refuses_no_document_and_may_be_tried_again(ctx, storage) -> None:
    # The link leads to itself: the document is there, but can't be opened now.
    (storage / "samples" / "a.pdf").symlink_to("a.pdf")
    with pytest.raises(OSError, match=r"a\.pdf") as raised:
        month_end.read_documents(ctx, ["samples/a.pdf"])
    assert not isinstance(raised.value, Permanent)
    assert ctx.logs == []


@pytest.mark.parametrize("folder", ["samples/none", "samples/suppliers.csv", "samples/bank"])
def test_a_folder_without_documents_is_refused(ctx, storage, folder) -> None:
    with pytest.raises(month_end.FolderUnfit, match=f"{folder} holds 0 PDFs"):
        month_end.list_documents(ctx, folder)


def test_a_folder_with_too_many_documents_is_refused(ctx, storage, monkeypatch) -> None:
    assert month_end.list_documents(ctx, "samples/invoices")["documents"] == 17
    monkeypatch.setattr(month_end, "MOST_DOCUMENTS", 16)
    with pytest.raises(month_end.FolderUnfit, match="holds 17 PDFs; a month end reads from 1 to"):
        month_end.list_documents(ctx, "samples/invoices")


def test_no_folder_outside_the_storage_is_listed(ctx, storage) -> None:
    with pytest.raises(Exception, match="outside of the base path"):
        month_end.list_documents(ctx, "samples/../../..")
