"""The text of a PDF, page by page."""

import hashlib
import io

from runs.engine.registry import executor
from runs.samples import files
from runs.samples.context import Context, Output, Refused, step

MOST_PAGES = 500
PAGE_BREAK = "\f"
# What the reader raises on damaged files, beside errors of its own. Not Exception: a timeout of the
# engine is no damage.
_DAMAGE = (
    ArithmeticError, AssertionError, AttributeError, LookupError, RuntimeError, TypeError,
    ValueError,
)  # fmt: skip


class NotAPdf(Refused):
    """The file is something else."""


class TruncatedPdf(Refused):
    """The file's end is missing."""


class UnreadablePdf(Refused):
    """A PDF whose inside is damaged or locked."""


class NoText(Refused):
    """The pages are pictures."""


@executor("samples.extract_text")
def extract_text(ctx: Context, document: str) -> Output:
    """The text goes to storage, because hundreds of pages don't belong into a run's history."""
    content = files.read(document)
    ctx.log(f"the file has {len(content):,} bytes")
    pages = read_pages(ctx, document, content)
    text = PAGE_BREAK.join(pages)
    text_key = files.result_key(ctx, "text.txt")
    files.put(text_key, text.encode())
    return {
        "document": document,
        "sha256": hashlib.sha256(content).hexdigest(),
        "pages": len(pages),
        "characters": len(text),
        "text_key": text_key,
        "excerpt": text[:600],
    }


def read_pages(ctx: Context, document: str, content: bytes) -> list[str]:
    pages = _pages(ctx, document, content)
    if not any(page.strip() for page in pages):
        raise NoText(f"{document} holds no text on {len(pages)} pages; is it a scan?")
    return pages


def _pages(ctx: Context, document: str, content: bytes) -> list[str]:
    # Not above: only a worker comes here, and the web process, which holds this module too, would
    # be 6 MB larger.
    from pypdf import PdfReader
    from pypdf.errors import PyPdfError

    damage = (PyPdfError, *_DAMAGE)
    # A few bytes may stand before the header and after the end mark: real-world files have them.
    if b"%PDF-" not in content[:1024]:
        start = content[:40].decode("utf-8", "replace").strip()
        raise NotAPdf(f"{document} is not a PDF, it begins with {start!r}")
    if b"%%EOF" not in content[-1024:]:
        raise TruncatedPdf(f"{document} breaks off after {len(content):,} bytes without its end")
    try:
        reader = PdfReader(io.BytesIO(content))
        total = 0 if reader.is_encrypted else len(reader.pages)
    except damage as error:
        raise UnreadablePdf(f"{document} is damaged: {error}") from error
    if reader.is_encrypted:
        raise UnreadablePdf(f"{document} is locked by a password")
    if total > MOST_PAGES:
        raise files.FileTooLarge(f"{document} has {total:,} pages, {MOST_PAGES} is the limit")
    pages = []
    for number in range(1, total + 1):
        try:
            pages.append(reader.pages[number - 1].extract_text())
        except damage as error:
            raise UnreadablePdf(f"{document} is damaged on page {number}: {error}") from error
        step(ctx, number, total, "page")
    return pages
