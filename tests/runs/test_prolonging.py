"""Restored logs that stay for longer, and why a run is held: on its page and in the API."""

import json
from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from runs import archiving, holds, lifecycle, prolonging
from runs.actors import ENGINE, Actor
from runs.bulk import operations, work
from runs.models import Archive, AuditEntry, BulkOperation, Run
from runs.models.bulk import BulkKind
from runs.states import LogState
from tests.runs import stories
from tests.runs.archives import archive, in_folder, restore
from tests.runs.test_run_page import part, shown, url, words
from tests.runs.visitors import visitor

pytestmark = pytest.mark.django_db(transaction=True)
DAY = timedelta(days=1)


@pytest.fixture(autouse=True)
def folder(settings, tmp_path):
    in_folder(settings, tmp_path)
    return tmp_path


@pytest.fixture
def rita():
    return visitor("runs.view_run", "runs.restore_run", name="rita")


@pytest.fixture
def story():
    made = stories.failed_invoice()
    archive(made)
    restore(made, days=2)
    return made


def until(story):
    return Archive.objects.get(pk=story.id).expires_at


def held(story, by=ENGINE, reason="case 7"):
    lifecycle.hold(Run.objects.filter(pk=story.id), by=by, reason=reason)


def test_a_restored_log_stays_for_so_many_days_from_now_on(story):
    now, before = timezone.now(), until(story)
    assert prolonging.prolong(story.run, days=30, by=ENGINE, now=now, reason="x") == now + 30 * DAY
    assert until(story) == now + 30 * DAY
    entry = AuditEntry.objects.get(action="prolong")
    assert (entry.target_id, entry.reason.startswith("until ")) == (story.public_id, True)
    # The night for which it was due goes past it.
    assert archiving.archive([story.id], expired=before).archived == set()
    assert story.run.logs == LogState.RESTORED


def test_it_never_stays_shorter_and_only_a_restored_one_stays(story):
    with pytest.raises(prolonging.NotProlonged, match="for longer"):
        prolonging.prolong(story.run, days=1, by=ENGINE, now=timezone.now())
    live = stories.failed_invoice()
    with pytest.raises(prolonging.NotProlonged, match="not in the database as a restored one"):
        prolonging.prolong(live.run, days=1, by=ENGINE, now=timezone.now())
    assert not AuditEntry.objects.filter(action="prolong").exists()


def test_it_is_kept_longer_from_its_page(rita, story):
    page = shown(rita, story)
    assert "Keep it longer" in words(part(page, 'id="run-logs"', "</div>"))
    asked = rita.get(url(story, "?confirm=prolong")).content.decode()
    assert 'name="days"' in asked
    wrong = rita.post(url(story), {"act": "prolong", "days": "0"})
    assert (wrong.status_code, "A whole number from 1" in wrong.content.decode()) == (422, True)
    assert rita.post(url(story), {"act": "prolong", "days": "1"}).status_code == 409
    before = timezone.now()
    assert rita.post(url(story), {"act": "prolong", "days": "30"}).status_code == 302
    assert until(story) >= before + 30 * DAY
    vera = visitor("runs.view_run", name="vera")
    assert "Keep it longer" not in words(shown(vera, story))
    assert vera.post(url(story), {"act": "prolong", "days": "90"}).status_code == 403


def test_it_is_kept_longer_by_rest_and_trpc(rita, story):
    path = f"/api/runs/{story.public_id}/prolong/"
    now = timezone.now()
    told = rita.post(path, {"days": 20, "reason": "an audit"}, content_type="application/json")
    assert (told.status_code, told.json()["log_state"]) == (200, "restored")
    assert until(story) >= now + 20 * DAY
    # Without days as the settings say: that would be shorter.
    assert rita.post(path, {}, content_type="application/json").status_code == 409
    given = {"id": story.public_id, "days": 40}
    told = rita.post("/api/trpc/runs.prolong", given, content_type="application/json").json()
    assert told["result"]["data"]["id"] == story.public_id
    assert until(story) >= now + 40 * DAY
    refused = rita.post(
        f"/api/runs/{story.public_id}/restore/", {}, content_type="application/json"
    )
    assert refused.status_code == 409
    assert path in json.dumps(refused.json())
    assert Client().post(path, {}, content_type="application/json").status_code in (401, 403)


# -- Held ------------------------------------------------------------------------------------


def test_a_held_run_says_why_and_that_its_restored_log_stays(rita, story):
    held(story, by=Actor("anna", "user", "user_anna"), reason="case 2026-114")
    said = words(part(shown(rita, story), 'id="run-notice"', 'id="run-facts"'))
    assert "by anna: case 2026-114" in said
    assert "the log stays where it is, in the database and in the archive." in said
    assert "under legal hold it stays, and leaves only once the hold has ended." in said
    assert "and can be restored again" not in said
    # It is so.
    Archive.objects.update(expires_at=timezone.now() - DAY)
    assert archiving.archive([story.id], expired=timezone.now()).archived == set()


def test_a_held_run_whose_log_is_away_says_that_it_stays_there(rita):
    story = stories.failed_invoice()
    archive(story)
    held(story)
    assert "in the archive, until somebody restores it." in words(shown(rita, story))


def test_why_is_found_also_of_runs_that_were_held_together(story):
    by = Actor("anna", "user", "user_anna")
    assert holds.why(story.run) == ""
    held(story, by, "the first case")
    assert holds.why(story.run) == "the first case"
    lifecycle.release(Run.objects.filter(pk=story.id), by=by)
    others = [stories.failed_invoice() for _ in range(2)]
    now = timezone.now() + timedelta(hours=1)
    operation = operations.make(
        BulkKind.HOLD, by=by, now=timezone.now(), chosen=[story.id, others[0].id], reason="many"
    )
    work.work(operation.pk)
    Run.objects.filter(pk=story.id).update(held_at=now)
    assert [holds.why(each.run) for each in (story, *others)] == ["many", "many", ""]


def test_what_is_wrong_with_an_object_has_one_colon(rita):
    story = stories.failed_invoice()
    archive(story)
    Archive.objects.update(problem="it is not whole: it cannot be unpacked: zstd: no checksum")
    said = words(part(shown(rita, story), 'id="run-logs"', "</div>"))
    assert "At the last look, it is not whole: it cannot be unpacked, zstd, no checksum." in said


def test_the_history_is_fetched_anew_when_a_restore_has_failed(rita, story):
    """Its page fetches the tab again where the two say something else of the log."""

    def told(page):
        note = part(page, 'id="run-logs"', ">")
        tab = part(page, 'id="run-tab"', ">")
        return [each.partition('data-logs="')[2].partition('"')[0] for each in (note, tab)]

    Run.objects.filter(pk=story.id).update(logs=LogState.ARCHIVED)
    rita.post(url(story), {"act": "restore"})
    going = told(shown(rita, story))
    assert going[0] == going[1] != ""
    BulkOperation.objects.update(state="finished", ended_at=timezone.now())
    Archive.objects.update(problem="it is cut off")
    after = told(shown(rita, story))
    assert after[0] == after[1]
    assert after[0] != going[0]


def test_a_restored_run_whose_object_is_lost_says_that_nothing_is(rita, story):
    Archive.objects.update(problem="its object is gone")
    note = part(shown(rita, story), 'id="run-logs"', "</div>")
    said = words(note)
    assert 'data-state="waiting"' in note
    assert "At the last look, its object is gone. Nothing is lost" in said
    assert "a new object is made of them before they leave it" in said
    assert "can be restored again" not in said
