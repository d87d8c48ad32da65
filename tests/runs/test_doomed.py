"""Objects in storage go after what named them; storage being away delays it and loses nothing."""

import io
import logging
from datetime import timedelta

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.utils import timezone

from runs import doomed, objects
from runs.actors import Actor
from runs.bulk import tasks
from runs.models import DoomedObject
from tests.seaweed import Answer

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
    assert doomed.spare(["spared"]) == {"spared"}
    assert doomed.sweep(now) == 2
    assert [default_storage.exists(name) for name in ("a", "b", "later", "spared")] == [
        False, True, True, True,
    ]  # fmt: skip
    assert doomed.sweep(now + timedelta(hours=1)) == 1
    assert not DoomedObject.objects.exists()
    assert default_storage.exists("spared")


def test_what_storage_keeps_is_tried_again_and_holds_nothing_else_up(tmp_path):
    now = timezone.now()
    kept("a", "c")
    # No permission holds root off; this does.
    (tmp_path / "b").mkdir()
    doomed.doom(["a", "b", "c"], "old", now=now)
    with pytest.raises(objects.NotDeleted, match="cannot be deleted"):
        doomed.sweep(now)
    assert DoomedObject.objects.get().name == "b"
    assert list(objects.names("")) == []
    assert doomed.sweep(now + timedelta(seconds=29)) == 0
    with pytest.raises(objects.StorageAway):
        doomed.sweep(now + timedelta(seconds=30))
    assert doomed.sweep(now + timedelta(seconds=80)) == 0
    assert not doomed.spare(["b"])
    (tmp_path / "b").rmdir()
    kept("b")
    assert doomed.sweep(now + timedelta(seconds=90)) == 1
    assert not default_storage.exists("b")


def test_storage_being_away_is_said_once(tmp_path, caplog):
    (tmp_path / "a").mkdir()
    doomed.doom(["a"], "old", now=timezone.now())
    with caplog.at_level(logging.INFO):
        for _ in range(3):
            DoomedObject.objects.update(due_at=timezone.now())
            tasks.sweep_storage()
        (tmp_path / "a").rmdir()
        DoomedObject.objects.update(due_at=timezone.now())
        tasks.sweep_storage()
    assert ["wait" in r.message for r in caplog.records if "storage" in r.message] == [True, True]
    assert not DoomedObject.objects.exists()


def test_in_a_bucket_they_go_by_the_thousand(settings, bucket, between):
    settings.STORAGES = bucket.storages(between)
    now = timezone.now()
    names = [f"exports/{number:04}" for number in range(1_100)]
    for name in ("exports/0000", "exports/1099", "kept"):
        objects.put_new(name, io.BytesIO(b"x"), 1)
    doomed.doom(names, "old", now=now)
    between.meets(Answer(503, "SlowDown"), method="POST")
    with pytest.raises(objects.StorageAway, match="too busy"):
        doomed.sweep(now)
    assert len(bucket.keys()) == 3
    assert DoomedObject.objects.count() == 1_100
    between.heal()
    tried = between.count("POST")
    assert doomed.sweep(now) == 100
    assert doomed.sweep(now + timedelta(seconds=30)) == 1_000
    assert bucket.keys() == ["kept"]
    assert between.count("POST") == tried + 2
    assert not DoomedObject.objects.exists()
