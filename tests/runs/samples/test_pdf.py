import hashlib

import pytest

from runs.engine.errors import Permanent
from runs.samples import files, pdf
from runs.samples.context import Stopped
from runs.samples.pdf_writer import Page, write_pdf


def pdf_of(*pages: str) -> bytes:
    sheets = []
    for text in pages:
        sheets.append(Page())
        for row, line in enumerate(text.splitlines()):
            sheets[-1].text(50, 780 - 14 * row, line)
    return write_pdf(sheets)


def test_reads_page_by_page_and_says_how_far_it_is(ctx, storage) -> None:
    output = pdf.extract_text(ctx, document="samples/invoices/inv-1005.pdf")
    text = files.read_text(output["text_key"])
    assert output["pages"] == 9 == len(text.split(pdf.PAGE_BREAK))
    assert ctx.steps == [(page, 9, f"page {page} of 9") for page in range(1, 10)]
    assert output["characters"] == len(text)
    assert text.startswith("HARBOUR & PIKE FASTENERS LTD")
    assert output["text_key"] == "results/run_01test/text.txt"


def test_other_bytes_give_another_text(ctx, place) -> None:
    texts = []
    for amount in ("1,204.50", "1,240.50"):
        content = pdf_of(f"Total USD {amount}")
        key = place("samples/one.pdf", content)
        output = pdf.extract_text(ctx, document=key)
        assert output["sha256"] == hashlib.sha256(content).hexdigest()
        texts.append(files.read_text(output["text_key"]))
    assert texts == ["Total USD 1,204.50", "Total USD 1,240.50"]


def test_stops_between_pages_when_the_run_was_terminated(ctx, storage) -> None:
    ctx.stop_after = 3
    with pytest.raises(Stopped, match="stopped after page 3 of 9"):
        pdf.extract_text(ctx, document="samples/invoices/inv-1005.pdf")
    assert len(ctx.steps) == 3
    assert not (storage / "results").exists()


@pytest.mark.parametrize(
    ("document", "error", "message"),
    [
        ("inv-1013", pdf.NotAPdf, "inv-1013.pdf is not a PDF, it begins with 'Dear accounts"),
        ("inv-1014", pdf.TruncatedPdf, r"breaks off after 46,\d\d\d bytes without its end"),
        ("inv-9999", files.FileMissing, "there is no file samples/invoices/inv-9999.pdf in stora"),
    ],
)
def test_broken_document_fails_for_good_with_its_reason(
    ctx, storage, document, error, message
) -> None:
    with pytest.raises(error, match=message) as raised:
        pdf.extract_text(ctx, document=f"samples/invoices/{document}.pdf")
    assert isinstance(raised.value, Permanent)


def test_pages_without_text_are_taken_for_a_scan(ctx, place) -> None:
    with pytest.raises(pdf.NoText, match="no text on 2 pages; is it a scan"):
        pdf.extract_text(ctx, document=place("samples/scan.pdf", pdf_of("", "")))


def test_damage_inside_names_the_page(ctx, place) -> None:
    content = pdf_of("first", "second", "third")
    second = content.index(b"/LZWDecode", content.index(b"/LZWDecode") + 1)
    damaged = content[:second] + content[second:].replace(b"/LZWDecode", b"/NoDecoder", 1)
    with pytest.raises(pdf.UnreadablePdf, match="damaged on page 2"):
        pdf.extract_text(ctx, document=place("samples/damaged.pdf", damaged))


def test_a_pdf_without_its_inside_is_damaged(ctx, place) -> None:
    with pytest.raises(pdf.UnreadablePdf, match="is damaged"):
        pdf.extract_text(ctx, document=place("samples/hollow.pdf", b"%PDF-1.4\n%%EOF\n"))


def test_too_many_pages_are_refused_before_reading(ctx, place, monkeypatch) -> None:
    monkeypatch.setattr(pdf, "MOST_PAGES", 2)
    with pytest.raises(files.FileTooLarge, match="has 3 pages, 2 is the limit"):
        pdf.extract_text(ctx, document=place("samples/long.pdf", pdf_of("a", "b", "c")))
    assert ctx.steps == []
