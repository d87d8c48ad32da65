from datetime import date
from decimal import Decimal

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pypdf._codecs._codecs import LzwCodec

from runs.samples import make_documents, pdf_writer
from runs.samples.decisions import iban_is_valid
from runs.samples.install import documents
from runs.samples.traffic import BROKEN, GOOD, STATEMENTS


@pytest.mark.long
def test_the_shipped_files_are_the_written_ones(tmp_path) -> None:
    make_documents.write(tmp_path)
    written = {
        path.relative_to(tmp_path).as_posix(): path.read_bytes()
        for path in tmp_path.rglob("*")
        if path.is_file()
    }
    shipped = {key.removeprefix("samples/"): path for key, path in documents().items()}
    assert shipped.keys() == written.keys()
    # Names only: a difference of megabytes is no message.
    assert [name for name, path in shipped.items() if path.read_bytes() != written[name]] == []


def test_they_are_small_enough_to_ship() -> None:
    assert sum(path.stat().st_size for path in documents().values()) < 3_000_000


def test_traffic_uses_every_invoice_and_statement_once() -> None:
    used = [next(iter(data.values())) for _, data in (*GOOD, *BROKEN, *STATEMENTS)]
    shipped = [key for key in documents() if "/invoices/" in key or "/statement-" in key]
    assert sorted(used) == shipped


def test_every_account_number_has_right_check_digits() -> None:
    ibans = [supplier.iban for supplier in make_documents._suppliers() if supplier.iban]
    assert len(ibans) > 150
    assert all(map(iban_is_valid, ibans))
    assert not iban_is_valid(ibans[0][:-1] + str((int(ibans[0][-1]) + 1) % 10))


# As many different pairs as fill the code table more than once.
@settings(deadline=None)
@example(bytes(value for pair in range(6000) for value in divmod(pair * 31 % 65536, 256)))
@example(b"")
@given(st.binary(max_size=3000))
def test_lzw_is_read_back(data: bytes) -> None:
    assert LzwCodec().decode(pdf_writer._lzw(data)) == data


def test_lzw_is_read_back_wherever_the_codes_grow_wider() -> None:
    data = bytes(value for pair in range(3000) for value in divmod(pair * 31 % 65536, 256))
    for length in (*range(250, 262), *range(505, 518), *range(760, 800), *range(3800, 3900)):
        assert LzwCodec().decode(pdf_writer._lzw(data[:length])) == data[:length]


def test_parentheses_and_backslashes_are_printed_as_they_are() -> None:
    page = pdf_writer.Page()
    page.text(50, 700, r"a(b) \c £ü")
    assert rb"(a\(b\)) Tj" in page.content()
    assert rb"(\\c) Tj" in page.content()
    assert "(£ü) Tj".encode("cp1252") in page.content()


def test_no_invoice_is_dated_before_its_exchange_rates() -> None:
    suppliers = make_documents._suppliers()
    for plan in (*make_documents.PLANS, *make_documents.BROKEN):
        invoice = make_documents._invoice(plan, suppliers)
        assert date(2026, 1, 1) <= invoice.issued < invoice.due
        assert invoice.total > Decimal(0)
