"""What tests of stuck runs need: no times and signs of life that another test left."""

import pytest

from runs import heartbeat
from runs.stuck import usual
from tests.runs.engine.conftest import begin, broker, start_worker


@pytest.fixture(autouse=True)
def _alone():
    heartbeat.forget_all()
    usual.forget()
    yield
    heartbeat.forget_all()
    usual.forget()


__all__ = ["begin", "broker", "start_worker"]
