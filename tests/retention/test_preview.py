"""What a night would do, against what the night's own reads find."""

import re
from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import call_command
from django.db import connection
from django.db.models import Sum
from django.utils import timezone

from retention import preview as previews
from retention import segments, terms
from retention.preview import preview
from retention.previewed import Amount
from retention.values import Override, Values
from runs import archiving
from runs.models import Archive, Event, Run
from tests.retention.stocks import ended, late
from tests.runs.stories import node, publish

# An archived run's events go for good at once: in a test's transaction that would be too late.
pytestmark = pytest.mark.django_db(transaction=True)
NOW = timezone.now().replace(hour=12)
DAY = timedelta(days=1)


@pytest.fixture
def version(db):
    return publish(node("ocr"), slug="invoices")


@pytest.fixture
def in_a_folder(settings, tmp_path):
    storage = "django.core.files.storage.FileSystemStorage"
    default = {"BACKEND": storage, "OPTIONS": {"location": str(tmp_path)}}
    settings.STORAGES = {**settings.STORAGES, "default": default}


def due(values, now):
    """As the night finds them, one by one."""
    at = values.next_night(now)
    return [
        run
        for term in terms.terms(values.rules(), at)
        for run in terms.due(term)
    ]  # fmt: skip


def test_it_counts_what_the_night_will_find(version):
    other = publish(node("ocr"), slug="letters")
    for days in (10, 40, 100, 200):
        for state in ("completed", "failed", "terminated"):
            ended(version, state, NOW - days * DAY)
            ended(other, state, NOW - days * DAY, lines=3)
    values = Values(workflows={"letters": Override(completed_days=20)})
    found = preview(values, None, NOW).saved
    runs = due(values, NOW)
    assert found.runs == len(runs) == 13
    assert {(line.workflow, line.state): line.runs for line in found.lines} == {
        ("invoices", "completed"): 2, ("invoices", "failed"): 1, ("invoices", "terminated"): 3,
        ("letters", "completed"): 3, ("letters", "failed"): 1, ("letters", "terminated"): 3,
    }  # fmt: skip
    events = Event.objects.filter(run__in=runs)
    assert (found.events.value, found.events.is_exact) == (events.count(), True)
    assert found.bytes.is_exact
    assert found.bytes.value > 100 * events.count()
    assert found.oldest == min(run.completed_at for run in runs)
    assert found.newest == max(run.completed_at for run in runs)


def test_changed_values_are_shown_beside_the_saved_ones(version):
    for days in (10, 40, 100, 200):
        ended(version, "completed", NOW - days * DAY)
    saved, changed = Values(), Values(completed_days=30, delete_days=190)
    found = preview(saved, changed, NOW)
    assert found.saved == preview(saved, None, NOW).saved
    assert found.changed == preview(changed, None, NOW).saved
    assert (found.saved.runs, found.changed.runs) == (2, 3)
    # The oldest is past the second term as soon as it is archived.
    assert (found.saved.then_gone, found.changed.then_gone) == (0, 1)


def test_held_runs_are_told_apart(version):
    runs = [ended(version, "completed", NOW - 100 * DAY) for _ in range(3)]
    ended(version, "completed", NOW - 10 * DAY)
    Run.objects.filter(pk__in=[runs[0], runs[1]]).update(held_at=NOW, held_by="anna")
    found = preview(Values(), None, NOW).saved
    assert (found.runs, found.held) == (1, 2)


def test_what_goes_for_good_is_told_apart(version, in_a_folder):
    run_ids = [ended(version, "completed", NOW - days * DAY) for days in (400, 300, 100)]
    archiving.archive(run_ids)
    values = Values(delete_days=200)
    rules, night = values.rules(), values.next_night(NOW)
    gone = [
        run_id
        for run_id, workflow_id, at in terms.old(rules, night).values_list(
            "run_id", "run__workflow", "completed_at"
        )
        if terms.is_gone(rules, workflow_id, at, night)
    ]
    found = preview(values, None, NOW).saved
    assert found.gone.runs == Amount(2) == Amount(len(gone))
    size = Archive.objects.filter(run__in=gone).aggregate(size=Sum("bytes"))["size"]
    assert found.gone.bytes == Amount(size)
    assert preview(Values(), None, NOW).saved.gone.runs == Amount(0)
    assert [(line.state, line.runs, line.gone) for line in found.lines] == [("completed", 0, 2)]
    exempt = Values(delete_days=200, workflows={"invoices": Override(never_deleted=True)})
    assert preview(exempt, None, NOW).saved.gone.runs == Amount(0)


def test_events_archived_already_are_not_counted_again(version, in_a_folder):
    run_id = ended(version, "completed", NOW - 100 * DAY, lines=5)
    archiving.archive([run_id])
    assert preview(Values(), None, NOW).saved.runs == 0
    late(run_id)
    found = preview(Values(), None, NOW).saved
    assert (found.runs, found.events.value) == (1, 1)


def test_of_many_runs_events_and_bytes_are_estimated(version, monkeypatch):
    for number in range(60):
        ended(version, "completed", NOW - (100 + number) * DAY, lines=number % 5)
    exact = preview(Values(), None, NOW).saved
    monkeypatch.setattr(segments, "MOST_READ", 20)
    monkeypatch.setattr(segments, "SAMPLE", 30)
    found = preview(Values(), None, NOW).saved
    assert found.runs == 60
    assert not found.events.is_exact
    assert not found.bytes.is_exact
    assert found.events.value == pytest.approx(exact.events.value, rel=0.3)
    assert found.bytes.value == pytest.approx(exact.bytes.value, rel=0.4)
    # The same question has the same answer.
    assert preview(Values(), None, NOW).saved == found


def test_the_second_term_is_estimated_where_many_are_past_it(version, in_a_folder, monkeypatch):
    run_ids = [ended(version, "completed", NOW - (300 + n) * DAY) for n in range(30)]
    archiving.archive(run_ids)
    monkeypatch.setattr(previews, "MOST_GONE", 10)
    found = preview(Values(delete_days=200), None, NOW).saved.gone
    assert (found.runs.value, found.runs.is_exact) == (30, False)
    assert found.bytes.value > 0


def test_restored_logs_whose_time_is_over_then_are_counted(version, in_a_folder):
    run_ids = [ended(version, "completed", NOW - 100 * DAY) for _ in range(3)]
    archiving.archive(run_ids)
    Run.objects.filter(pk__in=run_ids).update(logs="restored")
    night = Values().next_night(NOW)
    for run_id, hours in zip(run_ids, (-1, -1, 1), strict=True):
        until = night + timedelta(hours=hours)
        Archive.objects.filter(pk=run_id).update(restored_at=NOW, expires_at=until)
    Run.objects.filter(pk=run_ids[0]).update(held_at=NOW, held_by="anna")
    assert preview(Values(), None, NOW).saved.expired == Amount(1)


def test_nothing_is_due(version):
    found = preview(Values(), Values(completed_days=1), NOW)
    assert (found.saved.runs, found.changed.runs, found.saved.lines) == (0, 0, [])
    assert (found.saved.events, found.saved.bytes) == (Amount(0), Amount(0))
    assert found.saved.oldest is None


@pytest.mark.long
def test_runs_are_counted_by_the_index_alone():
    call_command("load_runs", "--runs", "20000", "--nodes-for", "0", stdout=StringIO())
    with connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE jobs")
        cases = [segments.Case(timezone.now(), Values().rules())]
        workflow_ids = Run.objects.order_by().values_list("workflow_id", flat=True).distinct()
        stretches = segments.segments_of(cases, workflow_ids)
        cursor.execute(
            f"EXPLAIN (ANALYZE, COSTS OFF) {segments.COUNT}", segments.count_arguments(stretches)
        )
        plan = "\n".join(row[0] for row in cursor.fetchall())
    assert "Index Only Scan using jobs_to_archive" in plan, plan
    assert "Seq Scan on jobs" not in plan, plan
    assert not re.search(r"Rows Removed by Filter: [1-9]", plan), plan
