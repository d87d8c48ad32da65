"""What storage tells when it is asked for a sign of life."""

from typing import NamedTuple


class Look(NamedTuple):
    """Where objects are kept; of a folder, the bytes that its disk has, and those that are free."""

    where: str
    total: int | None = None
    free: int | None = None
