"""The policy is changed as a whole, by one after the other, and each change is in the audit."""

import threading
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from django.db import IntegrityError, connection
from django.utils import timezone

from retention import changing, values
from retention.models import Policy, WorkflowPolicy
from retention.values import Override, Values
from runs.actors import Actor
from runs.models import AuditEntry
from tests.runs.stories import node, publish

pytestmark = pytest.mark.django_db(transaction=True)
ANNA = Actor(name="anna", ref_type="user", ref_id="user_anna", address="192.0.2.7")
BEN = Actor(name="ben", ref_type="token", ref_id="user_ben", via="runs_abcd")


@pytest.fixture(autouse=True)
def _policy(db):
    Policy.objects.update_or_create(pk=1, defaults={"delete_days": None})


@pytest.fixture
def invoices(db):
    return publish(node("ocr"), slug="invoices").workflow


def change(after, *, before=None, is_confirmed=False, by=ANNA, reason=""):
    revision = (before or values.saved()).revision
    return changing.change(
        after, revision=revision, is_confirmed=is_confirmed, by=by, reason=reason,
        now=timezone.now(),
    )  # fmt: skip


def audited():
    return [
        (entry.actor, entry.action, entry.target_id, entry.reason)
        for entry in AuditEntry.objects.filter(target_type="retention").order_by("id")
    ]


def test_it_begins_with_the_usual_days():
    found = values.saved()
    assert found == Values()
    assert (found.completed_days, found.failed_days, found.terminated_days) == (90, 180, 30)
    assert found.delete_days is None


def test_a_change_is_kept_and_audited_with_who_from_where_why_and_what(invoices):
    change(
        Values(completed_days=120, hour=4, workflows={"invoices": Override(failed_days=365)}),
        reason="as the auditors ask",
    )
    assert values.saved().days_of("invoices").failed == 365
    assert values.saved().days_of("letters").failed == 180
    assert audited() == [
        ("anna", "change", "",
         "completed: 90 d → 120 d; hour: 02:00 → 04:00 (as the auditors ask)"),
        ("anna", "add", "invoices", "failed: as usual → 365 d (as the auditors ask)"),
    ]  # fmt: skip
    assert AuditEntry.objects.first().address == "192.0.2.7"
    change(replace(values.saved(), workflows={}), by=BEN)
    assert not WorkflowPolicy.objects.exists()
    assert audited()[-1] == ("ben", "remove", "invoices", "failed: 365 d → as usual")
    assert AuditEntry.objects.order_by("-id").first().via == "runs_abcd"


def test_nothing_changed_is_nothing_audited():
    assert change(Values()).differences == []
    assert audited() == []


def test_the_audit_holds_the_longest_change_and_its_whole_reason(invoices):
    longest = Values(
        completed_days=36_498, failed_days=36_497, terminated_days=36_496, delete_days=36_500,
        restore_days=36_500, hour=23, zone="America/Argentina/ComodRivadavia", is_on=False,
    )  # fmt: skip
    change(longest, is_confirmed=True, reason="y" * changing.REASON_LENGTH)
    assert audited()[0][3].endswith("y" * changing.REASON_LENGTH + ")")


def test_of_two_who_save_at_once_the_second_is_told():
    seen = values.saved()
    change(Values(completed_days=100), before=seen)
    with pytest.raises(changing.Outdated):
        change(Values(failed_days=100), before=seen, by=BEN)
    assert values.saved() == Values(completed_days=100)
    assert len(audited()) == 1


def test_two_at_the_same_moment_one_is_saved():
    seen = values.saved()
    came = threading.Barrier(2)
    outcomes = []

    def save(days):
        try:
            came.wait()
            change(Values(completed_days=days), before=seen)
            outcomes.append("saved")
        except changing.Outdated:
            outcomes.append("told")
        finally:
            connection.close()

    both = [threading.Thread(target=save, args=[days]) for days in (100, 110)]
    for each in both:
        each.start()
    for each in both:
        each.join()
    assert sorted(outcomes) == ["saved", "told"]
    assert len(audited()) == 1


@pytest.mark.parametrize(
    ("after", "place"),
    [
        (Values(completed_days=0), "completed_days"),
        (Values(failed_days=36_501), "failed_days"),
        (Values(hour=24), "hour"),
        (Values(zone="Mars/Base"), "zone"),
        (Values(delete_days=180), "delete_days"),
        (Values(workflows={"nothing": Override(failed_days=1)}), "workflows.nothing"),
        (Values(workflows={"invoices": Override()}), "workflows.invoices"),
        (Values(workflows={"invoices": Override(failed_days=0)}), "workflows.invoices.failed_days"),
        (
            Values(workflows={"invoices": Override(delete_days=180)}),
            "workflows.invoices.delete_days",
        ),
        # Its own term is longer than the second one of all.
        (
            Values(delete_days=365, workflows={"invoices": Override(failed_days=400)}),
            "workflows.invoices.delete_days",
        ),
        (
            Values(workflows={"invoices": Override(delete_days=400, never_deleted=True)}),
            "workflows.invoices.delete_days",
        ),
    ],
)
def test_what_cannot_be_meant_is_refused_where_it_stands(invoices, after, place):
    with pytest.raises(changing.Wrong) as told:
        change(after, is_confirmed=True)
    assert list(told.value.problems) == [place]
    assert values.saved() == Values()


def test_who_is_never_deleted_may_be_archived_later_than_others_are_deleted(invoices):
    exempt = Override(failed_days=4000, never_deleted=True)
    after = Values(delete_days=365, workflows={"invoices": exempt})
    change(after, is_confirmed=True)
    assert values.saved().days_of("invoices").delete is None


def test_deletion_for_good_is_confirmed_before_it_is_switched_on_or_shortened(invoices):
    def needs(after):
        with pytest.raises(changing.Unconfirmed) as told:
            change(after)
        return told.value.why

    assert needs(Values(delete_days=400)) == [
        "400 days after their end, runs are deleted for good; as saved now, they are kept for ever."
    ]
    change(Values(delete_days=400), is_confirmed=True)
    assert needs(Values(delete_days=399)) == [
        "399 days after their end, runs are deleted for good; as saved now, they are kept for"
        " 400 days."
    ]
    exempt = Values(delete_days=400, workflows={"invoices": Override(never_deleted=True)})
    change(exempt)
    # To end the exemption is to delete sooner, too.
    assert needs(Values(delete_days=400)) == [
        "400 days after their end, runs of invoices are deleted for good; as saved now, they are"
        " kept for ever."
    ]
    change(Values(delete_days=500, workflows=exempt.workflows))
    change(Values(workflows=exempt.workflows))


def test_the_next_night_is_in_the_zone_of_the_policy():
    berlin = Values(hour=2, zone="Europe/Berlin")
    assert berlin.next_night(datetime(2026, 11, 22, 0, 59, tzinfo=UTC)) == datetime(
        2026, 11, 22, 1, 0, tzinfo=UTC
    )
    assert berlin.next_night(datetime(2026, 11, 22, 1, 0, tzinfo=UTC)) == datetime(
        2026, 11, 23, 1, 0, tzinfo=UTC
    )
    assert berlin.next_night(datetime(2026, 6, 22, 12, 0, tzinfo=UTC)) == datetime(
        2026, 6, 23, 0, 0, tzinfo=UTC
    )


@pytest.mark.parametrize("name", ["completed_days", "failed_days", "delete_days", "restore_days"])
def test_the_database_takes_no_days_below_one(name):
    with pytest.raises(IntegrityError):
        Policy.objects.filter(pk=1).update(**{name: 0})


@pytest.mark.parametrize(
    "name", ["completed_days", "failed_days", "terminated_days", "delete_days"]
)
def test_nor_for_a_workflow(invoices, name):
    own = WorkflowPolicy.objects.create(workflow=invoices)
    WorkflowPolicy.objects.filter(pk=own.pk).update(**{name: 1})
    with pytest.raises(IntegrityError):
        WorkflowPolicy.objects.filter(pk=own.pk).update(**{name: 0})
