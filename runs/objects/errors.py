"""What may stand between the portal and its objects."""

from __future__ import annotations

from collections.abc import Sequence


class Missing(Exception):  # noqa: N818  (the object is, not the program wrong)
    """Storage answers, and has no object of that name."""

    def __init__(self, name: str) -> None:
        super().__init__(f"storage has none called {name}")


class StorageAway(Exception):  # noqa: N818
    """Storage does not do it now; the same may be tried again later. What was asked for may have
    been done all the same. The message is for the person who runs the portal."""


class Misconfigured(StorageAway):
    """It will not do it later either, until somebody changes the settings, or storage's."""


class NotDeleted(StorageAway):
    """Storage kept some of what it was to delete; the rest is gone."""

    def __init__(self, message: str, names: Sequence[str]) -> None:
        super().__init__(message)
        self.names = frozenset(names)
