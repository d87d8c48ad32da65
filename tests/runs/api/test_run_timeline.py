"""The timeline in figures."""

from datetime import datetime

import pytest

from tests.runs import stories


def told(client, run):
    response = client.get(f"/api/runs/{run.public_id}/timeline/")
    assert response.status_code == 200
    return response.json()


def test_attempts_waits_and_the_critical_path(client):
    story = stories.failed_invoice()
    shown = told(client, story)
    assert shown["run_id"] == story.public_id
    assert shown["growing"] is False
    rows = {row["node"]: row for row in shown["rows"]}
    assert set(rows) == set(story.run.nodes.values_list("key", flat=True))
    attempts = [bar for row in shown["rows"] for bar in row["bars"]]
    assert len(attempts) == sum(story.run.nodes.values_list("attempts", flat=True))
    for bar in attempts:
        begin, end = (datetime.fromisoformat(bar[name]) for name in ("started_at", "completed_at"))
        assert abs((end - begin).total_seconds() * 1000 - bar["duration_ms"]) <= 1
    assert shown["critical_path"]
    assert set(shown["critical_path"]) == {name for name, row in rows.items() if row["critical"]}


def test_a_gap_says_its_cause_and_ends_where_something_else_begins(client):
    story = stories.failed_invoice()
    causes = set()
    for row in told(client, story)["rows"]:
        stretches = [*row["bars"], *row["gaps"]]
        begins = [datetime.fromisoformat(each["started_at"]).timestamp() for each in stretches]
        for gap in row["gaps"]:
            causes.add(gap["cause"])
            end = datetime.fromisoformat(gap["started_at"]).timestamp() + gap["duration_ms"] / 1000
            if row["bars"]:
                assert min(abs(begin - end) for begin in begins) < 0.05, (row["node"], gap)
    assert causes >= {"queued", "back_off"}
    assert causes <= {"queued", "dependency", "back_off"}


@pytest.mark.parametrize("make", [stories.queued_invoice, stories.active_invoice])
def test_a_run_under_way_grows(client, make):
    shown = told(client, make())
    assert shown["growing"] is True
    assert shown["completed_at"] is None
