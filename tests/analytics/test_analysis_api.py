"""The analysis by REST and tRPC: the pages' figures, for whoever may see runs."""

import csv
import io
import json
import threading
from datetime import timedelta
from decimal import Decimal
from urllib.parse import quote

import pytest
from django.db import connection
from django.urls import reverse
from django.utils import timezone
from rest_framework.test import APIClient

from analytics import asking
from analytics.models import FailureGroup
from analytics.one_run import analysis_of
from runs import tokens
from runs.api.document import document
from runs.models import AuditEntry, Run
from tests.analytics.test_upkeep import ZERO, begun, call, end, fail, settled, work
from tests.runs.stories import node, publish
from tests.runs.visitors import account

pytestmark = pytest.mark.django_db(transaction=True)
SEE, MARK = "runs.view_run", "analytics.mark_failuregroup"
SEEN = {"created_from": "2026-03-02T00:00Z", "created_to": "2026-03-03T06:00Z"}
PAGES = {"failures": "analysis_failures", "cost": "analysis_cost", "duration": "analysis_duration"}
ADDRESSES = [f"/api/analysis/{name}/" for name in PAGES]


def client(*permissions, name="olga", csrf=False, **fields):
    found = APIClient(enforce_csrf_checks=csrf)
    found.force_login(account(*permissions, name=name, **fields))
    return found


def by_token(user, *scopes):
    _, secret = tokens.make(
        user,
        name=" ".join(scopes),
        scopes=scopes,
        days=1,
        by=user.as_actor(),
        now=timezone.now(),
    )
    found = APIClient()
    found.credentials(HTTP_AUTHORIZATION=f"Bearer {secret}")
    return found


def query(caller, path, **given):
    return caller.get(f"/api/trpc/{path}?input={quote(json.dumps(given))}")


def mutate(caller, path, **given):
    return caller.post(f"/api/trpc/{path}", given, format="json")


@pytest.fixture
def told(db):
    """Of version 1 two runs fail alike, of which one is retried; version 2 fails anew."""
    first = publish(node("ocr"), node("extract", "ocr"))
    settled()
    failed = []
    for number in range(5):
        story = begun(first, zero=ZERO + timedelta(minutes=5 * number))
        work(story)
        call(story, f"0.12500000{number}1", at=2)
        if number < 2:
            fail(story, f"totals differ on page {number}", at=30)
            failed.append(story)
        else:
            end(story, after=20)
    end(begun(first, zero=ZERO + timedelta(hours=1), retry_of=failed[0].run))
    second = publish(node("ocr"), node("extract", "ocr"), title="newer")
    fail(begun(second, zero=ZERO + timedelta(hours=2)), "no such model", at=9)
    fail(begun(second, zero=ZERO + timedelta(hours=3)), "totals differ on page 8", at=9)
    settled()
    return first, second


def group(message="totals differ on page #"):
    return FailureGroup.objects.get(message=message).public_id


# -- What is told ----------------------------------------------------------------------------


def test_both_apis_tell_what_the_pages_do(told):
    caller = client(SEE)
    for name in PAGES:
        _compare(caller, name)


def _compare(caller, name):
    page = caller.get(reverse(PAGES[name]), {**SEEN, "as": "json"}).json()
    answer = caller.get(f"/api/analysis/{name}/", SEEN)
    assert answer.status_code == 200, answer.content
    found = answer.json()
    result = query(caller, f"analysis.{name}", **SEEN).json()["result"]["data"]
    for each in (page, found, result):
        assert each.pop("counted_until")
    assert result == found
    assert found["figures"][0]["value"] == page["figures"][0]["value"] != 0
    assert _bare(found) == _bare(page)


def _bare(found):
    """Without links and the milliseconds of times."""
    if isinstance(found, dict):
        return {k: _bare(v) for k, v in found.items() if "link" not in k and "runs_url" not in k}
    if isinstance(found, list):
        return [_bare(each) for each in found]
    is_time = isinstance(found, str) and found.startswith("2026-") and found.endswith("Z")
    return found[:19] if is_time else found


def test_both_apis_tell_what_the_home_page_does(told):
    now = timezone.now().replace(minute=30)
    end(begun(told[1], zero=now - timedelta(hours=1)))
    fail(begun(told[1], zero=now - timedelta(hours=2)), "no such model", at=9)
    settled()
    caller = client(SEE)
    page = caller.get(reverse("admin:index"), {"as": "json"}).json()
    found = caller.get("/api/analysis/overview/").json()
    result = query(caller, "analysis.overview").json()["result"]["data"]
    for each in (page, found, result):
        assert each.pop("counted_until")
    assert _bare(result) == _bare(found)
    assert [each["value"] for each in found["figures"]][:2] == [2, 0.5]
    assert [(day["workflow"], day["runs"], day["failed"]) for day in found["workflows"]] == [
        ("invoice_processing", 2, 1)
    ]
    assert len(caller.get(found["workflows"][0]["failed_runs_url"]).json()["results"]) == 1
    for each in (page, found):
        for change in each["changes"]:
            change["url"] = change["url"].removeprefix("http://testserver")
    assert _bare(found) == _bare(page)


def test_csv_is_the_main_table(told):
    caller = client(SEE)
    for name, page in PAGES.items():
        answer = caller.get(f"/api/analysis/{name}/", {**SEEN, "as": "csv"})
        assert answer["Content-Type"].startswith("text/csv")
        assert answer.content == caller.get(reverse(page), {**SEEN, "as": "csv"}).content
        accepted = caller.get(f"/api/analysis/{name}/", SEEN, headers={"Accept": "text/csv"})
        assert accepted.content == answer.content
        assert list(csv.DictReader(io.StringIO(answer.content.decode())))


def test_the_list_s_filters_an_order_and_a_comparison_are_taken(told):
    caller, url = client(SEE), "/api/analysis/failures/"
    own = {**SEEN, "workflow": "invoice_processing", "version": 2, "compare": "v1"}
    found = caller.get(url, {**own, "sort": "first_seen"}).json()
    assert (found["compared_with"], found["filter"]["version"]) == ("v1", "2")
    failed = found["figures"][0]
    assert (failed["value"], failed["before"]) == (2, 2)
    assert found["groups"][0]["message"] == "no such model"
    assert caller.get(url, {**SEEN, "page": 2}).json()["groups"] == []
    nobody = caller.get(url, {**SEEN, "triggered_by": "nobody"}).json()
    assert nobody["figures"][0]["value"] == 0
    # As callers have no zone, a day is one of UTC; another name of a bound is taken too.
    days = {"created_after": "2026-03-02", "created_before": "2026-03-03"}
    assert caller.get(url, days).json()["figures"][0]["value"] == 2


def test_each_figure_leads_to_the_list_of_its_runs(told):
    caller = client(SEE)
    found = caller.get("/api/analysis/failures/", SEEN).json()
    for url, count in [
        (found["figures"][0]["runs_url"], 4), (found["figures"][2]["runs_url"], 1),
        (found["groups"][0]["runs_url"], 3),
    ]:  # fmt: skip
        assert len(caller.get(url).json()["results"]) == count, url
    longest = caller.get("/api/analysis/duration/", SEEN).json()
    assert len(caller.get(longest["figures"][2]["runs_url"]).json()["results"]) == 8
    cost = caller.get("/api/analysis/cost/", SEEN).json()
    behind = caller.get(cost["nodes"][0]["runs_url"]).json()["results"]
    assert sum(Decimal(run["cost"]) for run in behind) == Decimal(cost["nodes"][0]["cost"])


def test_one_run_is_told_as_its_analysis_finds_it(told):
    caller = client(SEE)
    run = Run.objects.failed().get(error_message="totals differ on page 8")
    found = caller.get(f"/api/runs/{run.public_id}/analysis/").json()
    assert query(caller, "analysis.run", id=run.public_id).json()["result"]["data"] == found
    assert (found["run_id"], found["state"], found["version"]) == (run.public_id, "failed", 2)
    assert found["duration"]["ms"] == 8000
    assert found["failure"]["group"] == group()
    told = analysis_of(run, timezone.now()).document()
    assert set(found) == set(told)
    assert set(found["nodes"] or [{}][0]) == set(told["nodes"] or [{}][0])
    assert set(found["failure"]) == {*told["failure"], "runs_url"} - {"filter"}
    other = Run.objects.filter(cost__gt=0)[0]
    found = caller.get(f"/api/runs/{other.public_id}/analysis/").json()
    assert Decimal(found["cost"]["total"]["cost"]) == other.cost
    assert [each["node"] for each in found["nodes"]] == ["ocr"]
    for wrong in ("run_01kb0000000000000000000000", "x"):
        answer = caller.get(f"/api/runs/{wrong}/analysis/")
        assert (answer.status_code, answer["Content-Type"]) == (404, "application/problem+json")


# -- What is refused -------------------------------------------------------------------------


WRONG = [
    ({"created": "30d", "trigger": "api"}, "created"),
    ({"sort": "luck"}, "sort"),
    ({"compare": "yesterday"}, "compare"),
    ({"compare": "v2"}, "compare"),
    ({"page": "0"}, "page"),
    ({"as": "xml"}, "as"),
    ({"state": "gone"}, "state"),
    ({"stat": "failed"}, "stat"),
    ({"node": ""}, "node"),
    ({"node_status": "failed"}, "node_status"),
]


def test_what_cannot_be_meant_is_refused_with_its_field(db):
    caller = client(SEE)
    for given, field in WRONG:
        answer = caller.get("/api/analysis/failures/", given)
        assert (answer.status_code, answer["Content-Type"]) == (400, "application/problem+json")
        assert [error["field"] for error in answer.json()["errors"]] == [field]


def test_what_is_too_wide_says_what_to_do(db):
    caller = client(SEE)
    answer = caller.get("/api/analysis/cost/", {"created": "30d", "model": "m"})
    assert answer.status_code == 400
    assert "choose a shorter time" in answer.json()["detail"]
    failed = query(caller, "analysis.cost", created="30d", model="m")
    assert failed.status_code == 400
    assert "choose a shorter time" in failed.json()["error"]["message"]


@pytest.fixture
def slow(db, monkeypatch):
    """What is counted from cannot be read in time: somebody else holds it."""
    monkeypatch.setattr(asking, "SECONDS", 0.05)
    other = connection.copy()
    other.set_autocommit(False)
    with other.cursor() as cursor:
        cursor.execute("LOCK TABLE analytics_runs, analytics_calls, analytics_failures")
    yield
    other.rollback()
    other.close()


def test_a_page_that_is_stopped_says_so_and_how_to_narrow_it(slow):
    caller = client(SEE)
    for name in PAGES.values():
        answer = caller.get(reverse(name))
        page = answer.content.decode()
        assert answer.status_code == 503
        for words in ("This takes too long", "Choose a shorter time", "Last 24 hours"):
            assert words in page, name
        for form in ("json", "csv"):
            answer = caller.get(reverse(name), {"as": form})
            assert (answer.status_code, answer["Content-Type"]) == (503, "application/json")
            assert "Choose a shorter time" in answer.json()["detail"]


def test_an_api_that_is_stopped_says_so(slow):
    caller = client(SEE)
    for name in [*PAGES, "overview"]:
        for more in ({}, {"as": "csv"}) if name in PAGES else ({},):
            answer = caller.get(f"/api/analysis/{name}/", more)
            assert (answer.status_code, answer["Content-Type"]) == (503, "application/problem+json")
            assert "narrow it" in answer.json()["detail"]
            assert answer["Retry-After"]
        failed = query(caller, f"analysis.{name}")
        assert failed.status_code == 503
        assert "narrow it" in failed.json()["error"]["message"]


@pytest.fixture
def severed(slow, monkeypatch):
    """Whoever waits for what is counted from loses the connection."""
    monkeypatch.setattr(asking, "SECONDS", 10)
    ended = threading.Event()
    other = threading.Thread(target=_sever, args=[ended])
    other.start()
    yield
    ended.set()
    other.join()
    connection.close()


def _sever(ended):
    while not ended.wait(0.01):
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND wait_event_type = 'Lock'"
            )
    connection.close()


def test_a_database_that_goes_away_is_told_as_such(severed):
    caller = client(SEE)
    for url, words in (
        (reverse("analysis_cost"), "cannot be read now"),
        ("/api/analysis/cost/", "did not answer"),
    ):
        answer = caller.get(url)
        assert answer.status_code == 503
        assert words in answer.content.decode()
        assert b"terminating connection" not in answer.content
        connection.close()


# -- One group -------------------------------------------------------------------------------


def test_a_group_tells_where_it_came_from_and_what_came_of_it(told):
    caller = client(SEE)
    found = caller.get(f"/api/analysis/groups/{group()}/").json()
    assert {name: found[name] for name in ("kind", "node", "message", "sample", "mark")} == {
        "kind": "ValueError", "node": "ocr", "message": "totals differ on page #",
        "sample": "totals differ on page 8", "mark": "new",
    }  # fmt: skip
    assert found["workflows"] == [
        {"workflow_id": "invoice_processing", "since_version": 1, "runs": 3, "retried": 1,
         "recovered": 1},
    ]  # fmt: skip
    assert (found["runs"], found["retried"], found["recovered"]) == (3, 1, 1)
    assert found["retry_success"] == 1
    assert found["first_seen"] < found["last_seen"]
    assert len(caller.get(found["runs_url"]).json()["results"]) == 3
    assert query(caller, "analysis.group", id=group()).json()["result"]["data"] == found


def test_an_unknown_group_is_not_found(db):
    caller = client(SEE, MARK)
    for wrong in ("0000000000000000", "x", "a" * 500, "a.b"):
        url = f"/api/analysis/groups/{wrong}/"
        assert caller.get(url).status_code == 404
        assert caller.post(f"{url}mark/", {"mark": "known"}, format="json").status_code == 404
        assert query(caller, "analysis.group", id=wrong[:99]).status_code == 404
    assert not AuditEntry.objects.filter(target_type="failure group").exists()


def test_a_mark_is_kept_and_audited_and_the_audit_leads_to_the_group_s_runs(told):
    user = account(SEE, MARK, name="eve")
    caller, url = by_token(user, "view", "mark"), f"/api/analysis/groups/{group()}/mark/"
    found = caller.post(url, {"mark": "resolved", "note": "key renewed"}, format="json").json()
    assert (found["mark"], found["note"], found["marked_by"]) == ("resolved", "key renewed", "eve")
    mutate(caller, "analysis.markGroup", id=group(), mark="new")
    assert FailureGroup.objects.get(message="totals differ on page #").mark == "new"
    entries = AuditEntry.objects.filter(target_type="failure group").order_by("id")
    assert [(e.action, e.target_id, e.reason, e.actor, bool(e.via)) for e in entries] == [
        ("mark as resolved", group(), "key renewed", "eve", True),
        ("unmark", group(), "", "eve", True),
    ]
    reader = client(SEE, "runs.view_auditentry", name="ada")
    audit = reverse("admin:runs_auditentry_changelist")
    for asked in ({"target": "failure group"}, {"q": group()}, {"action": "mark as resolved"}):
        page = reader.get(audit, asked).content.decode()
        link = f"{reverse('admin:runs_run_changelist')}?state=failed&amp;group={group()}"
        assert link in page, asked
    assert "totals" in reader.get(link.replace("&amp;", "&")).content.decode()


def test_a_mark_that_cannot_be_meant_is_refused(told):
    caller, url = client(SEE, MARK), f"/api/analysis/groups/{group()}/mark/"
    for body in (
        {}, {"mark": "odd"}, {"mark": "known", "by": "me"}, {"mark": "known", "note": "x" * 501},
    ):  # fmt: skip
        answer = caller.post(url, body, format="json")
        assert (answer.status_code, answer["Content-Type"]) == (400, "application/problem+json")
    assert FailureGroup.objects.get(message="totals differ on page #").mark == "new"


def test_a_group_s_runs_are_retried_by_a_bulk_operation(told):
    wanted = {"kind": "retry", "filter": {"state": "failed", "group": group()}}
    caller = client(SEE, "runs.retry_run")
    preview = caller.post("/api/bulk/preview/", wanted, format="json").json()
    assert preview["counts"]["failed"] == 3
    assert caller.post("/api/bulk/", wanted, format="json").status_code == 202


# -- Who may ---------------------------------------------------------------------------------

CALLS = [
    *(("get", address) for address in ADDRESSES),
    ("get", "/api/analysis/overview/"),
    ("get", "/api/analysis/groups/{}/"),
    ("get", "/api/runs/{run}/analysis/"),
    ("post", "/api/analysis/groups/{}/mark/"),
]
PROCEDURES = ["failures", "cost", "duration", "overview", "run", "group", "markGroup"]


def ask(caller, method, address):
    url = address.format(group(), run=Run.objects.failed().newest_first()[0].public_id)
    return (
        caller.post(url, {"mark": "known"}, format="json") if method == "post" else caller.get(url)
    )


def call_of(caller, name):
    if name == "markGroup":
        return mutate(caller, "analysis.markGroup", id=group(), mark="known")
    run = Run.objects.failed().newest_first()[0].public_id
    given = {"group": {"id": group()}, "run": {"id": run}, "overview": {}}.get(name, SEEN)
    return query(caller, f"analysis.{name}", **given)


def test_every_operation_is_asked_here():
    told = {
        (method, path.replace("{group_id}", "{}").replace("{run_id}", "{run}"))
        for path, operations in document()["paths"].items()
        if "/analysis/" in path
        for method in operations
    }
    assert told == set(CALLS)


def test_whoever_has_the_permission_and_the_scope_may_and_nobody_else(told):
    may = account(SEE, MARK, "runs.retry_run", name="may")
    sees = account(SEE, name="sees")
    # Who is asked with, what reading answers, and what marking answers.
    callers = [
        (by_token(may, "view", "mark"), 200, 200),
        (by_token(may, "view"), 200, 403),
        (by_token(may, "mark"), 403, 200),
        (by_token(may, "retry"), 403, 403),
        (by_token(sees, "view"), 200, 403),
        (client(SEE, MARK, name="both"), 200, 200),
        (client(SEE, name="seer"), 200, 403),
        (client(MARK, name="marker"), 403, 200),
        (client(name="none"), 403, 403),
        (client(SEE, MARK, name="out", is_staff=False), 403, 403),
        (client(SEE, MARK, name="forged", csrf=True), 200, 403),
        (APIClient(), 401, 401),
    ]
    for place, (caller, reads, marks) in enumerate(callers):
        for method, address in CALLS:
            answer = ask(caller, method, address)
            wanted = marks if method == "post" else reads
            assert answer.status_code == wanted, (place, address, answer.content)
            if wanted >= 400:
                assert answer["Content-Type"] == "application/problem+json"
        for name in PROCEDURES:
            wanted = marks if name == "markGroup" else reads
            assert call_of(caller, name).status_code == wanted, (place, name)
    marked = AuditEntry.objects.filter(target_type="failure group")
    assert {entry.actor for entry in marked} == {"may", "both", "marker"}
