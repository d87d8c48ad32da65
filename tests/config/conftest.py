"""Tests of the portal's parts empty the database as those of the runs do."""

import pytest

from tests import emptying


@pytest.fixture(scope="session", autouse=True)
def _emptied_quickly(request):
    # Most tests here need no database, and are not to make one.
    if "django_db_setup" not in request.fixturenames:
        yield
        return
    with emptying.quickly():
        yield
