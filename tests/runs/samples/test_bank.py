import pytest

from runs.samples import bank, files
from runs.samples.files import TableUnreadable
from runs.samples.money import NotAnAmount

HEAD = "booked_on,counterparty,reference,amount,balance\n"
STATEMENT = (
    HEAD
    + "2026-03-02,Fenwick Boats,Invoice AR-26-00001,100.00,1100.00\n"
    + "2026-03-03,Office rent,March,-400.00,700.00\n"
    + "2026-03-04,Alder Glass,ar 26 00002,40.00,740.00\n"
    + "2026-03-05,Pine Optics,Thank you,77.10,817.10\n"
    + "2026-03-06,Somebody,Thank you,5.00,822.10\n"
    + "2026-03-07,Fenwick Boats,Invoice AR-26-00001,100.00,922.10\n"
)
OPEN = """Open invoices

Number        Customer                          Due
AR-26-00001   Fenwick Boats                     2026-03-31        100.00
AR-26-00002   Alder Glass                       2026-03-31         50.00
AR-26-00003   Pine Optics                       2026-03-31         77.10
AR-26-00004   Elm Freight                       2026-03-31      1,000.00
"""


def reconcile(ctx, place, statement: str = STATEMENT) -> dict:
    rows = bank.read_statement(ctx, statement=place("s.csv", statement))
    listed = bank.read_open_invoices(ctx, listing=place("o.txt", OPEN))
    return bank.reconcile(ctx, rows["payments_key"], listed["invoices_key"])


def test_payments_find_their_invoices(ctx, place) -> None:
    found = reconcile(ctx, place)
    assert (found["paid"], found["differs"], found["unmatched"]) == (2, 1, 2)
    assert found["still_open"] == "1000.00"
    result = files.read_json(found["result_key"])
    assert [line["number"] for line in result["paid"]] == ["AR-26-00001", "AR-26-00003"]
    assert result["differs"][0]["expected"] == "50.00"
    # One fits nothing; the other pays an invoice for the second time.
    assert [line["amount"] for line in result["unmatched"]] == ["5.00", "100.00"]
    assert result["open_invoices"] == ["AR-26-00004"]


def test_an_amount_that_fits_two_invoices_fits_none(ctx, place) -> None:
    rows = bank.read_statement(ctx, place("s.csv", HEAD + "2026-03-05,Pine,Thanks,77.10,77.10\n"))
    listing = OPEN.replace("1,000.00", "   77.10")
    listed = bank.read_open_invoices(ctx, place("o.txt", listing))
    assert bank.reconcile(ctx, rows["payments_key"], listed["invoices_key"])["unmatched"] == 1


def test_another_amount_gives_another_result(ctx, place) -> None:
    changed = STATEMENT.replace(",40.00,740.00", ",50.00,750.00").replace(
        "817.10", "827.10"
    ).replace("822.10", "832.10").replace("922.10", "932.10")  # fmt: skip
    assert reconcile(ctx, place, changed)["differs"] == 0


def test_a_lost_row_breaks_the_balance(ctx, place) -> None:
    rows = STATEMENT.splitlines(keepends=True)
    message = r"row 2: 1,100.00 and 40.00 make 1,140.00, the statement says 740.00"
    with pytest.raises(bank.BalanceBroken, match=message):
        reconcile(ctx, place, "".join(rows[:2] + rows[3:]))


def test_the_shipped_statement_has_every_outcome(ctx, storage) -> None:
    rows = bank.read_statement(ctx, statement="samples/bank/statement-2026-03.csv")
    listed = bank.read_open_invoices(ctx, listing="samples/bank/open-invoices.txt")
    found = bank.reconcile(ctx, rows["payments_key"], listed["invoices_key"])
    assert found["paid"] + found["differs"] + found["unmatched"] == rows["payments"]
    assert min(found["paid"], found["differs"], found["unmatched"]) > 0


@pytest.mark.parametrize(
    ("statement", "error"),
    [
        (HEAD, bank.BalanceBroken),
        ("a,b\n1,2\n", TableUnreadable),
        (HEAD + "2026-03-02,A,B,ten,10.00\n", NotAnAmount),
    ],
)
def test_what_is_no_statement(ctx, place, statement, error) -> None:
    with pytest.raises(error):
        reconcile(ctx, place, statement)


def test_an_unclear_line_in_the_list_is_named(ctx, place) -> None:
    with pytest.raises(bank.ListUnreadable, match="line 2: “AR-26-00001 Fenwick” is unclear"):
        bank.read_open_invoices(ctx, listing=place("o.txt", "Open\nAR-26-00001 Fenwick\n"))
