"""Archived runs, and storage that is away or spoilt, for tests of whoever meets them."""

from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from unittest.mock import patch

from django.db import transaction
from django.utils import timezone

from runs import archiving, objects, recorder, restoring
from runs.models import Event
from runs.objects import StorageAway
from runs.rows import NewEvent
from runs.states import Kind


def in_folder(settings, folder):
    settings.STORAGES = {
        **settings.STORAGES,
        "default": {
            "BACKEND": "django.core.files.storage.FileSystemStorage",
            "OPTIONS": {"location": str(folder)},
        },
    }


def archive(*stories):
    result = archiving.archive([story.id for story in stories])
    assert result.archived == {story.id for story in stories}, (result.failed, result.skipped)
    return result


def restore(*stories, days=7):
    run_ids, now = [story.id for story in stories], timezone.now()
    fetched = restoring.fetch(run_ids)
    with transaction.atomic():
        return restoring.finish(fetched, run_ids, until=now + timedelta(days=days), now=now)


def late(story, text="late", node="ocr"):
    said = NewEvent(Kind.LOG, node=node, data={"level": "info", "message": text})
    recorder.record({story.id: [said]}, now=timezone.now())


def path_of(story, folder):
    return Path(folder) / story.run.archive.name


def spoil(story, folder):
    """Cut its object's end off."""
    path = path_of(story, folder)
    path.write_bytes(path.read_bytes()[:-20])


@contextmanager
def storage_away():
    """Nothing is read; what there is stays."""

    def away(*_):
        raise StorageAway("Object storage at http://s3:1 does not answer.")

    with patch.object(objects, "read", away):
        yield


def events(story):
    return list(Event.objects.filter(run=story.id).order_by("seq"))
