"""Every filter of the list reads few rows, whatever stands in the table: by an index, unsorted."""

import re
from datetime import UTC, datetime, timedelta
from io import StringIO
from urllib.parse import urlencode

import pytest
from django.core.management import call_command
from django.db import connection, transaction
from django.db.models import Count
from django.http import QueryDict

from runs.filters import RunFilter
from runs.models import Run
from runs.paging import Cursor, first_of
from runs.states import FINAL_STATES, LogState
from runs.views.runs_list import PAGE_SIZE, rows
from tests.runs.stories import node, publish

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
COUNT = 30_000
# Rows that may be read and thrown away for a page of 50.
WASTE = 1_500


@pytest.fixture(scope="module")
def full(django_db_setup, django_db_blocker):
    """Made-up runs of a year, committed once for all tests here, and analysed as a whole."""
    with django_db_blocker.unblock():
        call_command(
            "load_runs", "--runs", str(COUNT), "--until", NOW.isoformat(),
            "--nodes-for", "0", stdout=StringIO(),
        )  # fmt: skip
        publish(node("a"), slug="rare")
        with connection.cursor() as cursor:
            # As they come, the statistics would be those of a sample that differs each time;
            # one as large as the table does not. Nobody else may take another meanwhile.
            cursor.execute("ALTER TABLE jobs SET (autovacuum_enabled = off)")
            cursor.execute("SET default_statistics_target = 1000")
            cursor.execute("ANALYZE jobs")
            cursor.execute("RESET default_statistics_target")
        yield
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SET LOCAL session_replication_role = 'replica'")
            for table in ("jobs", "workflow_versions", "workflows"):
                cursor.execute(f"DELETE FROM {table}")
        with connection.cursor() as cursor:
            cursor.execute("ALTER TABLE jobs RESET (autovacuum_enabled)")
            cursor.execute("VACUUM ANALYZE jobs")


@pytest.fixture
def archived(full, db):
    """What is older than 120 days is archived, and some of that restored, as after some months."""
    old = Run.objects.filter(created_at__lt=NOW - timedelta(days=120), state__in=[*FINAL_STATES])
    old.update(logs=LogState.ARCHIVED)
    few = list(old.order_by("-created_at").values_list("pk", flat=True)[:20])
    Run.objects.filter(pk__in=few).update(logs=LogState.RESTORED)
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL default_statistics_target = 1000")
        cursor.execute("ANALYZE jobs")


def assert_cheap(runs):
    plan = first_of(runs, PAGE_SIZE + 1, rows()).explain(analyze=True)
    assert "Seq Scan on jobs" not in plan, plan
    removed = sum(map(int, re.findall(r"Rows Removed by Filter: (\d+)", plan)))
    assert removed <= WASTE, plan
    # What is sorted, if anything, is less than the page.
    sorted_rows = re.findall(r"Sort .*?rows=(\d+)(?:\.\d+)? loops", plan)
    assert all(int(count) <= PAGE_SIZE + 1 for count in sorted_rows), plan


def asked(query):
    chosen, errors = RunFilter.parse(QueryDict(query))
    assert not errors
    return chosen.apply(Run.objects.all(), NOW)


@pytest.mark.parametrize(
    "query",
    [
        "", "state=running", "state=failed", "state=terminated", "state=queued",
        "workflow=document_intake", "workflow=tax_audit", "workflow=rare", "workflow=none",
        "workflow=mail_routing&state=failed", "workflow=tax_audit&state=terminated",
        "workflow=rare&state=failed", "workflow=none&state=failed",
        "workflow=contract_review&state=running", "workflow=mail_routing&created=7d",
        "workflow=tax_audit&state=terminated&created=7d", "workflow=tax_audit&trigger=webhook",
        "workflow=contract_review&triggered_by=anna.lind",
        "workflow=mail_routing&triggered_by=anna.lind&trigger=api",
        "created=1h", "created=24h", "created=30d&state=completed", "created_to=2026-01-03",
        "triggered_by=mail-gateway", "triggered_by=yara.aziz", "triggered_by=nobody",
        "trigger=schedule", "trigger=automation", "trigger=webhook&state=terminated",
        "trigger=manual&workflow=thumbnail_refresh", "trigger=webhook&triggered_by=anna.lind",
        "trigger=event&workflow=contract_review&state=failed",
        "triggered_by=mail-gateway&workflow=ledger_export",
        "triggered_by=yara.aziz&state=terminated",
        "state=failed&workflow=contract_review&triggered_by=yara.aziz&created=30d",
        "state=failed&workflow=contract_review&triggered_by=anna.lind&created=24h",
        "state=failed&workflow=contract_review&triggered_by=anna.lind&created=30d",
        "state=failed&workflow=contract_review&triggered_by=anna.lind",
        "is_retry=yes", "is_retry=no", "is_retry=yes&workflow=rare", "timed=yes",
        "timed=yes&created=7d", "retried=yes", "retried=recovered", "retried=no",
        "retried=no&workflow=mail_routing",
        "is_retry=yes&created=30d&state=failed",
    ],
)  # fmt: skip
def test_every_filter_is_answered_by_an_index(full, db, query):
    assert_cheap(asked(query).newest_first())


@pytest.mark.parametrize(
    "query",
    ["logs=archived", "logs=live", "logs=archived&state=failed", "logs=live&state=completed"],
)
def test_where_the_logs_are_is_answered_by_an_index(archived, query):
    assert asked(query).exists()
    assert_cheap(asked(query).newest_first())


@pytest.fixture
def in_between(archived):
    """Some logs in each other place, the oldest ones; and some archives that were found damaged."""
    old = Run.objects.filter(logs=LogState.ARCHIVED).order_by("created_at")
    ids = list(old.values_list("pk", flat=True)[:3_000])
    places = [LogState.PARTLY, LogState.ARCHIVING, LogState.RESTORING, LogState.RESTORED]
    for index, place in enumerate(places):
        Run.objects.filter(pk__in=ids[index * 300 : index * 300 + 300]).update(logs=place)
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO archives (run_id, name, last_seq, unpacked, bytes, sha256, archived_at,"
            " verified_at, completed_at, problem)"
            " SELECT id, id::text, 1, 1, 1, '', completed_at, completed_at, completed_at, ''"
            " FROM jobs WHERE logs <> 'live'"
        )
        cursor.execute(
            "UPDATE archives SET problem = 'it is cut off' WHERE run_id = ANY(%s::uuid[])",
            [ids[1_500:1_560]],
        )
        cursor.execute("SET LOCAL default_statistics_target = 1000")
        cursor.execute("ANALYZE jobs, archives")


@pytest.mark.parametrize("more", ["", "&state=failed", "&held=no"])
@pytest.mark.parametrize("place", ["partly", "archiving", "restoring", "restored", "damaged"])
def test_the_rarer_places_of_logs_are_found_by_indexes_of_their_own(in_between, place, more):
    query = f"logs={place}{more}"
    assert asked(query).exists()
    found = first_of(asked(query).newest_first(), PAGE_SIZE + 1, rows())
    plan = found.explain(analyze=True)
    assert ("archives_problem" if place == "damaged" else "jobs_logs_between") in plan, plan
    assert "Seq Scan on jobs" not in plan, plan


@pytest.mark.parametrize("count", [40, 400])
@pytest.mark.parametrize(
    "query",
    [
        "held=yes", "held=no", "held=yes&state=failed", "held=no&state=failed",
        "held=yes&workflow=mail_routing", "held=no&workflow=mail_routing", "held=yes&created=30d",
    ],
)  # fmt: skip
def test_held_runs_are_found_however_few_and_old_they_are(full, db, query, count):
    old = Run.objects.order_by("created_at").values_list("pk", flat=True)[:count]
    Run.objects.filter(pk__in=list(old)).update(held_at=NOW, held_by="rita")
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL default_statistics_target = 1000")
        cursor.execute("ANALYZE jobs")
    found = first_of(asked(query).newest_first(), PAGE_SIZE + 1, rows())
    plan = found.explain(analyze=True)
    assert "Seq Scan on jobs" not in plan, plan
    removed = sum(map(int, re.findall(r"Rows Removed by Filter: (\d+)", plan)))
    assert removed <= WASTE, plan
    if "held=yes" in query and "created" not in query:
        assert "jobs_held" in plan, plan


def test_archived_runs_are_paged_through_by_their_own_index(archived):
    found = asked("logs=archived").newest_first()
    assert "jobs_archived" in first_of(found, PAGE_SIZE + 1, rows()).explain()
    deep = Cursor.of(found[5_000])
    assert_cheap(asked("logs=archived").older_than(deep.created_at, deep.id))


@pytest.mark.parametrize(
    "query", ["", "state=failed", "workflow=mail_routing", "workflow=mail_routing&state=failed"]
)
def test_a_deep_page_costs_what_the_first_one_does(full, db, query):
    deep = Cursor.of(Run.objects.newest_first()[25_000])
    assert_cheap(asked(query).older_than(deep.created_at, deep.id))
    assert_cheap(asked(query).newer_than(deep.created_at, deep.id))


def test_a_search_by_the_end_of_an_id_or_a_reference_reads_what_it_finds(full, db):
    runs = Run.objects.all()
    order = runs.filter(ref_type="order").order_by("created_at")[0]
    assert_cheap(runs.with_short_id(order.public_id[-8:]).newest_first())
    assert_cheap(runs.with_reference(order.ref_id).newest_first())
    assert_cheap(runs.with_reference("nothing begins so").newest_first())


@pytest.mark.parametrize("more", ["", "&created=24h", "&state=failed&workflow={}&created=24h"])
def test_runs_that_failed_alike_are_found_by_an_index(full, db, more):
    alike = Run.objects.failed().values_list("error_kind", "error_node", "workflow__slug")
    by_count = alike.annotate(count=Count("pk")).order_by("count", "error_kind", "error_node")
    rarest, commonest = by_count.first(), by_count.last()
    never = ("NeverRaised", "nowhere", commonest[2])
    for kind, node_key, slug, *_ in (rarest, commonest, never):
        runs = asked(urlencode({"error": f"{kind}@{node_key}"}) + more.format(slug))
        assert_cheap(runs.newest_first())


def test_a_search_for_an_error_does_not_read_the_table(full, db):
    for text in ("upstream", "iban", "nothing says so"):
        runs = Run.objects.with_error_text(text).newest_first()
        plan = first_of(runs, PAGE_SIZE + 1, rows()).explain()
        assert "Seq Scan on jobs" not in plan, plan


def test_other_orders_read_no_more_than_the_range(full, db):
    for runs in (asked("created=24h").longest_first(), asked("created=24h").dearest_first()):
        plan = first_of(runs, PAGE_SIZE + 1, rows()).explain(analyze=True)
        assert "Seq Scan on jobs" not in plan, plan
