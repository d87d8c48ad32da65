import pytest

from runs.samples.currencies import RateMissing, convert_total
from runs.samples.suppliers import match_supplier

LIST = (
    "supplier_id,name,tax_number,country,currency,iban,payment_days\n"
    "S1,Kestrel Tool Company,09-6071548,US,USD,,30\n"
    "S2,Mühlbach Stahlhandel GmbH,DE436668350,DE,EUR,DE89370400440532013000,14\n"
)
RATES = "date,currency,per_eur\n2026-03-01,USD,1.250\n2026-01-01,USD,1.000\n2026-02-01,USD,1.100\n"


def match(ctx, key: str, name: str, tax_number: str | None = None) -> dict:
    fields = {"supplier": name, "tax_number": tax_number, "currency": "USD"}
    return match_supplier(ctx, fields=fields, suppliers=key)


def test_the_tax_number_decides_before_the_name(ctx, place) -> None:
    found = match(ctx, place("s.csv", LIST), "Kestrel Tool Company", "DE 436 668 350")
    assert (found["supplier_id"], found["matched_by"]) == ("S2", "tax number")
    assert found["payment_days"] == 14
    assert found["usual_currency"] is False


@pytest.mark.parametrize("name", ["KESTREL TOOL CO.", "Kestrel Tools Inc", "Kestrel  Tool"])
def test_a_name_is_known_without_its_legal_form(ctx, place, name) -> None:
    found = match(ctx, place("s.csv", LIST), name)
    assert (found["known"], found["supplier_id"], found["matched_by"]) == (True, "S1", "name")


def test_a_stranger_is_no_error_and_the_closest_are_named(ctx, place) -> None:
    found = match(ctx, place("s.csv", LIST), "Saltmarsh Printing", "84-5521907")
    assert found["known"] is False
    assert found["searched"] == 2
    assert {candidate["supplier_id"] for candidate in found["closest"]} == {"S1", "S2"}
    assert ctx.warnings() == ["Saltmarsh Printing is not among 2 suppliers"]


def test_an_empty_list_knows_nobody(ctx, place) -> None:
    found = match(ctx, place("s.csv", LIST.splitlines()[0]), "Kestrel Tool Company")
    assert found == {"known": False, "searched": 0, "closest": []}


@pytest.mark.parametrize(
    ("day", "euros", "since"),
    [
        ("2026-01-31", "125.00", "2026-01-01"),
        ("2026-02-01", "113.64", "2026-02-01"),
        ("2026-12-31", "100.00", "2026-03-01"),
    ],
)
def test_the_latest_rate_before_the_invoice_counts(ctx, place, day, euros, since) -> None:
    fields = {"currency": "USD", "date": day, "total": "125.00"}
    found = convert_total(ctx, fields=fields, rates=place("r.csv", RATES))
    assert (found["total_eur"], found["rate_date"]) == (euros, since)


def test_euros_need_no_rate(ctx, place) -> None:
    fields = {"currency": "EUR", "date": "1999-01-01", "total": "125.00"}
    found = convert_total(ctx, fields=fields, rates=place("r.csv", RATES))
    assert (found["total_eur"], found["rate_date"]) == ("125.00", "1999-01-01")


def test_a_missing_rate_names_currency_and_day(ctx, place) -> None:
    fields = {"currency": "USD", "date": "2025-12-31", "total": "125.00"}
    with pytest.raises(RateMissing, match="there is no rate for USD on or before 2025-12-31"):
        convert_total(ctx, fields=fields, rates=place("r.csv", RATES))
