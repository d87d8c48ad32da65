import pytest
from django.utils import timezone

from runs.models import User
from runs.triggers import changes
from tests.runs.conftest import executor_node


@pytest.fixture
def ada(db):
    return User.objects.create_superuser("ada", password="x")


@pytest.fixture
def target(publish):
    return publish(executor_node("only"), slug="target")


@pytest.fixture
def make_trigger(ada):
    """Make a trigger that does `then`, by default a start of the workflow “target”."""

    def make(kind="schedule", when=None, then=None, name="nightly", now=None, **more):
        rule = {"when": when, "then": then or [{"start": "target", "input": {"a": 1}}]}
        if when is None:
            rule["when"] = {"cron": "0 6 * * *", "zone": "Europe/Berlin"}
        if "condition" in more:
            rule["if"] = more.pop("condition")
        return changes.make(ada, kind, name, rule, now=now or timezone.now(), **more)

    return make
