"""Whatever is done to a log in whatever order, and whoever is killed at it: it stays whole."""

from datetime import timedelta
from unittest.mock import patch

import pytest
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rest_framework.test import APIClient

from runs import (
    archiving,
    doomed,
    lifecycle,
    objects,
    recorder,
    recorder_archive,
    restoring,
    whole_log,
)
from runs.models import Archive, DeletedRun, DoomedObject, Event, Run
from runs.rows import NewEvent
from runs.states import AT_HAND, Kind, LogState
from tests.runs.api.reports import PERMISSIONS, URL, the_run, told
from tests.runs.archives import in_folder, restore
from tests.runs.conftest import ANNA
from tests.runs.test_archiving import stored
from tests.runs.visitors import account

pytestmark = pytest.mark.django_db(transaction=True)
ACTS = ("archive", "restore", "late", "report", "repeat", "sweep", "undo", "delete")
DEATHS = (
    (objects, "put_new"), (objects, "read"), (recorder_archive, "name"),
    (recorder_archive, "purge"), (recorder_archive, "settle"), (recorder_archive, "put_back"),
    (restoring, "_compare"),
)  # fmt: skip


class Killed(BaseException):
    pass


class Reported:
    """A run that another system reported, and what is known to be in its log."""

    def __init__(self, client, folder, number):
        self.client, self.folder, self.name = client, folder, f"run {number}"
        self.sent = [
            told("run_created", self.name, input={"day": 1}, s=0),
            told("log", self.name, node="extract", s=1, data={"message": "ä\n\u2028"}),
            told("run_failed", self.name, s=5, data={"error": {"kind": "E", "message": "m"}}),
        ]
        assert self.report(*self.sent) == (3, 0)
        self.id = the_run(self.name).pk
        self.lines = self.log()

    def report(self, *events):
        answer = self.client.post(URL, list(events), format="json").json()
        return answer["stored"], answer["duplicates"]

    @property
    def run(self):
        return Run.objects.filter(pk=self.id).first()

    def log(self):
        return list(whole_log.opened(self.run).lines())

    # -- What is done to it ------------------------------------------------------------------

    def archive(self):
        archiving.archive([self.id], threads=1)

    def restore(self):
        restore(self)

    def late(self):
        said = NewEvent(Kind.LOG, node="", data={"level": "info", "message": "late"})
        recorder.record({self.id: [said]}, now=timezone.now())
        self.grown()

    def report_more(self):
        event = told("log", self.name, node="extract", s=9, data={"message": "later"})
        assert self.report(event) == (1, 0)
        self.sent.append(event)
        self.grown()

    def grown(self):
        log = self.log()
        assert log[:-1] == self.lines
        self.lines = log

    def repeat(self):
        """They are known, wherever they are."""
        assert self.report(*self.sent) == (0, len(self.sent))

    def sweep(self):
        doomed.sweep(timezone.now() + timedelta(days=1))

    def undo(self):
        restoring.undo_abandoned(timezone.now() + timedelta(hours=1), 100)

    def delete(self):
        outcome = lifecycle.delete(Run.objects.filter(pk=self.id), by=ANNA)
        assert outcome.done

    # -- What holds then ---------------------------------------------------------------------

    def check(self):
        named = set(Archive.objects.values_list("name", flat=True))
        there = set(stored(self.folder))
        assert named <= there
        assert there <= named | set(DoomedObject.objects.values_list("name", flat=True))
        run = self.run
        if run is None:
            assert not Archive.objects.filter(pk=self.id).exists()
            assert not Event.objects.filter(run=self.id).exists()
            assert DeletedRun.objects.filter(pk=self.id).exists()
            return
        assert self.log() == self.lines
        assert [line.seq for line in self.lines] == [*range(1, run.last_seq + 1)]
        archive = Archive.objects.filter(pk=self.id).first()
        here = set(Event.objects.filter(run=self.id).values_list("seq", flat=True))
        everything = set(range(1, run.last_seq + 1))
        assert (run.logs == LogState.LIVE) == (archive is None)
        if run.logs in AT_HAND:
            assert here == everything
        elif run.logs == LogState.ARCHIVED:
            assert not here
        else:
            assert here >= {seq for seq in everything if seq > archive.last_seq}
        if run.logs == LogState.PARTLY:
            assert min(here) == archive.last_seq + 1


def act_on(run, act, death, pieces):
    """Do it, or begin it and be killed at one of its steps."""
    do = {"report": run.report_more}.get(act) or getattr(run, act)
    if death is None:
        do()
        return
    place, step = death
    original = getattr(place, step)

    def killed(*args, **kwargs):
        if args and step in ("put_new", "purge", "put_back"):
            original(*args, **kwargs)
        raise Killed

    with patch.object(place, step, killed):
        try:
            do()
        except Killed:
            return


@pytest.fixture
def reporter(settings, tmp_path):
    in_folder(settings, tmp_path)
    client = APIClient()
    client.force_login(account(*(f"runs.{name}" for name in PERMISSIONS)))
    numbers = iter(range(1_000_000))
    return lambda: Reported(client, tmp_path, next(numbers))


STEP = st.tuples(
    st.sampled_from(ACTS[:-1]),
    st.one_of(st.none(), st.none(), st.sampled_from(DEATHS)),
)


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=st.lists(STEP, max_size=12), pieces=st.booleans(), is_deleted=st.booleans())
def test_a_log_stays_whole_whatever_is_done_to_it(reporter, steps, pieces, is_deleted):
    run = reporter()
    small = 2 if pieces else 10_000
    with (
        patch.object(restoring, "TOGETHER", small),
        patch.object(restoring, "FETCHED_EVENTS", small),
        patch.object(archiving, "TOGETHER", small),
    ):
        for act, death in steps:
            # Of what comes in, a part may be stored before who stores it is killed: not told here.
            act_on(run, act, None if act in ("late", "report", "repeat") else death, pieces)
            run.check()
        run.repeat()
        run.check()
        if is_deleted:
            run.delete()
            run.check()
            assert run.report(*run.sent)[0] == 0
            assert run.run is None
        else:
            # Whoever comes next ends what was begun.
            run.undo()
            run.archive()
            run.archive()
            run.check()
            assert run.run.logs == LogState.ARCHIVED
            restore(run)
            run.check()
            assert run.run.logs == LogState.RESTORED
        run.sweep()
        run.check()
        assert set(stored(run.folder)) == set(Archive.objects.values_list("name", flat=True))


def test_the_check_finds_what_is_lost_or_doubled(reporter):
    run = reporter()
    run.archive()
    run.check()
    whole = run.lines
    run.lines = whole[:-1]
    with pytest.raises(AssertionError):
        run.check()
    run.lines = [*whole, whole[-1]]
    with pytest.raises(AssertionError):
        run.check()
    run.lines = whole
    (run.folder / "archive" / "stray").write_bytes(b"")
    with pytest.raises(AssertionError):
        run.check()
