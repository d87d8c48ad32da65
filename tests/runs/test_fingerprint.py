"""What failures have in common, on messages as they really look."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runs.fingerprint import fingerprint, normalised, parsed, public

ALIKE = {
    "model timeouts": (
        "no answer from gpt-4.1-mini within 30 s",
        "no answer from gpt-5-mini within 120.5 s",
    ),
    "totals": (
        "line items sum to 1,204.50, document says 1,240.50",
        "line items sum to 17, document says -3.2e4",
    ),
    "uuids": (
        "job 6f1f3a0e-9d5b-4a6e-8f0e-0c7c2f9a1b11 not found",
        "job 00000000-0000-0000-0000-000000000000 not found",
    ),
    "type ids": (
        "run_01k9f4r2m8c6v0e5t7q3x1k3m9 is gone",
        "run_01kb4z6m7qfj2v9x3c5t8w0y1d is gone",
    ),
    "memory addresses": (
        "<Page object at 0x7f3a2c1d9e80> has no text",
        "<Page object at 0x10f> has no text",
    ),
    "paths": (
        "[Errno 2] No such file or directory: '/var/data/in/2026/inv-88213.pdf'",
        "[Errno 2] No such file or directory: '/tmp/x.png'",
    ),
    "windows paths": (
        r"cannot open C:\Users\maria\Scans\a.pdf",
        r"cannot open D:\in\b.tiff",
    ),
    "file names": (
        "inv-88213.pdf has no text layer and the scan is too faint",
        "Scan_final.PDF has no text layer and the scan is too faint",
    ),
    "dates": (
        "certificate expired on 2026-03-02T13:54:07.112Z",
        "certificate expired on 2025-12-31 23:59:59+01:00",
    ),
    "dates in words": (
        "certificate expired on Mon, 02 Mar 2026 13:54:07 GMT",
        "certificate expired on Sun, 31 Dec 2025 23:59:59 GMT",
    ),
    "addresses": (
        "connect to 10.0.3.17:5432 failed: timed out",
        "connect to 192.168.1.1:6432 failed: timed out",
    ),
    "urls": (
        "503 Server Error for url: https://store.example/v1/documents/88213?token=abc",
        "503 Server Error for url: https://store.example/v1/documents/1",
    ),
    "mail addresses": (
        "mailbox maria@example.org is full",
        "mailbox ben.k+x@mail.example.com is full",
    ),
    "tokens": (
        "request req-9f8a7b6c5d4e3f2a1b0c9d8e failed",
        "request req-00aa7b6c5d4e3f2a1b0c9dff failed",
    ),
    "lines of traces": (
        "File pipeline.py:118 in read, column 4",
        "File pipeline.py:9 in read, column 12",
    ),
    "spaces and case": ("Totals  differ\n on page 3", "totals differ on page 11"),
}  # fmt: skip
APART = (
    ("KeyError", "'iban'", "KeyError", "'total'"),
    ("HTTPError", "503 from https://store.example/a", "HTTPError", "503 from https://mail.example/a"),
    ("ValueError", "totals differ", "ValueError", "dates differ"),
    ("ValueError", "totals differ", "TypeError", "totals differ"),
)  # fmt: skip


@pytest.mark.parametrize(("one", "other"), ALIKE.values(), ids=ALIKE.keys())
def test_what_differs_from_run_to_run_does_not_tell_them_apart(one, other):
    assert normalised(one).lower() == normalised(other).lower()
    assert fingerprint("E", one, "ocr") == fingerprint("E", other, "ocr")
    assert "#" in normalised(one) or "spaces" in one or "otals" in one


@pytest.mark.parametrize(("kind", "one", "other_kind", "other"), APART)
def test_what_is_another_problem_stays_apart(kind, one, other_kind, other):
    assert fingerprint(kind, one, "ocr") != fingerprint(other_kind, other, "ocr")


def test_the_same_error_at_another_node_is_another_group():
    assert fingerprint("E", "x", "ocr") != fingerprint("E", "x", "extract")


def test_a_message_stays_readable():
    assert (
        normalised("TotalsMismatch on page 3: line items sum to 1,204.50, document says 1,240.50")
        == "TotalsMismatch on page #: line items sum to #, document says #"
    )
    assert (
        normalised("connection to db-ledger:5432 was reset")
        == "connection to db-ledger:# was reset"
    )


@given(st.text())
def test_any_text_has_a_group_that_a_url_can_carry(text):
    group = fingerprint("E", text, "n")
    assert parsed(public(group)) == group
    assert normalised(normalised(text)) == normalised(normalised(normalised(text)))


@pytest.mark.parametrize("text", ["", "xyz", "F" * 16, "0" * 15, "0" * 17, "-" * 16])
def test_other_texts_are_no_group(text):
    assert parsed(text) is None


@pytest.mark.parametrize(
    "text", ["1" * 100_000, "a/" * 50_000, "-_" * 50_000, "/." * 50_000, "a@" * 50_000]
)
def test_no_message_takes_long(text):
    assert len(normalised(text)) <= 300
