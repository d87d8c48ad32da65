"""What tests of stuck runs need: no times and signs of life that another test left."""

import pytest

from runs import heartbeat
from runs.stuck import usual
from tests.runs.engine.conftest import *  # noqa: F403  (real workers and a real beat)


@pytest.fixture(autouse=True)
def _alone():
    heartbeat.forget_all()
    usual.forget()
    yield
    heartbeat.forget_all()
    usual.forget()
