"""How states, ids, times, durations, money and sizes are written."""

import zoneinfo
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from django.template import Context, Template
from django.utils import timezone

from runs.models import Run, Workflow, WorkflowVersion
from runs.states import NodeStatus, RunState
from runs.templatetags import runs_ui

NOW = datetime(2026, 11, 22, 13, 59, 5, tzinfo=UTC)
BERLIN = zoneinfo.ZoneInfo("Europe/Berlin")


def render(text, **context):
    return Template("{% load runs_ui %}" + text).render(Context({"now": NOW, **context}))


@pytest.mark.parametrize(
    ("milliseconds", "words"),
    [
        (0, "0 ms"),
        (-5, "0 ms"),
        (340, "340 ms"),
        (999, "999 ms"),
        (1_000, "1.0 s"),
        (58_349, "58.3 s"),
        (59_949, "59.9 s"),
        (59_950, "1 m 00 s"),
        (132_000, "2 m 12 s"),
        (3_599_499, "59 m 59 s"),
        (3_599_500, "1 h 00 m"),
        (3_840_000, "1 h 04 m"),
        (86_400_000, "1 d 00 h"),
        (266_400_000, "3 d 02 h"),
    ],
)
def test_durations(milliseconds, words):
    assert runs_ui.duration_words(timedelta(milliseconds=milliseconds)) == words


@pytest.mark.parametrize(
    ("amount", "words"),
    [
        ("0.0412", "$0.0412"),
        ("0.04115", "$0.0412"),
        ("0.0000001", "<$0.0001"),
        ("1.5", "$1.5000"),
        ("12.345", "$12.35"),
        ("1234.5", "$1,234.50"),
    ],
)
def test_money(amount, words):
    assert runs_ui.money(Decimal(amount)) == words


@pytest.mark.parametrize(
    ("count", "words"),
    [
        (7, "7"),
        (999, "999"),
        (1_000, "1.0k"),
        (29_560, "29.6k"),
        (999_949, "999.9k"),
        (999_950, "1.0M"),
        (1_234_567, "1.2M"),
        (7_100_000_000, "7.1B"),
        (9_999_900_000_000, "9,999.9B"),
    ],
)
def test_tokens(count, words):
    assert runs_ui.tokens(count) == words


@pytest.mark.parametrize(
    ("count", "words"), [(0, "0 B"), (812, "812 B"), (12_400, "12.4 kB"), (3_100_000, "3.1 MB")]
)
def test_bytes(count, words):
    assert runs_ui.size(count) == words


@pytest.mark.parametrize("filtered", ["money", "tokens", "size", "duration", "or_none"])
def test_none_is_a_dash_that_is_read_as_none(filtered):
    shown = render("{{ value|" + filtered + " }}", value=None)
    assert 'aria-hidden="true">–' in shown
    assert ">none<" in shown


@pytest.mark.parametrize("nothing", [Decimal(0), None])
def test_nothing_spent_is_none(nothing):
    assert runs_ui.money(nothing) == runs_ui.NONE


def test_a_time_is_in_the_person_s_zone_and_has_its_day_when_that_is_not_today():
    with timezone.override(BERLIN):
        today = render("{% clock t %}", t=datetime(2026, 11, 22, 13, 54, 7, 123_000, tzinfo=UTC))
        before = render("{% clock t %}", t=datetime(2026, 11, 21, 22, 59, 59, tzinfo=UTC))
        last_year = render("{% clock t %}", t=datetime(2025, 11, 21, 12, 0, tzinfo=UTC))

    assert ">14:54:07</time>" in today
    assert 'datetime="2026-11-22T14:54:07.123+01:00"' in today
    assert 'title="2026-11-22 14:54:07.123 CET"' in today
    assert ">21 Nov 23:59:59</time>" in before
    assert ">21 Nov 2025 13:00:00</time>" in last_year


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("Europe/Berlin", "Europe/Berlin (CET)"),
        # Zones without letters of their own have their offset.
        ("Asia/Kathmandu", "Asia/Kathmandu (UTC+5:45)"),
        ("America/Sao_Paulo", "America/Sao_Paulo (UTC−3)"),
        ("UTC", "UTC"),
    ],
)
def test_the_zone_is_said_with_its_letters_or_its_offset(name, words):
    with timezone.override(zoneinfo.ZoneInfo(name)):
        assert render("{% zone %}") == words


def test_an_unfinished_duration_says_when_it_began_and_what_the_time_is():
    shown = render("{% elapsed t %}", t=NOW - timedelta(seconds=12.4))
    began = round(NOW.timestamp() * 1000) - 12_400
    words = f'data-since="{began}" data-now="{began + 12_400}">12.4 s</span>'
    assert shown == f'<span class="op-tick" {words}'


def test_an_id_is_short_and_has_the_full_one_in_its_title():
    shown = render('{% short_id "run_01kb2x7v9zeq3t8m4r6c5n0a1d" "/there/" %}')
    assert 'href="/there/" title="run_01kb2x7v9zeq3t8m4r6c5n0a1d"' in shown
    assert "<i>run_…</i>6c5n0a1d</a>" in shown
    assert runs_ui.short("job_01kb2x7v9zeq3t8m4r6c5n0a1d") == "job_…6c5n0a1d"


@pytest.mark.parametrize("state", [*RunState, *NodeStatus])
def test_every_state_is_icon_word_and_colour(state):
    look = runs_ui.look(state)
    shown = render("{% state_pill state %}", state=state)
    assert look is not runs_ui.UNKNOWN
    assert f'data-state="{look.state}"' in shown
    assert look.icon in shown
    assert shown.endswith(f"{look.word}</span>")


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"state": "created"}, ""),
        ({"state": "completed", "nodes_done": 7, "nodes_total": 7}, ""),
        (
            {
                "state": "active",
                "current_node": "extract_fields",
                "nodes_done": 3,
                "nodes_total": 7,
            },
            "extract_fields · 3 of 7",
        ),
        ({"state": "active", "nodes_done": 3, "nodes_total": 7}, "3 of 7"),
        (
            {"state": "failed", "error_node": "check_totals", "error_kind": "TotalsMismatch"},
            "check_totals · TotalsMismatch",
        ),
        (
            {
                "state": "failed",
                "error_kind": "InputInvalid",
                "error_message": "document_url is required",
            },
            "input · document_url is required",
        ),
        (
            {"state": "failed", "error_kind": "StartDeadline", "error_message": "not in 60 s"},
            "StartDeadline · not in 60 s",
        ),
        (
            {"state": "terminated", "ended_by": "li.wei", "reason": "wrong document"},
            "by li.wei: wrong document",
        ),
        ({"state": "terminated", "ended_by": "li.wei"}, "by li.wei"),
    ],
)
def test_a_row_says_where_and_why(fields, words):
    assert runs_ui.why_words(Run(**fields))[0] == words


def test_a_row_escapes_all_that_comes_from_outside():
    hostile = """<b>"'><script>"""
    names = ("triggered_by", "ref_type", "ref_id", "ended_by", "reason")
    run = Run(state="terminated", trigger="api", created_at=NOW, **dict.fromkeys(names, hostile))
    run.workflow, run.version = Workflow(slug="fine"), WorkflowVersion(number=1)
    perms = {"runs": {"view_workflow": True}}
    row = render("{% load runs_rows %}{% run_rows runs %}", runs=[run], perms=perms, now=NOW)
    assert row.count("&lt;b&gt;&quot;&#x27;&gt;&lt;script&gt;") == 9
    assert "<b>" not in row
    assert "<script" not in row
    assert row.count("fine/") == 1


def test_data_is_escaped():
    assert "<b>" not in render("{% crumb name %}", name="<b>")
    assert "<b>" not in render("{% copyable id %}{% short_id id id %}", id="<b>_x")


def test_times_of_a_run_of_another_year_are_short_enough_for_its_facts():
    def said(tag, at, created=NOW):
        run = Run(created_at=created)
        shown = render(f"{{% load run_page %}}{{% {tag} %}}", run=run, at=at)
        return shown.partition(">")[2].removesuffix("</time>"), shown

    old = datetime(2025, 12, 31, 11, 19, 13, 185_000, tzinfo=UTC)
    words, whole = said("precise at day=True", old, old)
    assert words == "31 Dec 2025 11:19:13"
    assert 'title="2025-12-31 11:19:13.185 UTC"' in whole
    assert said("precise at", old, old)[0] == "11:19:13.185"
    assert said("precise at day=True", NOW)[0] == "22 Nov 13:59:05.000"
    assert said("day_clock at", NOW)[0] == "22 Nov 13:59:05"
    assert said("day_clock at", old)[0] == "31 Dec 2025 11:19:13"
