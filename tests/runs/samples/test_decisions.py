import pytest

from runs.samples import decisions, files

FIELDS = {
    "number": "KT-1",
    "date": "2026-03-14",
    "due_date": None,
    "supplier": "Kestrel",
    "currency": "USD",
    "total": "125.00",
}
SUPPLIER = {
    "name": "Kestrel Tool Company",
    "payment_days": 30,
    "iban": "DE89 3704 0044 0532 0130 00",
}


@pytest.mark.parametrize(
    ("due", "pay_on"),
    [
        ("2026-04-10", "2026-04-10"),  # a Friday
        ("2026-04-11", "2026-04-10"),
        ("2026-04-12", "2026-04-10"),
        ("2026-04-13", "2026-04-13"),
        (None, "2026-04-13"),  # 30 days after the invoice
    ],
)
def test_payment_goes_out_on_the_last_working_day(ctx, empty_storage, due, pay_on) -> None:
    payment = decisions.schedule_payment(ctx, {**FIELDS, "due_date": due}, SUPPLIER)
    assert payment["pay_on"] == pay_on
    assert payment["method"] == "transfer"
    assert payment["amount"] == "125.00"


def test_a_supplier_without_account_is_paid_by_cheque(ctx, empty_storage) -> None:
    payment = decisions.schedule_payment(ctx, FIELDS, {**SUPPLIER, "iban": ""})
    assert payment["method"] == "cheque"


def test_a_mistyped_account_stops_the_payment(ctx, empty_storage) -> None:
    wrong = {**SUPPLIER, "iban": "DE89370400440532013001"}
    with pytest.raises(decisions.AccountInvalid, match="DE89370400440532013001 of Kestrel Tool"):
        decisions.schedule_payment(ctx, FIELDS, wrong)


def test_the_largest_lines_of_a_large_invoice_are_shown(ctx, empty_storage) -> None:
    listed = [
        {"article": f"A-{number}", "amount": f"{amount}.00"}
        for number, amount in enumerate((10, 900, 20, 30, 40, 1000))
    ]
    key = files.put_json("items.json", listed)
    found = decisions.flag_large(ctx, key, "2000.00", "2300.50", limit_eur=2000)
    assert [line["article"] for line in found["largest_lines"]] == [
        "A-5",
        "A-1",
        "A-4",
        "A-3",
        "A-2",
    ]
    assert found["share_of_largest_lines"] == "99.5 %"
    assert found["over_limit_eur"] == "300.50"


def test_the_result_says_which_path_was_taken(ctx, empty_storage) -> None:
    payment = decisions.schedule_payment(ctx, FIELDS, SUPPLIER)
    known = {"document": "d.pdf", "fields": FIELDS, "totals": {"total": "1125.00"}}
    found = decisions.file_result(
        ctx, **known, supplier={}, converted={}, outcomes=[None, payment, None]
    )
    assert found["summary"] == "Kestrel KT-1: 1,125.00 USD, payment scheduled"
    assert found["result_key"] == "results/run_01test/result.json"
    assert files.read_json(found["result_key"])["outcome"] == payment
