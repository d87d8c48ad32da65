"""Troubleshooting: four verdicts, the gaps of logs by their numbers, and the same as JSON."""

import pytest
from django.utils import timezone

from analytics import troubleshooting
from runs import heartbeat

PAGE = "/admin/troubleshooting/"


@pytest.fixture(autouse=True)
def _alone():
    heartbeat.forget_all()
    yield
    heartbeat.forget_all()


def test_nothing_to_look_at(transactional_db):
    found = troubleshooting.troubles(timezone.now())
    assert found.worse == []
