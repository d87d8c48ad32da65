import csv
import io
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from django.db import connection

from runs.models import Run, Workflow
from runs.samples import files, report
from runs.states import FINAL_STATES, RunState, Trigger

from .walk import walk

DAY = datetime(2026, 3, 14, tzinfo=UTC)


@pytest.fixture
def finished(db):
    """Makes a run as it stands after its end, past the recorder."""
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL runs.load = 'on'")

    def make(slug: str, at: datetime, state: RunState, seconds: float | None, **fields) -> Run:
        version = Workflow.objects.publish(slug, {"nodes": []})
        started = at if seconds is not None else None
        ended = at + timedelta(seconds=seconds or 0) if state in FINAL_STATES else None
        return Run.objects.create(
            workflow=version.workflow,
            version=version,
            state=state,
            state_seq=1,
            last_seq=1,
            created_at=at,
            started_at=started,
            completed_at=ended,
            trigger=Trigger.API,
            triggered_by="test",
            **fields,
        )

    return make


@pytest.fixture
def a_day(finished) -> None:
    for seconds in (1, 2, 30):
        finished("import_orders", DAY, RunState.COMPLETED, seconds, cost=Decimal("0.25"))
    error = {"error_node": "load", "error_kind": "TotalsMismatch"}
    finished("import_orders", DAY, RunState.FAILED, 9, error_message="b", **error)
    finished("import_orders", DAY, RunState.FAILED, 9, error_message="a", **error)
    finished("notify", DAY, RunState.FAILED, 1, error_node="send", error_kind="Timeout")
    finished("notify", DAY, RunState.TERMINATED, None, input_tokens=10, output_tokens=5)
    finished("notify", DAY + timedelta(hours=23, minutes=59), RunState.ACTIVE, 0)
    for outside in (DAY - timedelta(microseconds=1), DAY + timedelta(days=1)):
        finished("import_orders", outside, RunState.FAILED, 500, **error)


def test_a_day_is_counted_from_midnight_to_midnight(ctx, a_day, django_assert_num_queries) -> None:
    with django_assert_num_queries(2):
        found = report.collect_runs(ctx, day="2026-03-14")
    orders, notify = found["workflows"]
    assert orders == {
        "workflow": "import_orders",
        "runs": 5,
        "completed": 3,
        "failed": 2,
        "median_seconds": "9.000",
        "cost": "0.7500000000",
        "tokens": 0,
    }
    # A run stopped before its start, and one still active, have no duration.
    assert (notify["runs"], notify["median_seconds"], notify["tokens"]) == (3, "1.000", 15)
    assert (found["all"]["runs"], found["all"]["failed"]) == (8, 3)


def test_errors_are_grouped_most_common_first(ctx, a_day, django_assert_num_queries) -> None:
    with django_assert_num_queries(1):
        errors = report.collect_errors(ctx, day="2026-03-14")["errors"]
    assert [(e["workflow"], e["error"], e["runs"]) for e in errors] == [
        ("import_orders", "TotalsMismatch", 2),
        ("notify", "Timeout", 1),
    ]
    assert errors[0]["sample"] == "a"
    assert errors[0]["last"] == "2026-03-14T00:00:09+00:00"


def test_more_workflows_than_listed_are_told(ctx, finished, monkeypatch) -> None:
    monkeypatch.setattr(report, "MOST_WORKFLOWS", 1)
    for slug in ("one", "two"):
        finished(slug, DAY, RunState.COMPLETED, 1)
    found = report.collect_runs(ctx, day="2026-03-14")
    assert (len(found["workflows"]), found["all"]["runs"]) == (1, 2)
    assert ctx.warnings() == ["only the 1 with the most runs are listed"]


def test_the_whole_report_is_written(ctx, a_day, empty_storage) -> None:
    run = walk("nightly_report", {"day": "2026-03-14"}, ctx)
    assert run.output["summary"] == "8 runs on 2026-03-14: 3 completed, 3 failed"
    rows = list(csv.DictReader(io.StringIO(files.read_text(run.output["csv"]))))
    assert [row["Workflow"] for row in rows] == ["import_orders", "notify", "All"]
    assert rows[0]["Failure rate"] == "40.0 %"
    assert rows[0]["Most common error"] == "TotalsMismatch (2×)"
    assert rows[0]["Cost (USD)"] == "0.7500"
    page = files.read_text(run.output["html"])
    assert "<td>import_orders</td><td>5</td><td>3</td><td>2</td><td>40.0 %</td>" in page


def test_a_day_without_runs_is_a_report_too(ctx, db, empty_storage) -> None:
    run = walk("nightly_report", {"day": "1999-12-31"}, ctx)
    assert run.output["summary"] == "0 runs on 1999-12-31: 0 completed, 0 failed"


def test_without_a_day_it_is_today(ctx) -> None:
    before = datetime.now(UTC).date().isoformat()
    chosen = report.choose_day(ctx, request={})["day"]
    assert before <= chosen <= datetime.now(UTC).date().isoformat()


@pytest.mark.parametrize("day", ["2026-02-30", "yesterday", 7])
def test_what_is_no_day(ctx, day) -> None:
    with pytest.raises(report.DayUnclear, match="is not a day such as 2026-03-31"):
        report.choose_day(ctx, request={"day": day})


def test_text_from_runs_cannot_run_in_a_spreadsheet_or_browser(ctx, empty_storage) -> None:
    evil = '=HYPERLINK("x")<script>'
    errors = [{"workflow": "w", "node": "n", "error": evil, "runs": 1, "sample": evil}]
    table = {"title": "Runs", "headings": ["Workflow"], "rows": [[evil], ["a", "1", "0", "1"]]}
    found = report.write_report(ctx, day="2026-03-14", table=table, errors=errors, month_end=None)
    rows = list(csv.reader(io.StringIO(files.read_text(found["csv_key"]))))
    assert rows[1] == ["'" + evil]
    assert "<script>" not in files.read_text(found["html_key"])
