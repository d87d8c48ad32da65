"""Tests of the portal's parts empty the database as those of the runs do."""

import pytest

from tests import emptying


@pytest.fixture(scope="session", autouse=True)
def _emptied_quickly():
    with emptying.quickly():
        yield
