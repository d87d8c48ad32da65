"""Objects in storage go after what named them; storage being away delays it and loses nothing."""

import logging
from datetime import timedelta

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import FileSystemStorage, default_storage
from django.utils import timezone

from runs import doomed, lifecycle
from runs.actors import Actor
from runs.models import DoomedObject, Run
from tests.runs.conftest import changed

BEN = Actor(name="ben", ref_type="user", ref_id="user_ben")
pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _in_a_folder(settings, tmp_path):
    settings.STORAGES = {
        **settings.STORAGES,
        "default": {
            "BACKEND": "django.core.files.storage.FileSystemStorage",
            "OPTIONS": {"location": str(tmp_path)},
        },
    }


def kept(*names):
    for name in names:
        default_storage.save(name, ContentFile(b"x"))


def test_what_is_doomed_goes_and_what_is_not_stays():
    now = timezone.now()
    kept("a", "b", "later", "spared")
    doomed.doom(["a", "never there"], "old", now=now)
    doomed.doom(["later", "spared"], "old", now=now, after=timedelta(hours=1))
    assert doomed.spare("spared")
    assert doomed.sweep(now) == 2
    assert [default_storage.exists(name) for name in ("a", "b", "later", "spared")] == [
        False, True, True, True,
    ]  # fmt: skip
    assert doomed.sweep(now + timedelta(hours=1)) == 1
    assert not DoomedObject.objects.exists()
    assert default_storage.exists("spared")


def test_storage_being_away_is_said_once_and_tried_again_later(monkeypatch, caplog):
    now = timezone.now()
    kept("a", "b")
    doomed.doom(["a", "b"], "old", now=now)
    real = FileSystemStorage.delete

    def away(*_):
        raise OSError("storage does not answer")

    monkeypatch.setattr(FileSystemStorage, "delete", away)
    with caplog.at_level(logging.INFO):
        assert doomed.sweep(now) == 0
        assert doomed.sweep(now + timedelta(seconds=29)) == 0
        assert set(DoomedObject.objects.values_list("tries", flat=True)) == {1}
        assert doomed.sweep(now + timedelta(seconds=30)) == 0
        assert doomed.sweep(now + timedelta(seconds=80)) == 0
        assert set(DoomedObject.objects.values_list("tries", flat=True)) == {2}
        assert not doomed.spare("a")
        monkeypatch.setattr(FileSystemStorage, "delete", real)
        assert doomed.sweep(now + timedelta(seconds=90)) == 2
    assert len([r for r in caplog.records if "storage" in r.message]) == 2
    assert not default_storage.exists("a")


def test_a_run_that_is_deleted_takes_its_archive_along(make_run, monkeypatch):
    run = make_run(changed("created", "active"), changed("active", "completed"))
    monkeypatch.setattr(Run, "archive_key", property(lambda run: f"archive/{run}"), raising=False)
    lifecycle.delete(Run.objects.filter(pk=run), by=BEN)
    assert DoomedObject.objects.get().name == f"archive/{Run(pk=run)}"
