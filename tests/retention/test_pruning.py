"""Executions and what they found are forgotten after their time, in bounded pieces."""

from datetime import timedelta

import pytest
from django.utils import timezone

from retention import pruning
from retention.models import Execution, Finding

pytestmark = pytest.mark.django_db
NOW = timezone.now()


def execution(days, kind="archive", state="finished", findings=0, **fields):
    """One that ended so many days ago."""
    at = NOW - timedelta(days=days)
    made = Execution.objects.create(
        kind=kind, state=state, started_by="schedule", created_at=at - timedelta(hours=1),
        moved_at=at, ended_at=None if state == "running" else at, found=findings, **fields,
    )  # fmt: skip
    told = [Finding(execution=made, at=at, problem=f"no. {i}") for i in range(findings)]
    Finding.objects.bulk_create(told)
    return made


def left():
    return set(Execution.objects.values_list("pk", flat=True))


def findings_of(execution):
    return Finding.objects.filter(execution=execution).count()


def test_findings_go_after_ninety_days_and_figures_stay():
    old, fresh = execution(91, findings=3), execution(89, findings=3)
    running = execution(91, state="running", findings=3)
    assert pruning.prune(NOW) == 3
    assert [findings_of(each) for each in (old, fresh, running)] == [0, 3, 3]
    old.refresh_from_db()
    assert old.found == 3


def test_executions_go_after_four_hundred_days():
    execution(401, findings=2)
    running, young, newest = execution(401, state="running"), execution(399), execution(1)
    pruning.prune(NOW)
    assert left() == {running.pk, young.pk, newest.pk}


def test_the_last_of_each_kind_and_the_last_night_stay():
    execution(900)
    night = execution(800, night=(NOW - timedelta(days=800)).date())
    archived, swept, checked = execution(700), execution(700, "sweep"), execution(700, "check")
    pruning.prune(NOW)
    assert left() == {night.pk, archived.pk, swept.pk, checked.pk}


def test_what_takes_long_is_gone_on_with_the_next_time(monkeypatch):
    many, more = execution(500, findings=7), execution(450, findings=1)
    newest = execution(1)
    monkeypatch.setattr(pruning, "BATCH", 3)
    monkeypatch.setattr(pruning, "SECONDS", 0.0)
    assert pruning.prune(NOW) == 3
    assert (findings_of(many), findings_of(more)) == (4, 1)
    assert left() == {many.pk, more.pk, newest.pk}
    monkeypatch.setattr(pruning, "SECONDS", 60.0)
    pruning.prune(NOW)
    assert left() == {newest.pk}
    assert not Finding.objects.exists()
    assert pruning.prune(NOW) == 0


def test_old_ones_are_found_in_few_queries(django_assert_num_queries):
    for days in range(1, 20):
        execution(days)
    with django_assert_num_queries(6):
        pruning.prune(NOW)
