"""Files by key in the portal's storage, with a bound on what is read."""

import csv
import io
import json
import time
from collections.abc import Iterable, Sequence
from typing import Any

from django.core.files.base import ContentFile
from django.core.files.storage import default_storage

from runs.exports import cell
from runs.samples.context import Context, Refused

LARGEST_FILE = 20_000_000
MOST_ROWS = 20_000
_PLACING_ATTEMPTS = 10
# Attempts in which the beginning of the content is taken for a file still being written.
_PATIENCE = 3


class FileMissing(Refused):
    """No file has this key."""


class FileTooLarge(Refused):
    """The file is beyond what a sample workflow reads."""


class TableUnreadable(Refused):
    """A CSV file lacks a column, or isn't one."""


def read(key: str) -> bytes:
    try:
        with default_storage.open(key) as file:
            content: bytes = file.read(LARGEST_FILE + 1)
    except (FileNotFoundError, IsADirectoryError):
        raise FileMissing(f"there is no file {key} in storage") from None
    if len(content) > LARGEST_FILE:
        raise FileTooLarge(f"{key} is larger than {LARGEST_FILE:,} bytes")
    return content


def read_text(key: str) -> str:
    try:
        return read(key).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise Refused(f"{key} is not UTF-8 text: {error.reason} at byte {error.start}") from None


def read_json(key: str) -> Any:
    return json.loads(read(key))


def read_table(key: str, columns: tuple[str, ...]) -> list[dict[str, str]]:
    """The CSV file's rows; all of `columns` are in each."""
    reader = csv.DictReader(io.StringIO(read_text(key), newline=""))
    if missing := [column for column in columns if column not in (reader.fieldnames or ())]:
        raise TableUnreadable(f"{key} has no column {', '.join(missing)}")
    rows: list[dict[str, str]] = []
    for row in reader:
        if len(rows) == MOST_ROWS:
            raise FileTooLarge(f"{key} has more than {MOST_ROWS:,} rows")
        if any(row[column] is None for column in columns):
            raise TableUnreadable(f"{key} line {reader.line_num} is cut short")
        rows.append(row)
    return rows


def names(folder: str) -> list[str]:
    """The files in the folder itself, in order; none where there is no such folder."""
    try:
        return sorted(default_storage.listdir(folder)[1])
    except (FileNotFoundError, NotADirectoryError):
        return []


def result_key(ctx: Context, name: str) -> str:
    return f"results/{ctx.run_id}/{name}"


def put(key: str, content: bytes) -> bool:
    """Place the content under exactly this key, over what was there; False if it was there."""
    for attempt in range(_PLACING_ATTEMPTS):
        # Storage never overwrites and has no lock: who finds others writing lets them finish.
        time.sleep(0.02 * attempt)
        try:
            if default_storage.exists(key):
                with default_storage.open(key) as file:
                    there = file.read(len(content) + 1)
                if there == content:
                    return False
                if attempt < _PATIENCE and content.startswith(there):
                    continue
                default_storage.delete(key)
            placed = default_storage.save(key, ContentFile(content))
        except FileNotFoundError:  # someone took the file away meanwhile
            continue
        if placed == key:
            return True
        default_storage.delete(placed)
    raise OSError(f"could not place {key}: others keep writing it")


def put_json(key: str, value: Any) -> str:
    """The key, for the node's output."""
    put(key, json.dumps(value, ensure_ascii=False, indent=1).encode())
    return key


def put_table(key: str, headings: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """As CSV. The key, for the node's output."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(headings)
    writer.writerows([cell(value) for value in row] for row in rows)
    put(key, text.getvalue().encode())
    return key
