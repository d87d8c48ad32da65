"""That the soak's checker finds what is wrong with the files of exports."""

import random

import pytest
from asgiref.sync import async_to_sync
from django.utils import timezone

from runs import doomed, objects
from runs.actors import Actor
from runs.bulk import exports, operations, work
from runs.filters import RunFilter
from tests.chaos.bulk import files, stock

pytestmark = pytest.mark.django_db(transaction=True)
BEN = Actor(name="ben", ref_type="user", ref_id="user_ben")


@pytest.fixture
def exported(settings, tmp_path):
    """An export with its files."""
    settings.STORAGES = {
        **settings.STORAGES,
        "default": {
            "BACKEND": "django.core.files.storage.FileSystemStorage",
            "OPTIONS": {"location": str(tmp_path)},
        },
    }
    stock.fill(10, random.Random(2))
    options = {"format": "ndjson", "with_logs": True}
    operation = operations.make(
        "export", by=BEN, now=timezone.now(), wanted=RunFilter(), options=options
    )
    while work.step(operation.pk)[0] is work.Moved.ON:
        pass
    return operation.__class__.objects.get(pk=operation.pk)


class Downloads:
    """What an operator gets, with what a test does to it first."""

    def __init__(self, operation, change=lambda text: text):
        self._operation, self._change = operation, change

    def download(self, _):
        text = async_to_sync(_collected)(exports.downloads(self._operation)).decode()
        return 200, self._change(text).encode()


async def _collected(told):
    return b"".join([piece async for piece in exports.document(told)])


def test_an_export_that_is_whole_is_found_so(exported):
    assert files.of_exports(Downloads(exported)) == []
    assert files.of_storage() == []


@pytest.mark.parametrize(
    "change",
    [
        lambda text: "".join(text.splitlines(keepends=True)[1:]),
        lambda text: text.replace(text.splitlines()[2] + "\n", "", 1),
        lambda text: text.splitlines(keepends=True)[0] + text,
        lambda text: text.splitlines(keepends=True)[2] + text,
    ],
    ids=["a run is missing", "an event is missing", "a run twice", "an event twice"],
)
def test_an_export_with_a_line_too_few_or_too_many_is_found(exported, change):
    assert files.of_exports(Downloads(exported, change))


def test_an_object_that_nobody_names_is_found(exported, tmp_path):
    (tmp_path / "exports/nobodys.gz").write_bytes(b"x")
    assert "nobody names" in str(files.of_storage())


def test_a_file_that_is_lost_is_found(exported):
    objects.delete_many([exported.parts.get().name])
    assert "is lost" in str(files.of_storage())


def test_a_doomed_object_that_the_sweep_leaves_is_found(exported, tmp_path, monkeypatch):
    (tmp_path / "exports/late.gz").write_bytes(b"x")
    doomed.doom(["exports/late.gz"], "no export names it", now=timezone.now())
    assert files.of_storage() == []
    with monkeypatch.context() as without:
        without.setattr(doomed, "sweep", lambda _: 0)
        assert "is not swept" in str(files.of_sweep())
        assert "doomed for ever" in str(files.of_sweep())
    assert files.of_sweep() == []
