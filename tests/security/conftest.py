"""As for tests of runs: committed data is cleaned away quickly."""

from tests.runs.conftest import _emptied_quickly

__all__ = ["_emptied_quickly"]
