"""MANAGE → Settings → Runs: read, tried out, saved, refused."""

import re

import pytest
from django.db import OperationalError
from django.utils import timezone
from psycopg.errors import QueryCanceled

from retention import changing, executions, values
from retention.models import Execution, Policy
from retention.models.execution import ExecutionKind
from retention.previewed import Amount
from retention.values import Override, Values
from retention.views import settings as page_of_settings
from retention.views import shown
from runs.actors import ENGINE, Actor
from tests.retention.stocks import ended
from tests.retention.test_preview import DAY, NOW
from tests.runs.stories import node, publish
from tests.runs.visitors import visitor

pytestmark = pytest.mark.django_db(transaction=True)
URL = "/admin/settings/runs/"
OWN = {
    "completed_days": "90", "failed_days": "180", "terminated_days": "30", "delete_days": "",
    "restore_days": "7", "hour": "2", "zone": "UTC", "is_on": "on",
}  # fmt: skip


@pytest.fixture(autouse=True)
def _policy(db):
    Policy.objects.get_or_create(pk=1)


@pytest.fixture
def version(db):
    return publish(node("ocr"), slug="invoices")


@pytest.fixture
def client(version):
    return visitor("runs.view_run", "runs.manage_retention", "runs.view_auditentry")


def form(*lines, initial=0, revision=None, **own):
    """What the page's form sends."""
    sent = {**OWN, "revision": revision or values.saved().revision, "act": "save", **own}
    sent["workflows-TOTAL_FORMS"], sent["workflows-INITIAL_FORMS"] = len(lines), initial
    for number, line in enumerate(lines):
        sent |= {f"workflows-{number}-{name}": given for name, given in line.items()}
    return sent


def text(answer):
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", answer.content.decode()))


def test_it_shows_what_is_saved_and_what_is_never_touched(client):
    answer = client.get(URL)
    assert answer.status_code == 200
    shown = answer.content.decode()
    for name, days in (("completed_days", 90), ("failed_days", 180), ("terminated_days", 30)):
        assert re.search(rf'name="{name}" value="{days}"', shown)
    assert "never touched" in text(answer)
    # The preview comes after: the page itself asks for none of it.
    assert 'hx-post="/admin/settings/runs/preview/"' in shown
    assert "Counting what is due" in text(answer)


def test_what_is_filled_in_is_saved(client):
    line = {"workflow": "invoices", "completed_days": "365", "never_deleted": "on"}
    answer = client.post(URL, form(line, completed_days="60", zone="Europe/Berlin", hour="4"))
    assert answer.headers["Location"] == URL
    assert values.saved() == Values(
        completed_days=60, zone="Europe/Berlin", hour=4,
        workflows={"invoices": Override(completed_days=365, never_deleted=True)},
    )  # fmt: skip
    shown = text(client.get(URL))
    assert "olga" in shown
    assert "completed: 90 d → 60 d" in shown
    line["DELETE"] = "on"
    client.post(URL, form(line, initial=1, completed_days="60", zone="Europe/Berlin", hour="4"))
    assert values.saved().workflows == {}


def test_what_is_wrong_is_said_where_it_stands_and_nothing_is_saved(client):
    answer = client.post(URL, form(completed_days="0", failed_days="many"))
    assert answer.status_code == 422
    assert "From 1 to 36,500 days." in text(answer)
    assert "A whole number of days." in text(answer)
    answer = client.post(URL, form({"workflow": "nothing", "failed_days": "3"}))
    assert (answer.status_code, "There is no workflow nothing." in text(answer)) == (422, True)
    twice = {"workflow": "invoices", "failed_days": "3"}
    answer = client.post(URL, form(twice, twice))
    assert "This workflow has a line already." in text(answer)
    answer = client.post(URL, form(delete_days="100"))
    assert "give more than 180 days, which is when failed runs are archived" in text(answer)
    assert values.saved() == Values()


def test_deletion_for_good_is_asked_for_once_more(client):
    answer = client.post(URL, form(delete_days="400"))
    assert answer.status_code == 422
    assert "This deletes runs for good" in text(answer)
    assert values.saved().delete_days is None
    [confirm] = re.findall(r'name="confirm" value="([^"]+)"', answer.content.decode())
    # What was confirmed is 400 days and not 300.
    assert client.post(URL, form(delete_days="300", confirm=confirm)).status_code == 422
    assert client.post(URL, form(delete_days="400", confirm=confirm)).status_code == 302
    assert values.saved().delete_days == 400


def test_who_saves_second_is_told_what_the_first_one_made_of_it(client):
    seen = values.saved().revision
    changing.change(
        Values(failed_days=365), revision=seen, is_confirmed=False, by=ENGINE, reason="",
        now=timezone.now(),
    )  # fmt: skip
    answer = client.post(URL, form(revision=seen, completed_days="60"))
    assert answer.status_code == 409
    shown = text(answer)
    assert "Somebody saved other settings meanwhile." in shown
    assert "completed: 90 d → 60 d; failed: 365 d → 180 d" in shown
    assert "Last changed by engine: failed: 180 d → 365 d" in shown
    assert values.saved() == Values(failed_days=365)
    # Having read it, they save.
    [newest] = re.findall(r'name="revision" value="([^"]+)"', answer.content.decode())
    client.post(URL, form(revision=newest, completed_days="60", failed_days="365"))
    assert values.saved() == Values(completed_days=60, failed_days=365)


def test_a_line_that_others_saved_meanwhile_is_no_error_in_a_form_without_it(client):
    seen = values.saved().revision
    publish(node("ocr"), slug="letters")
    changing.change(
        Values(workflows={"letters": Override(failed_days=365)}), revision=seen,
        is_confirmed=False, by=ENGINE, reason="", now=timezone.now(),
    )  # fmt: skip
    # The empty line for a new one stands where the saved one does by now.
    answer = client.post(URL, form({"workflow": ""}, revision=seen, failed_days="181"))
    assert answer.status_code == 409
    shown = text(answer)
    assert "Somebody saved other settings meanwhile." in shown
    assert "Say for which workflow." not in shown
    assert "failed: 180 d → 181 d" in shown
    # Also where something is wrong: first that, then what.
    answer = client.post(URL, form({"workflow": ""}, revision=seen, failed_days="0"))
    assert answer.status_code == 409
    assert "Not all that is filled in can be saved; the fields say why." in text(answer)
    preview = text(client.post(URL + "preview/", form(revision=seen, failed_days="181")))
    assert "Somebody saved other settings meanwhile." in preview


def test_more_workflows_than_one_are_added_at_once(client):
    for slug in ("letters", "orders"):
        publish(node("ocr"), slug=slug)
    lines = [{"workflow": slug, "failed_days": "3"} for slug in ("letters", "", "orders")]
    lines[1] = {"workflow": ""}
    assert client.post(URL, form(*lines)).status_code == 302
    assert set(values.saved().workflows) == {"letters", "orders"}
    shown = client.get(URL).content.decode()
    assert 'id="new-line"' in shown
    assert "workflows-__prefix__-workflow" in shown
    # Only what is saved can be removed.
    assert "workflows-1-DELETE" in shown
    assert "workflows-2-DELETE" not in shown


def test_all_that_is_wrong_is_summed_up_with_links_and_has_the_focus(client):
    line = {"workflow": "invoices", "failed_days": "0"}
    answer = client.post(URL, form(line, completed_days="0"))
    summary = answer.content.decode().partition('id="wrong"')[2].partition("</section>")[0]
    assert "autofocus" in summary
    assert "2 fields are not right" in summary
    assert '<a class="op-link" href="#id_completed_days">Completed</a>' in summary
    assert '<a class="op-link" href="#id_workflows-0-failed_days">invoices, failed</a>' in summary
    preview = text(client.post(URL + "preview/", form(line, completed_days="0")))
    assert "invoices, failed : From 1 to 36,500 days." in preview
    line = {"workflow": "nothing", "failed_days": "3"}
    assert "There is no workflow nothing." in text(client.post(URL + "preview/", form(line)))


def test_the_question_before_deletion_has_the_number_and_says_what_is_missing(client, version):
    for days in (500, 450, 100):
        ended(version, "completed", timezone.now() - days * DAY)
    answer = client.post(URL, form(delete_days="400"))
    shown = text(answer)
    assert "The next night deletes 2 runs for good" in shown
    assert "tick" not in shown
    # No other button than that of the question saves.
    assert 'value="save"' not in answer.content.decode()
    unticked = text(client.post(URL, form(delete_days="400", act="delete")))
    assert "tick “Yes, delete them for good” first" in unticked
    other = text(client.post(URL, form(delete_days="420", act="delete", confirm="0123")))
    assert "others than those that you confirmed" in other
    assert values.saved() == Values()


def test_what_carries_the_policy_out_is_no_change_of_it(client):
    seen = values.saved().revision
    changing.change(
        Values(failed_days=365), revision=seen, is_confirmed=False, by=ENGINE, reason="",
        now=timezone.now(),
    )  # fmt: skip
    other = Actor(name="berta", ref_type="user", ref_id="user_berta")
    executions.begin(ExecutionKind.SWEEP, by=other, now=timezone.now(), reason="by hand")
    assert "berta" not in text(client.get(URL))
    answer = client.post(URL, form(revision=seen, completed_days="60"))
    assert "Last changed by engine: failed: 180 d → 365 d" in text(answer)


def test_estimates_have_two_digits_whatever_their_unit():
    sizes = [shown.size_words(Amount(count, is_exact=False)) for count in (429_600, 4_210, 999)]
    assert sizes == ["about 430 kB", "about 4.2 kB", "about 1 kB"]
    assert shown.size_words(Amount(430_000, is_exact=True)) == "430.0 kB"


def test_the_preview_shows_the_saved_and_the_changed_side_by_side(client, version):
    for days in (40, 100, 200):
        ended(version, "completed", NOW - days * DAY)
    answer = client.post(URL + "preview/", form(completed_days="30"))
    shown = text(answer)
    assert "<html" not in answer.content.decode()
    assert "completed: 90 d → 30 d" in shown
    assert re.search(r"Runs archived 2 3 ", shown)
    assert "invoices" in shown
    assert "All of it is counted." in shown
    same = text(client.post(URL + "preview/", form()))
    assert re.search(r"Runs archived 2 ", same)
    assert "With your changes" not in same
    assert values.saved() == Values()
    unready = text(client.post(URL + "preview/", form(completed_days="")))
    assert "Not all of what is filled in can be saved yet" in unready


def test_a_night_that_is_switched_off_does_nothing_in_the_preview_either(client, version):
    ended(version, "completed", NOW - 100 * DAY)
    off = form(completed_days="50")
    del off["is_on"]
    shown = text(client.post(URL + "preview/", off))
    assert "with your changes, the nightly run is off" in shown
    assert re.search(r"Runs archived 1 0 ", shown)
    client.post(URL, off)
    shown = text(client.get(URL + "preview/"))
    assert re.search(r"Runs archived 0 ", shown)
    assert "nothing is archived or deleted" in shown


def test_what_is_deleted_is_red_where_something_is_and_told_by_workflow(client, version):
    ended(version, "completed", NOW - 500 * DAY)
    answer = client.post(URL + "preview/", form(delete_days="400")).content.decode()
    row = answer.partition("Runs deleted for good</th>")[2].partition("</tr>")[0]
    assert re.findall(r'<td class="([^"]*)"( data-state="failed")?>(\d)', row) == [
        ("op-right op-num", "", "0"),
        ("op-right op-num is-changed", ' data-state="failed"', "1"),
    ]
    # Its archive is made this very night.
    assert "not known yet" in answer
    rows = answer.partition('aria-label="By workflow and state"')[2]
    assert "Deleted</th>" in rows
    assert ' data-state="failed">1</td>' in rows


def test_without_scripts_a_button_previews(client, version):
    ended(version, "completed", NOW - 40 * DAY)
    shown = text(client.post(URL, form(completed_days="30", act="preview")))
    assert re.search(r"Runs archived 0 1 ", shown)
    assert values.saved() == Values()


def test_a_preview_that_takes_too_long_says_so(client, monkeypatch):
    def stopped(*_):
        raise OperationalError from QueryCanceled()

    monkeypatch.setattr(page_of_settings, "preview", stopped)
    answer = client.post(URL + "preview/", form())
    assert answer.status_code == 200
    assert "Counting was stopped after 15 seconds." in text(answer)


def test_who_only_sees_runs_reads_and_changes_nothing(version):
    client = visitor("runs.view_run", name="vera")
    answer = client.get(URL)
    shown = answer.content.decode()
    assert answer.status_code == 200
    assert 'name="act"' not in shown
    assert re.search(r'name="completed_days"[^>]* disabled', shown)
    assert client.get(URL + "preview/").status_code == 200
    assert client.post(URL, form(completed_days="1")).status_code == 403
    assert client.post(URL + "preview/", form(completed_days="1")).status_code == 403
    assert visitor(name="nobody").get(URL).status_code == 403
    assert values.saved() == Values()


def test_the_number_of_queries_does_not_grow_with_the_workflows(
    client, django_assert_max_num_queries
):
    def fill(count):
        for number in range(count):
            publish(node("ocr"), slug=f"w{number}")
        own = {f"w{number}": Override(failed_days=3) for number in range(count)}
        changing.change(
            Values(workflows=own), revision=values.saved().revision, is_confirmed=False,
            by=ENGINE, reason="", now=timezone.now(),
        )  # fmt: skip

    fill(3)
    client.get(URL)
    with django_assert_max_num_queries(16):
        client.get(URL)
    with django_assert_max_num_queries(16):
        client.get(URL + "preview/")
    fill(9)
    with django_assert_max_num_queries(16):
        client.get(URL)
    with django_assert_max_num_queries(16):
        client.get(URL + "preview/")


def test_the_last_nights_are_told_of(client):
    assert "No night has been yet." in client.get(URL).content.decode()
    now = timezone.now()
    for number in range(4):
        Execution.objects.create(
            kind="archive", state="finished", started_by="schedule", created_at=now + number * DAY,
            moved_at=now, ended_at=now, archived=1_000 + number, deleted_runs=7 * number,
            night=(now + number * DAY).date(),
        )  # fmt: skip
    Execution.objects.create(
        kind="archive", dry_run=True, started_by="anna", created_at=now + 9 * DAY, moved_at=now
    )
    shown = client.get(URL).content.decode()
    assert [f"{number:,} archived" in shown for number in (1003, 1002, 1001, 1000)] == [
        True, True, True, False,
    ]  # fmt: skip
    assert "21 gone for good" in shown
    newest = Execution.objects.filter(dry_run=False).first()
    assert f"/admin/retention/executions/{newest.public_id}/" in shown
    reader = visitor("runs.view_run", name="reader").get(URL).content.decode()
    assert "1,003 archived" in reader
    assert "/admin/retention/executions/" not in reader
