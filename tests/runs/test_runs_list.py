"""The Runs view: what it shows, in how many queries, and what it says when it cannot."""

import html
import json
import re
import zoneinfo
from datetime import UTC, datetime, timedelta
from itertools import chain
from urllib.parse import urlencode

import pytest
from django.db import connection
from django.utils import timezone

from runs import ids, lifecycle
from runs.actors import Actor
from runs.models import Run
from runs.paging import Cursor
from runs.views import runs_list
from tests.runs.stories import Story, ago, failed_invoice, node, publish
from tests.runs.visitors import account, visitor

LIST = "/admin/runs/run/"
HTMX = {"HX-Request": "true"}
ROW = re.compile(r'<tr role="row" id="(run_\w+)">')


@pytest.fixture
def olga(db):
    return visitor("runs.view_run")


@pytest.fixture
def version(db):
    return publish(node("first"), node("second", "first"), slug="claims_intake")


def text_of(answer):
    """What a person reads: without tags, with single spaces."""
    html = re.sub(r"<(script|style).*?</\1>", " ", answer.content.decode(), flags=re.S)
    html = re.sub(r'<span class="material-symbols[^>]*>[^<]*</span>', " ", html)
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", html)).replace("&nbsp;", " ")


def row_of(answer, run_id):
    html = answer.content.decode()
    start = html.index(f'id="{run_id}"')
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", html[start : html.index("</tr>", start)]))


def html_of(answer):
    return answer.content.decode()


def shown(answer):
    return ROW.findall(answer.content.decode())


def links(answer):
    return [
        link.replace("&amp;", "&")
        for link in re.findall(r'href="([^"]*)"', answer.content.decode())
    ]


# -- What a row shows --------------------------------------------------------------------------


def test_a_row_says_state_workflow_where_when_how_long_and_who(olga, version):
    active = Story(version, zero=ago(60), by="erp-sync").queue("first").at(2).active()
    active.start("first").at(5).complete("first").queue("second").at(6).start("second")
    failed = failed_invoice(zero=ago(400))
    queued = Story(version, zero=ago(600), by="li.wei")
    ended = Story(version, zero=ago(700)).at(3).active().at(10).terminate("wrong document")

    answer = olga.get(LIST)

    assert shown(answer) == [story.public_id for story in (active, failed, queued, ended)]
    running = row_of(answer, active.public_id)
    assert "Running" in running
    assert f"run_… {active.public_id[-8:]}" in running
    assert "claims_intake v1 second · 1 of 2" in running
    assert re.search(r" (5[89]\.\d s|\d m \d\d s) ", running)
    assert "erp-sync" in running
    assert "manual" in running
    lost = row_of(answer, failed.public_id)
    assert "check_totals · TotalsMismatch" in lost
    assert "2 m 08 s" in lost
    assert "$0.0245" in lost
    assert "16.1k" in lost
    waiting = row_of(answer, queued.public_id)
    assert "– none" in waiting
    assert re.search(r"v1 since (\d+ \w+ )?\d\d:\d\d", waiting)
    assert "by maria: wrong document" in row_of(answer, ended.public_id)
    assert f'href="{LIST}{failed.public_id}/"' in answer.content.decode()


def test_a_retry_has_its_mark(olga, version):
    first = failed_invoice(zero=ago(400))
    retry = Story(version, zero=ago(5), retry_of=first.run)

    answer = olga.get(LIST)

    assert "Retry of an earlier run" in row_of(answer, retry.public_id)
    assert "Retry" not in row_of(answer, first.public_id)


def test_times_are_in_the_person_s_zone_and_the_page_names_it(db, version):
    story = Story(version, zero=ago(5)).active()
    client = visitor("runs.view_run", time_zone="Asia/Kathmandu")

    answer = client.get(LIST)

    started = timezone.localtime(story.run.started_at, zoneinfo.ZoneInfo("Asia/Kathmandu"))
    assert f"{started:%H:%M:%S}" in row_of(answer, story.public_id)
    assert text_of(answer).count("Times in Asia/Kathmandu (UTC+5:45)") >= 2


def test_what_people_wrote_is_escaped(olga, version):
    story = Story(version, zero=ago(9), by="<i>eve</i>").active()
    story.terminate("<script>alert(1)</script>", by="<b>eve</b>")

    html = olga.get(LIST).content.decode()

    assert "<script>alert" not in html
    assert "<i>eve" not in html
    assert "<b>eve" not in html


# -- Page and fragment -------------------------------------------------------------------------


def test_htmx_gets_the_list_without_the_frame(olga, version):
    Story(version)

    page, part = olga.get(LIST), olga.get(LIST, headers=HTMX)

    assert b"<html" in page.content
    assert part.content.lstrip().startswith(b'<div id="runs"')
    assert shown(page) == shown(part)
    assert "HX-Request" in page["Vary"]


def test_runs_that_failed_alike_are_a_filter_that_can_be_taken_off(olga):
    failed = failed_invoice(zero=ago(400))
    answer = olga.get(f"{LIST}?state=failed&error=TotalsMismatch%40check_totals")
    assert shown(answer) == [failed.public_id]
    assert "Runs that failed with TotalsMismatch at check_totals . All errors" in text_of(answer)
    assert "?state=failed" in links(answer)
    nothing = olga.get(f"{LIST}?error=InputInvalid%40")
    assert "failed with InputInvalid before any node" in text_of(nothing)
    assert shown(nothing) == []
    assert "its kind, “@” and the node" in text_of(olga.get(f"{LIST}?error=TotalsMismatch"))


def test_going_back_in_history_gets_the_whole_page(olga, version):
    answer = olga.get(LIST, headers={**HTMX, "HX-History-Restore-Request": "true"})
    assert b"<html" in answer.content


def test_the_list_costs_one_query_for_all_its_rows(olga, version, django_assert_num_queries):
    for _ in range(3):
        Story(version)
    olga.get(LIST)
    # The session, the person, two for what they may, the transaction's two, its time limit,
    # the names of the workflows, the saved views, the rows.
    with django_assert_num_queries(10):
        olga.get(LIST, headers=HTMX)
    for _ in range(30):
        Story(version)
    with django_assert_num_queries(10):
        assert len(shown(olga.get(LIST, headers=HTMX))) == 33
    # The frame counts the running runs for the sidebar.
    with django_assert_num_queries(14):
        olga.get(LIST)


def test_a_workflow_is_a_link_for_who_may_see_it(olga, version):
    Story(version)
    nina = visitor("runs.view_run", "runs.view_workflow", name="nina")
    assert "/admin/runs/workflow/claims_intake/" not in links(olga.get(LIST))
    assert "/admin/runs/workflow/claims_intake/" in links(nina.get(LIST))


def test_rows_and_fresh_and_counts_have_bounded_queries(olga, version, django_assert_num_queries):
    names = ",".join(Story(version).public_id for _ in range(5))
    olga.get(LIST)
    for query, count in (({"rows": names}, 8), ({"fresh": names}, 8), ({"part": "counts"}, 12)):
        with django_assert_num_queries(count):
            assert olga.get(LIST, query).status_code == 200


def test_nobody_without_permission_sees_it(db, client):
    assert client.get(LIST)["Location"].startswith("/admin/login/")
    assert visitor(name="nina").get(LIST).status_code == 403
    client.force_login(account("runs.view_run", name="ext", is_staff=False))
    assert client.get(LIST).status_code == 302


def test_only_reading_is_allowed(olga):
    assert olga.post(LIST).status_code == 405


# -- Filters and pages -------------------------------------------------------------------------


def test_the_url_filters_and_every_choice_keeps_the_other_ones(olga, version):
    Story(version, zero=ago(9), by="maria")
    wanted = Story(version, zero=ago(8), by="li.wei")

    answer = olga.get(LIST, {"triggered_by": "li.wei", "created": "24h"})

    assert shown(answer) == [wanted.public_id]
    found = links(answer)
    assert "?state=failed&created=24h&triggered_by=li.wei" in found
    assert "?workflow=claims_intake&created=24h&triggered_by=li.wei" in found
    assert "?created=7d&triggered_by=li.wei" in found
    assert "?created=24h&triggered_by=li.wei&trigger=webhook" in found
    assert "?created=24h" in found  # anybody
    assert "Created Last 24 hours" in text_of(answer)
    assert "Triggered by li.wei" in text_of(answer)


@pytest.mark.parametrize(
    ("given", "canonical"),
    [
        ("state=active", "?state=running"),
        ("state=&q=&workflow=x", "?workflow=x"),
        ("created_from=2026-11-21+14:59", "?created_from=2026-11-21T13%3A59%3A00Z"),
    ],
)
def test_one_view_has_one_url(db, given, canonical):
    client = visitor("runs.view_run", time_zone="Europe/Berlin")

    answer = client.get(f"{LIST}?{given}")

    assert answer.status_code == 302
    assert answer["Location"] == LIST + canonical
    assert client.get(answer["Location"]).status_code == 200


def test_older_and_newer_lead_through_all_runs(olga, version, monkeypatch):
    monkeypatch.setattr(runs_list, "PAGE_SIZE", 3)
    made = [Story(version, zero=ago(second), by="ann").public_id for second in range(8)]
    Story(version, zero=ago(3), by="bob")

    seen, url = [], f"{LIST}?triggered_by=ann"
    while url:
        answer = olga.get(url)
        seen.append(shown(answer))
        url = next((LIST + link for link in links(answer) if "after=" in link), None)
    assert list(chain(*seen)) == made

    url = next(LIST + link for link in links(answer) if "before=" in link)
    assert shown(olga.get(url)) == seen[1]


def test_a_page_that_is_gone_leads_to_the_newest(olga, version):
    run = Story(version).run
    answer = olga.get(LIST, {"after": str(Cursor.of(run)), "state": "queued"})
    assert answer["Location"] == f"{LIST}?state=queued"


@pytest.mark.parametrize("prefix", ["run", "job"])
def test_a_pasted_id_opens_its_run(olga, version, prefix):
    run = Story(version).run
    pasted = f" {ids.encode(prefix, run.pk)} "

    answer, part = olga.get(LIST, {"q": pasted}), olga.get(LIST, {"q": pasted}, headers=HTMX)

    assert answer["Location"] == f"{LIST}{run.public_id}/"
    assert part["HX-Redirect"] == f"{LIST}{run.public_id}/"


def test_an_unknown_id_says_so(olga, version):
    Story(version)
    unknown = ids.encode("job", ids.new_id())

    answer = olga.get(LIST, {"q": unknown})

    assert f"There is no run run_{unknown[4:]}." in text_of(answer)
    assert answer.status_code == 400
    assert not shown(answer)
    # It is not told as a search for error text in some range.
    assert "Runs whose error says" not in text_of(answer)
    assert "Created Last 7 days" not in text_of(answer)


def test_the_end_of_an_id_that_rows_show_opens_its_run(olga, version):
    run = Story(version).run
    for typed in (run.public_id[-8:], f"run_…{run.public_id[-8:].upper()}"):
        assert olga.get(LIST, {"q": typed})["Location"] == f"{LIST}{run.public_id}/"


def test_a_reference_opens_its_only_run_or_shows_its_runs(olga, version):
    one = Story(version, ref_type="document", ref_id="doc-1")
    two = [Story(version, zero=ago(s), ref_type="document", ref_id="doc-2") for s in (1, 2)]

    assert olga.get(LIST, {"q": "doc-1"})["Location"] == f"{LIST}{one.public_id}/"
    answer = olga.get(LIST, {"q": "doc-2", "state": "queued"}, follow=True)
    assert answer.redirect_chain == [(f"{LIST}?state=queued&ref=doc-2", 302)]
    assert shown(answer) == [story.public_id for story in two]
    assert "Runs with reference doc-2" in text_of(answer)
    assert "?state=queued" in links(answer)


def test_other_text_is_looked_for_in_errors_of_the_last_week_which_it_says(olga, version):
    lost = failed_invoice(zero=ago(400))
    failed_invoice(zero=ago(10 * 24 * 3600))
    Story(version)

    answer = olga.get(LIST, {"q": "TOTALSmis", "workflow": lost.run.workflow.slug}, follow=True)

    slug = lost.run.workflow.slug
    chain = [(f"{LIST}?workflow={slug}&created=7d&q=TOTALSmis", 302)]
    assert answer.redirect_chain == chain
    assert shown(answer) == [lost.public_id]
    assert "“TOTALSmis” , last 7 days" in text_of(answer)
    assert f"?workflow={slug}&created=30d&q=TOTALSmis" in links(answer)
    assert f"?workflow={slug}&created=7d" in links(answer)

    none = olga.get(LIST, {"q": "<b>none", "created": "1h"})
    assert none.status_code == 200
    assert "No runs with “&lt;b&gt;none” in their error in the last hour" in text_of(none)


@pytest.mark.parametrize(
    "query",
    [
        "state=bad", "created=9h", "created_from=x", "trigger=cron", "workflow=a%20b",
        "after=nonsense", "before=99999999999999999999-x", "triggered_by=%00", "q=%00",
        "rows=%00,run_x", "fresh=,,&before=%00", "part=none", "state=failed&state=bad",
        "sort=name", "sort=cost&created=1h&page=x", "sort=cost&created=1h&page=99", "sort=cost",
        "columns=x", "at=x", "view=x", "view=all&page=2", "ref=%00", "page=%00",
    ],
)  # fmt: skip
def test_no_address_breaks_the_page(olga, version, query):
    Story(version)
    for headers in ({}, HTMX):
        answer = olga.get(f"{LIST}?{query}", headers=headers)
        assert answer.status_code in (200, 400)


def test_a_wrong_filter_is_said_on_the_page_and_the_rest_offered(olga, version):
    Story(version)

    answer = olga.get(LIST, {"state": "bad", "workflow": "claims_intake"})

    assert answer.status_code == 400
    assert "There is no state “bad”" in text_of(answer)
    assert "?workflow=claims_intake" in links(answer)
    assert not shown(answer)


def test_what_was_typed_as_a_time_stays(olga, version):
    answer = olga.get(LIST, {"created_from": "yesterday"})
    assert 'value="yesterday"' in answer.content.decode()


# -- Parts -------------------------------------------------------------------------------------


def test_rows_are_given_again_whatever_the_filter(olga, version):
    stories = [Story(version, zero=ago(second)) for second in range(3)]
    lifecycle.terminate(
        Run.objects.filter(pk=stories[1].id), by=Actor("maria", "user", "user_x"), reason="why not"
    )

    names = ",".join([stories[1].public_id, stories[2].public_id, ids.encode("run", ids.new_id())])
    answer = olga.get(LIST, {"rows": names, "state": "queued"})

    assert shown(answer) == [stories[1].public_id, stories[2].public_id]
    assert "by maria: why not" in row_of(answer, stories[1].public_id)
    assert b"<table" not in answer.content


def test_fresh_runs_are_those_that_the_filter_lets_through(olga, version):
    mine = Story(version, by="maria", zero=ago(9))
    other = Story(version, by="li.wei", zero=ago(8))
    newest = Story(version, by="maria", zero=ago(7))
    named = {"fresh": f"{mine.public_id},{other.public_id}", "triggered_by": "maria"}
    above = {"fresh": "", "before": str(Cursor.of(mine.run)), "triggered_by": "maria"}

    assert json.loads(olga.get(LIST, named).content) == {"runs": [mine.public_id]}
    assert json.loads(olga.get(LIST, above).content) == {"runs": [newest.public_id]}


def test_counts_are_by_state_within_the_rest_of_the_filter(olga, version):
    for by in ("ann", "ann", "bob"):
        Story(version, by=by)
    Story(version, by="ann").active()

    html = olga.get(LIST, {"part": "counts", "triggered_by": "ann", "state": "running"}).content

    found = dict(re.findall(r'id="count-(\w+)" hx-swap-oob="true">([^<]*)<', html.decode()))
    assert found == {
        "queued": "2", "running": "1", "completed": "0", "failed": "0", "terminated": "0",
        "all": "3",
    }  # fmt: skip
    assert b">of 1</span>" in html


def test_counts_stop_at_the_cap_and_are_exact_on_demand(olga, version, monkeypatch):
    monkeypatch.setattr("runs.querysets.COUNT_CAP", 3)
    monkeypatch.setattr(runs_list, "COUNT_CAP", 3)
    for _ in range(5):
        Story(version)

    html = olga.get(LIST, {"part": "counts"}).content.decode()
    exact = olga.get(LIST, {"part": "count"}).content.decode()

    assert 'id="count-queued" hx-swap-oob="true">3+<' in html
    assert 'id="count-all" hx-swap-oob="true">3+<' in html
    assert "count exactly" in html
    assert exact == "of 5"


def test_people_are_those_of_the_newest_runs(olga, version):
    for by in ("zoe", "ann", "olga"):
        Story(version, by=by)

    answer = olga.get(LIST, {"part": "people", "state": "failed"})

    # Oneself stands above them already.
    assert text_of(answer).split() == ["Lately", "ann", "zoe"]
    assert "?state=failed&triggered_by=ann" in links(answer)


def test_people_of_all_the_alphabet_are_named_if_they_were_there_lately(olga, version, monkeypatch):
    monkeypatch.setattr("runs.views.runs_menus.MOST_PEOPLE", 2)
    for by in ("ann", "bea", "yul", "zoe"):
        Story(version, by=by)

    answer = olga.get(LIST, {"part": "people"})

    assert text_of(answer).split() == ["Lately", "yul", "zoe"]


def test_yesterday_is_offered_with_its_date_and_said_as_one_day(version):
    berlin = zoneinfo.ZoneInfo("Europe/Berlin")
    visited = visitor("runs.view_run", time_zone="Europe/Berlin")
    Story(version)
    day = timezone.localdate(timezone=berlin) - timedelta(days=1)
    bounds = [
        datetime(each.year, each.month, each.day, tzinfo=berlin).astimezone(UTC)
        for each in (day, day + timedelta(days=1))
    ]
    asked = "?" + urlencode(
        dict(
            zip(
                ("created_from", "created_to"),
                (f"{bound:%Y-%m-%dT%H:%M:%SZ}" for bound in bounds),
                strict=True,
            )
        )
    )
    assert asked in links(visited.get(LIST))

    chosen = visited.get(LIST + asked)

    assert f"Created on {day.day} {day:%b}" in text_of(chosen)
    # Both ends of the custom range say that day, which includes it whole.
    assert chosen.content.decode().count(f'value="{day}"') == 2


# -- Empty, and unable -------------------------------------------------------------------------


def test_an_empty_store_leads_to_the_workflows_who_may_see_them(olga, version):
    answer = olga.get(LIST)
    assert answer.status_code == 200
    assert "No runs yet" in text_of(answer)
    assert "/admin/runs/workflow/" not in links(answer)

    nina = visitor("runs.view_run", "runs.view_workflow", name="nina")
    answer = nina.get(LIST)
    assert "Open Workflows" in text_of(answer)
    assert "/admin/runs/workflow/claims_intake/" in links(answer)
    zoe = visitor("runs.view_run", "runs.view_workflow", "runs.execute_workflow", name="zoe")
    assert "Run a workflow" in text_of(zoe.get(LIST))


def test_nothing_matching_says_which_filter_and_where_there_is_more(olga, version):
    Story(version, zero=timezone.now() - timedelta(hours=3))

    answer = olga.get(LIST, {"state": "queued", "workflow": "claims_intake", "created": "1h"})

    said = text_of(answer)
    assert "No queued runs of claims_intake in the last hour" in said
    assert "There is 1 queued run of claims_intake in the last 24 hours" in said
    assert "?state=queued&workflow=claims_intake&created=24h" in links(answer)
    assert "No runs yet" not in said


def test_a_stopped_search_is_no_empty_list(olga, version, monkeypatch, caplog):
    Story(version)
    real = runs_list.page_of

    def slow(runs, size, **keys):
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_sleep(5)")
        return real(runs, size, **keys)

    monkeypatch.setattr(runs_list, "page_of", slow)
    monkeypatch.setattr(runs_list, "LIST_SECONDS", 0.05)

    for headers in ({}, HTMX):
        answer = olga.get(LIST, {"workflow": "claims_intake"}, headers=headers)
        said = text_of(answer)
        assert answer.status_code == 503
        assert "This search was stopped after 0.05 seconds" in said
        assert "?workflow=claims_intake&created=24h" in links(answer)
        assert "?state=failed&workflow=claims_intake" in links(answer)
        assert "No runs" not in said
        assert not shown(answer)


def test_a_database_error_is_no_empty_list(olga, version, monkeypatch):
    Story(version)

    def broken(runs, size, **keys):
        with connection.cursor() as cursor:
            cursor.execute("SELECT no_such_column FROM jobs")

    monkeypatch.setattr(runs_list, "page_of", broken)

    answer = olga.get(LIST)

    assert answer.status_code == 503
    assert "The database did not answer" in text_of(answer)
    assert "No runs" not in text_of(answer)


# -- Orders, columns, jumps --------------------------------------------------------------------


@pytest.fixture
def priced(version):
    """Three finished runs, the newest the cheapest and the shortest, and a queued one."""
    made = []
    for number in (1, 2, 3):
        story = Story(version, zero=ago(1000 * number)).active().start("first")
        story.call("first", cost=f"0.{number}").at(10 * number).complete("first")
        made.append(story.state("active", "completed").public_id)
    return [*made, Story(version, zero=ago(1)).public_id]


@pytest.mark.parametrize("sort", ["cost", "duration"])
def test_within_a_range_the_dearest_or_longest_come_first(olga, priced, sort):
    answer = olga.get(LIST, {"created": "24h", "sort": sort, "state": "completed"})

    assert shown(answer) == priced[2::-1]
    assert 'aria-sort="descending"' in answer.content.decode()
    # The tabs keep the order; what ends it is offered.
    assert f"?state=failed&created=24h&sort={sort}" in links(answer)
    assert "?state=completed&created=24h" in links(answer)


@pytest.mark.parametrize("sort", ["cost", "duration"])
def test_without_a_range_an_order_offers_ranges(olga, priced, sort):
    answer = olga.get(LIST, {"sort": sort})

    assert answer.status_code == 200
    assert not shown(answer)
    assert f"Sorting by {sort} needs a date range" in text_of(answer)
    assert f"?created=24h&sort={sort}" in links(answer)


def test_another_order_is_paged_through_as_far_as_it_says(olga, version, monkeypatch):
    monkeypatch.setattr(runs_list, "PAGE_SIZE", 2)
    monkeypatch.setattr(runs_list, "MOST_SORTED", 5)
    for second in range(7):
        Story(version, zero=ago(second))

    seen, url = [], f"{LIST}?created=24h&sort=cost"
    while url:
        answer = olga.get(url)
        seen.append(shown(answer))
        following = re.findall(r'rel="next" href="([^"]*)"', html_of(answer))
        url = LIST + html.unescape(following[0]) if following else None

    assert [len(page) for page in seen] == [2, 2, 1]
    assert len(set(chain(*seen))) == 5
    assert "only the first 5 can be paged through" in text_of(answer)
    assert "5–5 of the 5 most expensive" in text_of(answer)


def test_an_order_costs_one_query_more(olga, priced, django_assert_num_queries):
    olga.get(LIST)
    with django_assert_num_queries(11):
        olga.get(LIST, {"created": "24h", "sort": "cost"}, headers=HTMX)


def test_a_person_s_columns_are_kept_and_an_address_may_have_its_own(olga, version):
    Story(version)
    without = 'data-without="created finished reference"'
    assert without in html_of(olga.get(LIST))

    answer = olga.post(
        f"{LIST}columns/", {"column": ["cost", "reference", "x"], "back": "?state=queued"}
    )

    assert answer["Location"] == f"{LIST}?state=queued"
    kept = "workflow started duration triggered_by trigger tokens created finished marks"
    assert f'data-without="{kept}"' in html_of(olga.get(answer["Location"]))
    own = html_of(olga.get(LIST, {"columns": "started"}))
    assert 'data-without="workflow duration' in own
    olga.post(f"{LIST}columns/", {"usual": "1", "back": "https://evil.example/"})
    assert without in html_of(olga.get(LIST))


def test_a_jump_leads_to_the_page_that_begins_then(olga, version):
    made = [Story(version, zero=ago(60 * m)).public_id for m in range(1, 6)]
    moment = timezone.now() - timedelta(minutes=2, seconds=30)

    answer = olga.get(LIST, {"at": moment.isoformat(), "state": "queued"}, follow=True)

    assert answer.redirect_chain[0][0].startswith(f"{LIST}?state=queued&after=")
    assert shown(answer) == made[2:]
    assert any("before=" in link for link in links(answer))

    early = olga.get(LIST, {"at": "2020-01-01 10:00"}, follow=True)
    assert "None of these runs was created before 2020-01-01 10:00" in text_of(early)
    assert olga.get(LIST, {"at": "1000-01-01"}, follow=True).status_code == 404
    # In some zones there was no such day.
    assert olga.get(LIST, {"at": "0001-01-01"}, follow=True).status_code == 400
    wrong = olga.get(LIST, {"at": "someday"})
    assert "“someday” is not a time" in text_of(wrong)


def test_the_zone_is_chosen_at_the_list_s_foot(olga, version):
    Story(version)
    answer = olga.post("/admin/me/", {"time_zone": "Europe/Berlin", "back": "?state=queued"})
    assert answer["Location"] == f"{LIST}?state=queued"
    assert "Times in Europe/Berlin (CE" in text_of(olga.get(answer["Location"]))


def test_the_badge_s_part_counts_what_runs(olga, version):
    Story(version).active()
    assert olga.get(LIST, {"part": "running"}).content == b"1"
