"""The audit's page: what it says of bulk operations, of what was asked for and of changes."""

import re

import pytest
from django.db import connection
from django.utils import timezone

from runs.bulk import operations, work
from runs.filters import RunFilter
from runs.models import AuditEntry, BulkOutcome, Run
from tests.runs.test_admin import ANNA, AUDIT, BY_BOSS, audit, shown
from tests.runs.visitors import visitor

pytestmark = pytest.mark.django_db


@pytest.fixture
def boss():
    return visitor(name="boss", is_superuser=True)


def cells(page):
    """The texts of the cells of the one entry that is shown, by column."""
    found = re.findall(r'class="[^"]*field-(\w+)[^>]*>(.*?)</t[dh]>', page, re.DOTALL)
    return {name: " ".join(re.sub(r"<[^>]*>", " ", text).split()) for name, text in found}


def made(make_run, count):
    return list(Run.objects.in_bulk([make_run() for _ in range(count)]).values())


def bulk(kind="hold", **which):
    return operations.make(kind, by=BY_BOSS, now=timezone.now(), reason="a case in court", **which)


def entry_of(operation):
    return AuditEntry.objects.get(target_type="bulk", target_id=operation.public_id)


def test_what_was_done_to_a_run_by_operations_is_found_by_its_id(boss, make_run):
    one, two, three = made(make_run, 3)
    held = bulk(chosen=[one.pk, two.pk])
    work.work(held.pk)
    everything = bulk("release", wanted=RunFilter())
    work.work(everything.pk)
    alone = bulk("hold", chosen=[one.pk])  # has not begun
    own = audit(target=("run", one.public_id))
    audit(target=("run", two.public_id))
    wanted = [own.pk, *(entry_of(each).pk for each in (alone, everything, held))]
    assert shown(boss, q=one.public_id) == wanted
    assert shown(boss, target=f"run:{one.public_id}") == wanted
    assert shown(boss, q=one.public_id, action="bulk hold") == [wanted[1], wanted[3]]
    assert shown(boss, q=three.public_id) == [entry_of(everything).pk]
    assert shown(boss, q=held.public_id) == [entry_of(held).pk]


def test_an_operation_is_shown_with_its_runs_and_a_link(boss, make_run):
    runs = made(make_run, 3)
    for operation, count in [
        (bulk(chosen=[run.pk for run in runs]), "3"),
        (bulk(chosen=[runs[0].pk]), "1"),
        (bulk("release", wanted=RunFilter()), "3"),
    ]:
        work.work(operation.pk)
        operation.refresh_from_db()
        operations.count(operation)
        page = boss.get(AUDIT, {"q": operation.public_id}).content.decode()
        link = f'<a class="text-link" href="/admin/bulk/{operation.public_id}/">'
        assert link in page
        assert cells(page)["how_many"] == count
        run_link = f'<a class="text-link" href="/admin/runs/run/{runs[0].public_id}/">'
        assert (run_link in page) == (count == "1")
        change = boss.get(f"{AUDIT}{entry_of(operation).pk}/change/").content.decode()
        assert (run_link in change) == (count == "1")


def test_operations_on_a_run_are_found_by_indexes(boss, make_run):
    [run] = made(make_run, 1)
    work.work(bulk(chosen=[run.pk]).pk)
    with connection.cursor() as cursor:
        cursor.execute("""
            INSERT INTO bulk_outcomes (operation_id, run_id, status, reason)
            SELECT (SELECT id FROM bulk_operations LIMIT 1), gen_random_uuid(), 'done', ''
            FROM generate_series(1, 20000) n
            """)
        cursor.execute("""
            INSERT INTO audit (at, actor, ref_type, ref_id, action, target_type, target_id,
                reason, count)
            SELECT now(), 'anna', '', '', 'retry', 'run', 'run_' || n, '', 1
            FROM generate_series(1, 20000) n
            """)
        cursor.execute("ANALYZE audit, bulk_outcomes")
    assert " bulk_outcomes_run" in BulkOutcome.objects.filter(run=run.pk).explain()
    rows = boss.get(AUDIT, {"q": run.public_id}).context["cl"].queryset[:51]
    assert len(rows) == 1
    assert " audit_target" in rows.explain()


def test_what_was_asked_for_is_shown_with_its_values(boss):
    policy = {"delete_days": None, "failed_days": 30}
    AuditEntry.by(
        ANNA, action="begin archive", target_type="retention", target_id="exec_x",
        filter={"policy": policy, "dry_run": False},
    ).save()  # fmt: skip
    page = boss.get(AUDIT).content.decode()
    # As JSON keeps names in its own order.
    said = cells(page)["shown_filter"].split("; ")
    assert sorted(said) == ["dry run: no", "policy: delete days none, failed days 30"]


def test_a_change_of_retention_is_parted_from_its_reason_and_found_by_its_workflow(boss, version):
    slug = version.workflow.slug
    told = AuditEntry.objects.note(
        ANNA, "change", ("retention", slug), "Failed: 30 → 60 days (an audit (of 2025))"
    )
    published = AuditEntry.objects.note(ANNA, "publish", ("workflow", f"{slug} v1"))
    said = AuditEntry.objects.note(ANNA, "retry", ("run", "run_x"), f"as {slug} was wrong")
    audit()
    assert shown(boss, q=slug) == [said.pk, published.pk, told.pk]
    page = boss.get(AUDIT, {"target": "retention"}).content.decode()
    found = cells(page)
    assert found["change"] == "Failed: 30 → 60 days"
    assert found["shown_reason"] == "an audit (of 2025)"
