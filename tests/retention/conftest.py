"""As for tests of runs: committed data is cleaned away quickly, and runs are made as there."""

from tests.runs.conftest import _emptied_quickly

__all__ = ["_emptied_quickly"]
