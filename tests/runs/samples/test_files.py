from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal

import pytest

from runs.samples import files


def test_put_replaces_other_content_under_the_same_key(empty_storage) -> None:
    assert files.put("samples/a.txt", b"one") is True
    assert files.put("samples/a.txt", b"one") is False
    assert files.put("samples/a.txt", b"longer") is True
    assert files.put("samples/a.txt", b"long") is True
    assert files.read("samples/a.txt") == b"long"
    assert [path.name for path in (empty_storage / "samples").iterdir()] == ["a.txt"]


def test_many_who_put_the_same_at_once_leave_one_file(empty_storage) -> None:
    content = b"x" * 100_000
    with ThreadPoolExecutor(8) as pool:
        results = [pool.submit(files.put, "samples/a.txt", content) for _ in range(64)]
    for result in results:
        result.result()
    assert files.read("samples/a.txt") == content
    assert [path.name for path in (empty_storage / "samples").iterdir()] == ["a.txt"]


def test_a_file_beyond_the_limit_is_refused(place, monkeypatch) -> None:
    monkeypatch.setattr(files, "LARGEST_FILE", 10)
    assert files.read(place("a.txt", "x" * 10)) == b"x" * 10
    with pytest.raises(files.FileTooLarge, match="is larger than 10 bytes"):
        files.read(place("a.txt", "x" * 11))


def test_a_table_must_have_its_columns_and_whole_rows(place) -> None:
    key = place("t.csv", "\ufeffname,amount\nA,1\n")
    assert files.read_table(key, ("name", "amount")) == [{"name": "A", "amount": "1"}]
    with pytest.raises(files.TableUnreadable, match="has no column due"):
        files.read_table(key, ("name", "due"))
    with pytest.raises(files.TableUnreadable, match="line 3 is cut short"):
        files.read_table(place("t.csv", "name,amount\nA,1\nB\n"), ("name", "amount"))


def test_no_key_leads_out_of_the_storage(empty_storage) -> None:
    with pytest.raises(Exception, match="outside of the base path"):
        files.read("../../etc/passwd")


def test_a_text_in_a_table_is_no_formula_and_a_number_stays_one(empty_storage) -> None:
    files.put_table("t.csv", ("name", "amount"), [("=1+1", Decimal("-2.50")), ("A, B", 3)])
    assert files.read_text("t.csv").splitlines() == ["name,amount", "'=1+1,-2.50", '"A, B",3']
