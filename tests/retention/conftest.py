"""What tests of retention need: committed data that can be cleaned away."""

import pytest

from tests import emptying


@pytest.fixture(scope="session", autouse=True)
def _emptied_quickly(django_db_setup, django_db_blocker):
    with emptying.quickly():
        yield
