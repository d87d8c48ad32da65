"""The timeline: where bars and gaps stand, why a run waited, its critical path. Fixed times."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runs.timeline import Gap, timeline

ZERO = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


def at(seconds):
    return None if seconds is None else ZERO + timedelta(seconds=seconds)


@dataclass
class FakeRun:
    created: float = 0
    started: float | None = 0
    completed: float | None = None

    @property
    def created_at(self):
        return at(self.created)

    @property
    def started_at(self):
        return at(self.started)

    @property
    def completed_at(self):
        return at(self.completed)


@dataclass
class FakeNode:
    key: str
    position: int
    status: str = "completed"
    queued_at: datetime | None = None
    completed_at: datetime | None = None
    started_at: datetime | None = None


@dataclass
class FakeAttempt:
    number: int
    status: str
    started_at: datetime
    completed_at: datetime | None = None
    retry_at: datetime | None = None
    error_kind: str = ""


class Story:
    """A run told in seconds: `node("a", 0, [(2, 5)])` was queued at 0 and ran from 2 to 5."""

    def __init__(self, completed=None, *, created=0, started=0):
        self.run = FakeRun(created, started, completed)
        self.nodes, self.attempts, self.needs = [], {}, {}

    def node(self, key, queued, tries=(), status="completed", needs=(), ended=None):
        made = [self._attempt(number, *each) for number, each in enumerate(tries, 1)]
        if ended is None and made and made[-1].completed_at and status not in ("queued", "running"):
            ended_at = made[-1].completed_at
        else:
            ended_at = at(ended)
        self.nodes.append(FakeNode(key, len(self.nodes), status, at(queued), ended_at))
        self.attempts[key] = made
        self.needs[key] = needs
        return self

    @staticmethod
    def _attempt(number, start, end=None, status=None, retry=None):
        status = status or ("running" if end is None else "completed")
        kind = "Boom" if status == "failed" else ""
        return FakeAttempt(number, status, at(start), at(end), at(retry), kind)

    def told(self, now=None):
        now = at(now if now is not None else self.run.completed)
        return timeline(self.run, self.nodes, self.attempts, self.needs, now)


def row(told, key):
    return next(row for row in told.rows if row.key == key)


def places(pieces):
    return [(piece.x, piece.w) for piece in pieces]


def gaps(told, key):
    return [(gap.cause, gap.x, gap.w) for gap in row(told, key).gaps]


def test_a_bar_stands_where_its_attempt_ran():
    told = Story(100).node("a", 0, [(10, 40)]).node("b", 40, [(50, 100)], needs=["a"]).told()
    assert told.span == 100
    assert places(row(told, "a").bars) == [(10, 30)]
    assert places(row(told, "b").bars) == [(50, 50)]
    assert [bar.state for bar in row(told, "a").bars] == ["completed"]
    assert row(told, "b").seconds == 50


def test_waiting_for_a_worker_is_a_queued_gap():
    told = Story(100).node("a", 0, [(10, 40)]).node("b", 40, [(50, 100)], needs=["a"]).told()
    assert gaps(told, "a") == [("queued", 0, 10)]
    assert gaps(told, "b") == [("queued", 40, 10)]


def test_waiting_for_the_slower_dependency_is_a_dependency_gap():
    story = Story(100).node("a", 0, [(0, 20)]).node("b", 0, [(0, 60)])
    told = story.node("c", 60, [(60, 100)], needs=["a", "b"]).told()
    assert gaps(told, "c") == [("dep", 20, 40)]


def test_each_attempt_has_its_bar_and_the_pause_between_is_back_off_then_queue():
    tries = [(0, 20, "failed", 50), (60, 100)]
    told = Story(100).node("a", 20, tries).told()
    assert places(row(told, "a").bars) == [(0, 20), (60, 40)]
    assert [bar.state for bar in row(told, "a").bars] == ["failed", "completed"]
    assert [bar.attempt for bar in row(told, "a").bars] == [1, 2]
    assert gaps(told, "a") == [("backoff", 20, 30), ("queued", 50, 10)]


def test_a_retry_does_not_hide_the_first_wait_for_a_worker():
    """`queued_at` is set anew by a retry; the first wait is told by the dependency's end."""
    story = Story(100).node("a", 0, [(0, 20)])
    told = story.node("b", 50, [(30, 50, "failed", 60), (60, 100)], needs=["a"]).told()
    assert gaps(told, "b") == [("queued", 20, 10), ("backoff", 50, 10)]


def test_a_lost_attempt_is_drawn_as_failed_and_a_late_one_as_ended_by_hand():
    story = Story(100).node("a", 0, [(0, 50, "lost", 50), (50, 100)])
    told = story.node("b", 0, [(0, 90, "late")], status="terminated", ended=80).told()
    assert [bar.state for bar in row(told, "a").bars] == ["failed", "completed"]
    assert [bar.state for bar in row(told, "b").bars] == ["terminated"]


def test_the_bar_of_a_running_node_ends_with_now():
    told = Story().node("a", 0, [(20,)], status="running").told(now=50)
    [bar] = row(told, "a").bars
    assert (bar.x, bar.w, bar.growing, bar.state) == (40, 60, True, "running")
    assert told.growing
    assert told.span == 50
    assert row(told, "a").seconds == 30


def test_a_queued_node_and_a_pending_one_wait_until_now():
    story = Story().node("a", 0, [(0, 20)]).node("b", 0, [(0,)], status="running")
    story.node("c", 20, status="queued", needs=["a"])
    told = story.node("d", None, status="pending", needs=["a", "b"]).told(now=40)
    assert row(told, "c").gaps == [Gap("queued", 50, 50, 20, growing=True)]
    assert row(told, "d").gaps == [Gap("dep", 50, 50, 20, growing=True)]
    assert row(told, "d").seconds is None


def test_a_node_that_waits_for_its_next_attempt_is_in_back_off_until_then():
    story = Story().node("a", 20, [(0, 20, "failed", 60)], status="queued")
    assert row(story.told(now=40), "a").gaps == [Gap("backoff", 50, 50, 20, growing=True)]
    told = story.told(now=80)
    assert gaps(told, "a") == [("backoff", 25, 50), ("queued", 75, 25)]
    assert [gap.growing for gap in row(told, "a").gaps] == [False, True]


def test_nodes_that_never_had_their_turn_have_no_gap():
    story = Story(40).node("a", 0, [(0, 40)], status="terminated", ended=40)
    story.node("b", None, status="terminated", needs=["a"], ended=40)
    told = story.node("c", None, status="skipped", needs=["a"], ended=40).told()
    assert row(told, "b").gaps == row(told, "c").gaps == []


def test_a_skipped_node_has_a_tag_where_it_was_skipped():
    story = Story(100).node("a", 0, [(0, 80)])
    told = story.node("b", None, status="skipped", needs=["a"], ended=80).told()
    [tag] = row(told, "b").bars
    assert (tag.state, tag.x, tag.attempt) == ("skipped", 80, 0)


def test_a_draining_node_of_a_terminated_run_still_grows():
    story = Story(20).node("a", 0, [(10,)], status="terminated", ended=20)
    told = story.told(now=40)
    [bar] = row(told, "a").bars
    assert (bar.x, bar.w, bar.growing) == (25, 75, True)
    assert told.growing
    assert told.total == 20, "the run's own time ended with the run"


def test_an_attempt_that_ended_after_its_run_is_not_cut_off():
    told = Story(20).node("a", 0, [(0, 40, "late")], status="terminated", ended=20).told(now=500)
    assert places(row(told, "a").bars) == [(0, 100)]
    assert not told.growing


def test_the_critical_path_leads_back_through_what_each_node_waited_for():
    story = Story(100).node("a", 0, [(0, 20)])
    story.node("fast", 20, [(20, 30)], needs=["a"]).node("slow", 20, [(20, 60)], needs=["a"])
    told = story.node("end", 60, [(60, 100)], needs=["fast", "slow"]).told()
    assert [line.key for line in told.rows if line.critical] == ["a", "slow", "end"]
    assert told.critical_path == "M0,0.665 H20 V2.665 H60 V3.665 H100"


def test_the_critical_path_begins_with_the_wait_for_the_first_node():
    told = Story(100).node("a", 0, [(50, 100)]).told()
    assert told.critical_path == "M0,0.665 H100"


def test_the_critical_path_of_a_run_under_way_leads_past_now():
    story = Story().node("a", 0, [(0, 20)])
    told = story.node("b", 20, [(20,)], status="running", needs=["a"]).told(now=40)
    assert told.critical_path == "M0,0.665 H50 V1.665 H150"


def test_without_anything_run_there_is_no_critical_path():
    told = Story(started=None).node("a", 0, status="queued").told(now=10)
    assert told.critical_path == ""
    assert gaps(told, "a") == [("queued", 0, 100)]


def test_rows_keep_their_order_while_the_run_goes_on():
    """By the graph, then by the definition; never by start."""
    story = Story()
    story.node("last", None, status="pending", needs=["x", "y"])
    story.node("y", None, status="pending", needs=["first"])
    story.node("x", 0, [(0,)], status="running", needs=["first"]).node("first", 0, [(0, 1)])
    told = story.told(now=10)
    assert [line.key for line in told.rows] == ["first", "y", "x", "last"]


def test_needs_of_nodes_that_are_not_there_are_passed_over():
    told = Story(10).node("a", 0, [(0, 10)], needs=["gone"]).told()
    assert [line.key for line in told.rows] == ["a"]


@pytest.mark.parametrize(
    ("seconds", "labels"),
    [
        (0.0123, ["0", "5 ms", "10 ms"]),
        (0.9, ["0", "200 ms", "400 ms", "600 ms", "800 ms"]),
        (58, ["0", "10 s", "20 s", "30 s", "40 s", "50 s"]),
        (100, ["0", "20 s", "40 s", "1 m", "1 m 20 s"]),
        (121, ["0", "30 s", "1 m", "1 m 30 s"]),
        (132.2, ["0", "30 s", "1 m", "1 m 30 s", "2 m"]),
        (7_000, ["0", "20 m", "40 m", "1 h", "1 h 20 m", "1 h 40 m"]),
        (400_000, ["0", "1 d", "2 d", "3 d", "4 d"]),
    ],
)
def test_the_axis_ends_with_the_run_and_its_labels_are_round(seconds, labels):
    told = Story(seconds).node("a", 0, [(0, seconds)]).told()
    if told.intervals > 6:
        pytest.fail("too many grid lines")
    assert told.span == pytest.approx(seconds)
    assert places(row(told, "a").bars) == [(0, 100)]
    assert [tick.label for tick in told.ticks] == labels
    assert told.ticks[0].x == 0
    grid = 100 / told.intervals
    assert [tick.x for tick in told.ticks] == pytest.approx(
        [grid * number for number in range(len(told.ticks))], abs=0.01
    ), "labels stand on grid lines"


def test_the_labels_of_a_growing_axis_leave_room_for_now():
    told = Story().node("a", 0, [(0,)], status="running").told(now=100)
    assert [tick.label for tick in told.ticks] == ["0", "20 s", "40 s", "1 m", "1 m 20 s"]
    told = Story().node("a", 0, [(0,)], status="running").told(now=82)
    assert [tick.label for tick in told.ticks] == ["0", "20 s", "40 s", "1 m"]


def test_a_run_that_queued_longer_than_it_ran_is_shown_from_its_start():
    told = Story(1010, started=1000).node("a", 0, [(1000, 1010)]).told()
    assert told.waited == 1000
    [bar] = row(told, "a").bars
    assert bar.w > 80
    [gap] = row(told, "a").gaps
    assert (gap.cause, gap.x, gap.seconds) == ("queued", 0, 1000)
    assert told.ticks[0].label == "0"
    assert told.ticks[0].x == bar.x, "0 is the run's start"
    grid = 100 / told.intervals
    assert [tick.x for tick in told.ticks] == pytest.approx(
        [grid * (number + 1) for number in range(len(told.ticks))], abs=0.01
    ), "labels stand on grid lines"


def test_idle_time_names_what_most_of_it_was_spent_on():
    tries = [(0, 20, "failed", 80), (90, 100)]
    told = Story(100).node("a", 0, tries).told()
    assert (told.total, told.idle, told.idle_cause) == (100, 70, "backoff")
    busy = Story(100).node("a", 0, [(0, 100)]).told()
    assert (busy.idle, busy.idle_cause) == (0, "")


def test_waiting_beside_a_running_node_is_not_idle():
    story = Story(100).node("a", 0, [(0, 100)]).node("b", 0, [(60, 100)])
    assert story.told().idle == 0


def test_many_rows_are_drawn_thin():
    story = Story(10)
    for number in range(61):
        story.node(f"n{number}", 0, [(0, 10)])
    assert story.told().is_long


@st.composite
def stories(draw):
    """Runs of random graphs whose nodes ran in random stretches, some to the end, some not."""
    moments = st.integers(0, 1_000)
    completed = draw(st.one_of(st.none(), st.just(1_000)))
    story = Story(completed, started=draw(moments))
    for number in range(draw(st.integers(1, 6))):
        tries, clock = [], draw(moments)
        for _ in range(draw(st.integers(0, 3))):
            end = clock + draw(moments)
            tries.append((clock, end, "failed", end + draw(moments)))
            clock = end + draw(moments)
        status = draw(st.sampled_from(["queued", "running", "completed", "failed", "terminated"]))
        if status == "running":
            tries.append((clock,))
        keys = [node.key for node in story.nodes]
        needs = draw(st.lists(st.sampled_from(keys), unique=True)) if keys else []
        story.node(f"n{number}", draw(moments), tries, status, needs)
    return story, draw(st.integers(1_000, 50_000))


@given(stories())
def test_everything_stands_on_the_axis(case):
    story, now = case
    told = story.told(now=now)
    assert len(told.rows) == len(story.nodes)
    for line in told.rows:
        for piece in [*line.bars, *line.gaps]:
            assert 0 <= piece.x <= 100
            assert 0 <= piece.w <= 100.001 - piece.x
    assert all(0 <= tick.x <= 100 for tick in told.ticks)
    assert len({tick.label for tick in told.ticks}) == len(told.ticks)
    assert 0 <= told.idle <= told.total + 1e-6


def test_what_waits_for_a_person_shows_since_when_it_asks():
    node = FakeNode("review", 0, "waiting", queued_at=at(0), started_at=at(2))
    shown = timeline(FakeRun(), [node], {}, {}, at(10))
    queued, person = shown.rows[0].gaps
    assert (queued.cause, queued.seconds, queued.growing) == ("queued", 2, False)
    assert (person.cause, person.seconds, person.growing) == ("person", 8, True)
    node.status, node.completed_at = "completed", at(6)
    shown = timeline(FakeRun(completed=6), [node], {}, {}, at(10))
    assert [(gap.cause, gap.seconds) for gap in shown.rows[0].gaps] == [
        ("queued", 2),
        ("person", 4),
    ]
    assert shown.idle_cause == "person"
