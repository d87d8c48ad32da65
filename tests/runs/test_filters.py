"""RunFilter: from a query string to a question, back to a query string, and into words."""

import zoneinfo
from datetime import UTC, datetime, timedelta

import pytest
from django.http import QueryDict
from django.utils import timezone
from hypothesis import given, settings
from hypothesis import strategies as st

from runs import ids, lifecycle
from runs.actors import Actor
from runs.filters import RANGES, STATES, RunFilter, pasted_id
from runs.models import Run
from runs.states import RunState, Trigger
from tests.runs.stories import Story, node, publish

NOW = datetime(2026, 11, 22, 13, 59, 5, tzinfo=UTC)
BERLIN = zoneinfo.ZoneInfo("Europe/Berlin")


def parse(query):
    return RunFilter.parse(QueryDict(query))


def good(query):
    found, errors = parse(query)
    assert errors == {}
    return found


# -- From a query string -----------------------------------------------------------------------


def test_nothing_asked_means_all():
    assert good("") == RunFilter()
    assert not good("")
    assert good("state=&workflow=&created_from=&q=&after=1") == RunFilter()


def test_every_field_is_read():
    found = good(
        "state=failed&workflow=invoice_processing&created_from=2026-11-21T13:59Z"
        "&created_to=2026-11-22T08:00Z&triggered_by=li.wei&trigger=webhook&ref=doc-17"
        "&error=TotalsMismatch@check&q=totals&node=check&node_status=failed&model=gpt-4.1-mini"
        "&spent=failed&is_retry=no&retried=recovered&timed=yes&logs=partly&held=yes"
    )

    assert found == RunFilter(
        state="failed",
        workflow="invoice_processing",
        created_from=datetime(2026, 11, 21, 13, 59, tzinfo=UTC),
        created_to=datetime(2026, 11, 22, 8, tzinfo=UTC),
        triggered_by="li.wei",
        trigger="webhook",
        ref="doc-17",
        error="TotalsMismatch@check",
        q="totals",
        node="check",
        node_status="failed",
        model="gpt-4.1-mini",
        spent="failed",
        is_retry="no",
        retried="recovered",
        timed="yes",
        logs="partly",
        held="yes",
    )


@pytest.mark.parametrize(
    ("given_name", "name"), [("active", "running"), ("created", "queued"), ("failed", "failed")]
)
def test_the_stored_states_are_understood_too(given_name, name):
    assert good(f"state={given_name}").state == name


def test_a_time_without_zone_is_in_the_person_s_zone():
    with timezone.override(BERLIN):
        found = good("created_from=2026-11-21 14:59&created_to=2026-11-22")

    assert found.created_from == datetime(2026, 11, 21, 13, 59, tzinfo=UTC)
    # A day as the end includes that day.
    assert found.created_to == datetime(2026, 11, 22, 23, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("query", "field", "word"),
    [
        ("state=done", "state", "“done”"),
        ("workflow=a b", "workflow", "letters"),
        ("workflow=%00", "workflow", "Null"),
        ("created=9h", "created", "“9h”"),
        ("created_from=yesterday", "created_from", "“yesterday”"),
        ("created_from=2026-02-31", "created_from", "2026-11-21 14:59"),
        ("created_to=9999-12-31T23:59-20:00", "created_to", "is not a time"),
        ("created_from=0001-01-01T00:00%2B10:00", "created_from", "is not a time"),
        ("created_from=2026-01-02&created_to=2026-01-01", "created_to", "after"),
        ("created=1h&created_from=2026-01-02", "created", "not both"),
        ("triggered_by=a%00b", "triggered_by", "Null"),
        ("triggered_by=" + "x" * 151, "triggered_by", "150"),
        ("trigger=cron", "trigger", "“cron”"),
        ("error=TotalsMismatch", "error", "“@”"),
        ("error=a%0A@b", "error", "“@”"),
        ("error=" + "x" * 101 + "@b", "error", "“@”"),
        ("q=totals", "q", "within a date range"),
        ("q=totals&created_to=2026-01-01", "q", "within a date range"),
        ("node=check", "node", "within a date range"),
        ("node=a b&created=7d", "node", "no spaces"),
        ("node_status=failed&created=7d", "node_status", "give it too"),
        ("node=a&node_status=skipped&created=7d", "node_status", "“skipped”"),
        ("model=gpt-4.1-mini", "model", "within a date range"),
        ("spent=failed&created_to=2026-01-01", "spent", "within a date range"),
        ("spent=much&created=7d", "spent", "“much”"),
        ("is_retry=maybe", "is_retry", "“maybe”"),
        ("retried=never", "retried", "“never”"),
        ("timed=no", "timed", "“no”"),
    ],
)
def test_a_wrong_field_is_named_and_left_out(query, field, word):
    found, errors = parse(query + ("" if field == "trigger" else "&trigger=api"))

    assert list(errors) == [field]
    assert word in errors[field]
    assert getattr(found, field) in ("", None)
    assert found.trigger == ("" if field == "trigger" else "api")


@given(st.dictionaries(st.sampled_from([*RunFilter.__dataclass_fields__, "q"]), st.text()))
def test_no_query_string_breaks_it(values):
    data = QueryDict(mutable=True)
    data.update(values)

    found, _ = RunFilter.parse(data)

    assert RunFilter.parse(QueryDict(found.query()[1:])) == (found, {})
    assert found.words(NOW)


# -- Back to a query string --------------------------------------------------------------------

moments = st.none() | st.integers(0, 10**9).map(lambda s: NOW - timedelta(seconds=s // 60 * 60))
filters = st.builds(
    lambda ranged, bounds, **rest: RunFilter(
        **rest,
        **(
            {"created": ranged}
            if ranged
            else dict(zip(("created_from", "created_to"), bounds, strict=True))
        ),
    ),
    ranged=st.sampled_from(["", *RANGES]),
    bounds=st.tuples(moments, moments).filter(lambda b: None in b or b[0] < b[1]),
    state=st.sampled_from(["", *STATES]),
    workflow=st.sampled_from(["", "claims_intake"]),
    triggered_by=st.sampled_from(["", "li.wei", "after claims & co", "Zoë=?"]),
    trigger=st.sampled_from(["", *map(str, Trigger)]),
    ref=st.sampled_from(["", "doc 17&8"]),
    error=st.sampled_from(["", "KeyError@check", "InputInvalid@", "@", "odd @ kind@check"]),
)


@given(filters)
@settings(max_examples=200)
def test_a_query_string_gives_the_same_filter_again(chosen):
    assert good(chosen.query()[1:]) == chosen


def test_a_relative_range_stays_relative():
    assert good("created=24h").query() == "?created=24h"


def test_the_query_string_takes_what_else_belongs_there():
    chosen = RunFilter(state="failed")
    assert chosen.query(after="17-x", before="") == "?state=failed&after=17-x"
    assert RunFilter().query() == "?"


# -- In words ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("", "runs"),
        ("state=queued", "queued runs"),
        (
            "state=terminated&workflow=nightly_report&created=1h",
            "terminated runs of nightly_report in the last hour",
        ),
        ("trigger=manual&triggered_by=maria", "runs started by hand triggered by maria"),
        (
            "created_from=2026-11-21T13:59Z&created_to=2027-01-01T00:00Z",
            "runs created from 21 Nov 14:59 to 1 Jan 2027 01:00",
        ),
        ("created_from=2026-11-21&created_to=2026-11-21", "runs created on 21 Nov"),
        (
            "created_from=2026-11-21&created_to=2026-11-22",
            "runs created from 21 Nov to 22 Nov",
        ),
        ("created_from=2026-11-21T13:59Z", "runs created since 21 Nov 14:59"),
        ("created_to=2026-11-21T13:59Z", "runs created before 21 Nov 14:59"),
        ("ref=doc-17", "runs with reference doc-17"),
        ("q=totals&created=7d", "runs with “totals” in their error in the last 7 days"),
        ("node=ocr&created=7d", "runs in which ocr was executed in the last 7 days"),
        (
            "node=ocr&node_status=failed&model=m&spent=failed&created=7d&is_retry=yes",
            "runs in which ocr failed that called m that spent on failed attempts"
            " that retry another in the last 7 days",
        ),
        ("retried=recovered", "runs that failed and completed when retried"),
        ("timed=yes", "runs that have started and ended"),
        ("held=yes&created=7d", "runs under legal hold in the last 7 days"),
        (
            "state=failed&logs=restored&held=no",
            "failed runs with restored logs not under legal hold",
        ),
        ("logs=damaged", "runs with a damaged archive"),
    ],
)
def test_a_filter_is_said_in_words(query, words):
    with timezone.override(BERLIN):
        assert good(query).words(NOW) == words


def test_widening_takes_the_next_longer_range_and_ends_at_any_time():
    chosen, seen = RunFilter(state="failed", created="1h"), []
    while chosen := chosen.wider():
        seen.append(chosen.created)
        assert chosen.state == "failed"
    assert seen == ["24h", "7d", "30d", ""]

    assert good("state=failed&created_from=2026-01-01").wider() == RunFilter(state="failed")
    assert RunFilter(state="failed").wider() is None
    # Error text, and what is in runs, is never looked for without a beginning.
    assert RunFilter(q="totals", created="30d").wider() is None
    assert RunFilter(node="ocr", created="30d").wider() is None
    assert RunFilter(model="m", created_from=NOW).wider() is None


# -- As a question -----------------------------------------------------------------------------


@pytest.fixture
def runs(db):
    """Three workflows' runs by name, told at NOW and before."""
    invoices = publish(node("a"), slug="invoices")
    claims = publish(node("a"), slug="claims")
    told = {
        "queued": Story(invoices, zero=NOW - timedelta(minutes=5), by="maria"),
        "running": Story(claims, zero=NOW - timedelta(hours=2), by="erp-sync").active(),
        "failed": Story(invoices, zero=NOW - timedelta(days=3), by="erp-sync"),
        "old": Story(claims, zero=NOW - timedelta(days=40), by="maria").active(),
    }
    error = {"node": "", "kind": "InputInvalid", "message": "no document"}
    told["failed"].state("created", "failed", error=error)
    told["old"].state("active", "completed")
    return {ids.decode("run", story.public_id): name for name, story in told.items()}


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("", ["queued", "running", "failed", "old"]),
        ("state=queued", ["queued"]),
        ("state=running", ["running"]),
        ("state=completed", ["old"]),
        ("state=terminated", []),
        ("workflow=claims", ["running", "old"]),
        ("workflow=none_such", []),
        ("created=1h", ["queued"]),
        ("created=24h", ["queued", "running"]),
        ("created=30d", ["queued", "running", "failed"]),
        ("created_to=2026-11-20", ["failed", "old"]),
        ("created_from=2026-11-19&created_to=2026-11-20", ["failed"]),
        ("triggered_by=erp-sync", ["running", "failed"]),
        ("triggered_by=erp", []),
        ("trigger=manual&workflow=invoices", ["queued", "failed"]),
        ("trigger=webhook", []),
        ("q=NO%20DOC&created=30d", ["failed"]),
        ("q=no%20doc&created=1h", []),
        ("error=InputInvalid@", ["failed"]),
        ("error=InputInvalid@a", []),
        ("error=Input@", []),
        ("error=InputInvalid@&state=running", []),
        ("ref=user_", ["queued", "running", "failed", "old"]),
        ("ref=doc", []),
        ("workflow=claims&created=30d&triggered_by=erp-sync&state=running", ["running"]),
    ],
)
def test_a_filter_lets_through_what_it_says(runs, query, names):
    found = good(query).apply(Run.objects.newest_first(), NOW)
    assert [runs[run.pk] for run in found] == names


def test_runs_are_found_by_their_legal_hold(runs):
    held = {name: pk for pk, name in runs.items() if name in ("failed", "old")}
    lifecycle.hold(
        Run.objects.filter(pk__in=held.values()),
        by=Actor("rita", "user", "rita"),
        reason="a case",
        now=NOW,
    )

    def named(query):
        return [runs[run.pk] for run in good(query).apply(Run.objects.newest_first(), NOW)]

    assert named("held=yes") == ["failed", "old"]
    assert named("held=no") == ["queued", "running"]
    assert named("held=yes&workflow=claims") == ["old"]


def test_runs_of_an_unknown_workflow_are_none_and_ask_nothing_of_the_runs(
    runs, django_assert_num_queries
):
    with django_assert_num_queries(0):  # its id is looked up past Django
        found = good("workflow=elsewhere&state=failed").apply(Run.objects.all(), NOW)
        assert list(found.newest_first()) == []
        assert found.capped_count() == 0


def test_a_workflow_is_asked_for_by_its_id(runs):
    found = good("workflow=claims").apply(Run.objects.all(), NOW)
    workflow = found[0].workflow
    assert f'"jobs"."workflow_id" = {workflow.pk}' in str(found.query)
    assert "SELECT" not in str(found.query)[6:]


def test_the_states_of_tabs_are_all_states():
    assert set(STATES.values()) == set(RunState)


# -- A pasted id -------------------------------------------------------------------------------


@pytest.mark.parametrize("prefix", ["run", "job"])
@pytest.mark.parametrize("around", ["{}", "  {}\n", "“{}”", "'{}',", "({})", "`{}`"])
def test_a_pasted_id_is_understood_however_it_was_copied(prefix, around):
    run_id = ids.new_id()
    assert pasted_id(around.format(ids.encode(prefix, run_id))) == run_id
    assert pasted_id(around.format(ids.encode(prefix, run_id).upper())) == run_id


@pytest.mark.parametrize("text", ["", "run_", "run_x", "user_01k9f4r2m8c6v0e5t7q3x1k3m9", "total"])
def test_what_is_no_id_opens_nothing(text):
    assert pasted_id(text) is None
