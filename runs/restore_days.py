"""For how many days a restored log stays before it leaves the database again.

Who restores may say; what is usual is set by the app that keeps the policy, which stands above
this one and says so when it is ready.
"""

from __future__ import annotations

from collections.abc import Callable

USUAL = 7
MOST = 36_500


# The latest one is asked.
_providers: list[Callable[[], int]] = [lambda: USUAL]


def provide(provider: Callable[[], int]) -> None:
    """Ask this one from now on."""
    _providers.append(provider)


def usual() -> int:
    return _providers[-1]()
