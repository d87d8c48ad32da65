from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.core.files.storage import default_storage
from django.db import connection
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st

from runs.engine import worker
from runs.engine.attendant import attendant
from runs.models import Event, ReadyNode, Run
from runs.samples import files
from runs.samples.install import documents, install
from runs.samples.tasks import traffic
from runs.samples.traffic import BROKEN, GOOD, choose, start_next
from runs.states import Kind, NodeStatus

# After so many ticks every list has come round to its beginning.
STEPS = 30 * 12


def test_one_in_five_fails_and_one_in_fifteen_reports() -> None:
    chosen = [choose(tick) for tick in range(STEPS)]
    assert sum(start in BROKEN for start in chosen) == STEPS // 5
    assert sum(slug == "nightly_report" for slug, _ in chosen) == STEPS // 15


def test_every_tenth_is_a_month_end() -> None:
    ticks = [tick for tick in range(STEPS) if choose(tick)[0] == "month_end"]
    assert ticks == list(range(4, STEPS, 10))


def test_every_document_has_its_turn_equally_often() -> None:
    chosen = Counter(str(choose(tick)) for tick in range(STEPS))
    assert len({chosen[str(start)] for start in GOOD}) == 1
    assert len({chosen[str(start)] for start in BROKEN}) == 1


@given(st.integers(0, 10**10))
def test_a_tick_always_chooses_the_same(tick: int) -> None:
    assert choose(tick) == choose(tick)
    assert choose(tick) == choose(tick + STEPS)


def run_to_its_end(run: Run) -> Run:
    """What a worker would do with the hints."""
    while ready := ReadyNode.objects.filter(run=run).first():
        assert worker.execute(ready.node_id)
    run.refresh_from_db()
    return run


@pytest.fixture
def installed(transactional_db, empty_storage) -> Iterator[None]:
    install()
    yield
    # Its thread would hold a connection past the end of the tests.
    attendant.stop()


@pytest.mark.parametrize(
    ("tick", "end"),
    [
        (0, ("completed", "", "")),
        (2, ("failed", "extract_text", "NotAPdf")),
        (7, ("failed", "extract_text", "TruncatedPdf")),
        (12, ("failed", "check_totals", "TotalsMismatch")),
        (15, ("completed", "", "")),
        (22, ("failed", "extract_fields", "FieldMissing")),
        (27, ("failed", "read_statement", "BalanceBroken")),
    ],
)
def test_a_tick_starts_a_run_that_ends_as_its_document_deserves(installed, tick, end) -> None:
    run = start_next(tick)
    assert run is not None
    slug, data = choose(tick)
    assert (run.workflow.slug, run.trigger, run.triggered_by) == (slug, "schedule", "demo")
    assert Event.objects.get(run=run, seq=1).data["input"] == data
    ended = run_to_its_end(run)
    assert (ended.state, ended.error_node, ended.error_kind) == end
    assert max(ended.nodes.values_list("attempts", flat=True)) == 1


def test_a_run_tells_its_progress_page_by_page(installed) -> None:
    run = run_to_its_end(start_next(0))
    told = Event.objects.filter(run=run, node="extract_text", kind=Kind.PROGRESS).order_by("seq")
    assert [(event.data["done"], event.data["total"]) for event in told] == [
        (page, 6) for page in range(1, 7)
    ]
    files.read(f"results/{run.public_id}/result.json")


@pytest.mark.parametrize(("left", "refused"), [((1003, 1005, 1010, 1013), 1), ((1003, 1010), 0)])
def test_a_month_end_counts_documents_and_tells_what_it_refused(installed, left, refused) -> None:
    for key in documents():
        if "/inv-" in key and not any(str(number) in key for number in left):
            default_storage.delete(key)
    run = run_to_its_end(start_next(4))
    assert (run.state, run.error_message) == ("completed", "")
    half = len(left) // 2
    for node in ("read_first_half", "read_second_half"):
        told = Event.objects.filter(run=run, node=node, kind=Kind.PROGRESS).order_by("seq")
        assert [(event.data["done"], event.data["total"]) for event in told] == [
            (document, half) for document in range(1, half + 1)
        ]
    written = run.nodes.get(key="write_exceptions").status
    assert written == (NodeStatus.COMPLETED if refused else NodeStatus.SKIPPED)
    summary = files.read_json(f"results/{run.public_id}/month-end.json")
    assert (summary["invoices"], summary["refused"]) == (len(left) - refused, refused)


def execute_what_is_due(run: Run) -> None:
    while any(worker.execute(ready.node_id) for ready in ReadyNode.objects.filter(run=run)):
        pass


def end_the_pause(run: Run) -> None:
    """As if its seconds had gone by."""
    assert ReadyNode.objects.filter(run=run).update(ready_at=timezone.now()) == 1


@pytest.mark.long
def test_a_report_comes_back_for_the_result_of_a_month_end_that_still_runs(installed) -> None:
    month_end, report = start_next(14), start_next(15)
    assert (month_end.workflow.slug, report.workflow.slug) == ("month_end", "nightly_report")
    execute_what_is_due(report)
    node = report.nodes.get(key="collect_month_end")
    # It pauses: a worker that is sent there does nothing.
    assert (node.status, node.attempts) == (NodeStatus.QUEUED, 1)
    assert not worker.execute(node.pk)
    failed = Event.objects.get(run=report, node=node.key, kind=Kind.NODE_FAILED)
    assert failed.data["error"]["kind"] == "MonthEndUnfinished"
    assert month_end.public_id in failed.data["error"]["message"]
    end_the_pause(report)
    execute_what_is_due(report)
    assert node.attempt_set.count() == 2

    # One that begins later does not count.
    assert start_next(24).workflow.slug == "month_end"
    assert run_to_its_end(month_end).state == "completed"
    end_the_pause(report)
    assert run_to_its_end(report).state == "completed"
    node.refresh_from_db()
    assert (node.status, node.attempts) == (NodeStatus.COMPLETED, 3)
    paused = list(Event.objects.filter(run=report, node=node.key, kind=Kind.NODE_FAILED))
    assert len(paused) == 2
    day = Event.objects.get(run=report, node="choose_day", kind=Kind.NODE_COMPLETED)
    page = files.read_text(f"results/{report.public_id}/report-{day.data['output']['day']}.html")
    assert month_end.public_id in page
    assert "EUR to pay in" in page


def test_a_month_end_that_failed_or_was_never_run_keeps_no_report_waiting(installed) -> None:
    report = run_to_its_end(start_next(15))
    assert report.state == "completed"
    month_end = start_next(14)
    for key in documents():
        if "/inv-" in key:
            default_storage.delete(key)
    assert run_to_its_end(month_end).state == "failed"
    report = run_to_its_end(start_next(26))
    assert (report.workflow.slug, report.state) == ("nightly_report", "completed")
    assert report.nodes.get(key="collect_month_end").attempts == 1


def test_two_beats_of_one_tick_start_one_run(installed) -> None:
    def beat(_: int) -> Run | None:
        try:
            return start_next(3)
        finally:
            connection.close()

    with ThreadPoolExecutor(4) as pool:
        started = [run for run in pool.map(beat, range(4)) if run is not None]
    assert len(started) == Run.objects.count() == 1
    assert start_next(4) is not None


def test_stopped_workers_do_not_come_back_to_a_pile_of_sample_runs(installed, monkeypatch) -> None:
    monkeypatch.setattr("runs.samples.traffic.BACKLOG", 3)
    assert [start_next(tick) is None for tick in range(5)] == [False, False, False, True, True]


def test_where_the_samples_are_not_installed_nothing_starts(db) -> None:
    assert start_next(0) is None


def test_the_task_takes_its_tick_from_the_clock(installed) -> None:
    for _ in range(3):
        traffic(interval=100_000_000)
    run = Run.objects.get()
    assert run.ref_id == f"demo-{int(run.created_at.timestamp()) // 100_000_000}"
