"""What the planner makes of a statement, whatever it happens to know of a small table."""

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connection

# What would be cheaper for a few rows than the index that many rows need. Which one the planner
# takes otherwise depends on whether the server has counted the table yet.
_SHORTCUTS = ("enable_seqscan", "enable_bitmapscan", "enable_sort", "enable_incremental_sort")


@contextmanager
def as_for_many_rows() -> Iterator[None]:
    """Plans within read an index in its order where there is one that gives it."""
    with connection.cursor() as cursor:
        for name in _SHORTCUTS:
            cursor.execute(f"SET {name} = off")
    try:
        yield
    finally:
        with connection.cursor() as cursor:
            for name in _SHORTCUTS:
                cursor.execute(f"RESET {name}")
