"""What tests of runs need: committed data that can be cleaned away, and makers of runs."""

from importlib import import_module
from types import SimpleNamespace

import pytest
from django.contrib.auth.models import Group
from django.db import connection
from django.db.migrations.loader import MigrationLoader
from django.utils import timezone

from runs import ids, recorder, recorder_archive
from runs.actors import Actor
from runs.models import Workflow
from runs.rows import NewEvent
from runs.states import Kind
from tests import emptying

ANNA = Actor(name="anna", ref_type="user", ref_id="user_anna")


@pytest.fixture(scope="session", autouse=True)
def _emptied_quickly(django_db_setup, django_db_blocker):
    with emptying.quickly():
        yield


@pytest.fixture
def installed_groups(db):
    """What the migrations made, also after a committed test was cleaned away and it with it."""
    if not Group.objects.exists():
        make_groups()


def make_groups():
    """As the migrations do it, with the models as they see them."""
    for app, name, step in (
        ("runs", "0004_access", "make_groups"),
        ("runs", "0008_sources", "give_permissions"),
        ("runs", "0009_deletion", "give_export"),
        ("runs", "0011_decisions", "give_decide"),
        ("runs", "0012_limits", "give_limits"),
        ("runs", "0013_triggers", "give_permissions"),
        ("runs", "0014_bulk", "give_hold"),
        ("runs", "0017_archive", "give_permissions"),
        ("runs", "0023_services", "give_permissions"),
        ("analytics", "0002_mark_permission", "give_permission"),
    ):
        state = MigrationLoader(connection).project_state((app, name))
        migration = import_module(f"{app}.migrations.{name}")
        getattr(migration, step)(state.apps, SimpleNamespace(connection=connection))


def executor_node(key, executor="probe.noop", **fields):
    return {"id": key, "kind": "executor", "executor": executor, **fields}


@pytest.fixture
def publish(db):
    def make(*nodes, slug="example", **fields):
        return Workflow.objects.publish(slug, {"nodes": list(nodes), **fields})

    return make


@pytest.fixture
def version(publish):
    return publish(executor_node("first"), executor_node("second", needs=["first"]))


def new_run(version, *more, keys=("first", "second")):
    """A run for `recorder.create`, with its first event and `more`."""
    created = NewEvent(Kind.RUN_CREATED, actor="anna", data={"input": {}})
    return recorder.NewRun(
        id=ids.new_id(),
        workflow_id=version.workflow_id,
        version_id=version.pk,
        trigger="manual",
        triggered_by="anna",
        ref_type="user",
        ref_id="user_anna",
        events=[created, *more],
        nodes=[(key, "executor", "probe.noop") for key in keys],
    )


@pytest.fixture
def make_run(version):
    """Record a queued run; gives its id."""

    def make(*more, of=None, keys=("first", "second")):
        new = new_run(of or version, *more, keys=keys)
        recorder.create([new], now=timezone.now())
        return new.id

    return make


def changed(before, after, **data):
    return NewEvent(Kind.STATE_CHANGED, actor="anna", data={"from": before, "to": after, **data})


def page_events(monkeypatch, count):
    """Let whole logs be read in pages of so many events."""
    usual = f"LIMIT {recorder_archive.PAGE_EVENTS}"
    assert usual in recorder_archive._PAGE
    small = recorder_archive._PAGE.replace(usual, f"LIMIT {count}")
    monkeypatch.setattr(recorder_archive, "_PAGE", small)


def page_bytes(monkeypatch, count):
    usual = f"before < {recorder_archive.PAGE_BYTES}"
    assert usual in recorder_archive._PAGE
    small = recorder_archive._PAGE.replace(usual, f"before < {count}")
    monkeypatch.setattr(recorder_archive, "_PAGE", small)
