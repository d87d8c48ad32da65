"""Objects in storage go after what named them; storage being away delays it and loses nothing."""

import logging
from datetime import timedelta

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import FileSystemStorage, default_storage
from django.utils import timezone

from runs import doomed
from runs.actors import Actor
from runs.bulk import tasks
from runs.models import DoomedObject

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


def test_storage_being_away_delays_it(monkeypatch):
    now = timezone.now()
    kept("a", "b")
    doomed.doom(["a", "b"], "old", now=now)
    real = FileSystemStorage.delete

    def away(storage, name):
        if name == "b":
            raise OSError("storage does not answer")
        real(storage, name)

    monkeypatch.setattr(FileSystemStorage, "delete", away)
    with pytest.raises(OSError, match="does not answer"):
        doomed.sweep(now)
    assert DoomedObject.objects.get().name == "b"
    assert doomed.sweep(now + timedelta(seconds=29)) == 0
    with pytest.raises(OSError, match="does not answer"):
        doomed.sweep(now + timedelta(seconds=30))
    assert doomed.sweep(now + timedelta(seconds=80)) == 0
    assert not doomed.spare("b")
    monkeypatch.setattr(FileSystemStorage, "delete", real)
    assert doomed.sweep(now + timedelta(seconds=90)) == 1
    assert not default_storage.exists("b")


def test_storage_being_away_is_said_once(monkeypatch, caplog):
    def away(*_):
        raise OSError("storage does not answer")

    monkeypatch.setattr(FileSystemStorage, "delete", away)
    doomed.doom(["a", "b"], "old", now=timezone.now())
    with caplog.at_level(logging.INFO):
        for _ in range(3):
            DoomedObject.objects.update(due_at=timezone.now())
            tasks.sweep_storage()
        monkeypatch.undo()
        DoomedObject.objects.update(due_at=timezone.now())
        tasks.sweep_storage()
    assert ["wait" in r.message for r in caplog.records if "storage" in r.message] == [True, True]
    assert not DoomedObject.objects.exists()
