"""No cell of a table makes a spreadsheet compute: whatever stands before the sign."""

import csv
import io
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analytics.documents import csv_text
from runs.exports import cell, csv_lines

SIGNS = "=+-@＝＋－＠﹢﹣﹦﹫"
BEFORE = ["", " ", "   ", '"', '""', "\u00a0", "\u3000", "\u200b", "\ufeff", ' "']


@pytest.mark.parametrize("sign", SIGNS)
@pytest.mark.parametrize("before", BEFORE)
def test_a_formula_is_text_whatever_stands_before_it(before, sign):
    text = f"{before}{sign}cmd|' /C calc'!A0"
    assert cell(text) == f"'{text}"


@pytest.mark.parametrize("text", ["\t=1", "\r=1", "\n=1", "\tx", "\rx", ' "\t=1', "\n"])
def test_what_would_begin_another_cell_or_line_is_text(text):
    assert cell(text) == f"'{text}"


@pytest.mark.parametrize(
    "value", ["", "a=1", "7", "run_1", "ä-b", "'=1", "(x)", "“=", 7, -7, 1.5, None, Decimal("-1.5")]
)
def test_what_no_spreadsheet_computes_stays_as_it_is(value):
    assert cell(value) == value


@given(st.text(alphabet=st.sampled_from([*SIGNS, *" \"'\t\r\n,;a1\u3000"]), max_size=12))
def test_no_text_that_is_read_back_begins_with_a_sign(text):
    for written in (csv_lines([[cell(text), "x"]]), csv_text(["a", text], [[text, "x"]])):
        for row in csv.reader(io.StringIO(written, newline="")):
            for found in row:
                assert found.lstrip(' "\u3000\u00a0')[:1] not in set(SIGNS)


def test_the_head_of_a_table_is_as_safe_as_its_rows():
    assert csv_text(["=1+1"], []).strip() == "'=1+1"
