"""The analysis by REST and tRPC: the pages' figures, for whoever may see runs."""

import csv
import io
import json
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
from runs import tokens
from runs.api.document import document
from runs.models import AuditEntry
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


@pytest.mark.parametrize("name", PAGES)
def test_both_apis_tell_what_the_page_does(told, name):
    caller = client(SEE)
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


@pytest.mark.parametrize("name", PAGES)
def test_csv_is_the_main_table(told, name):
    caller = client(SEE)
    answer = caller.get(f"/api/analysis/{name}/", {**SEEN, "as": "csv"})
    assert answer["Content-Type"].startswith("text/csv")
    assert answer.content == caller.get(reverse(PAGES[name]), {**SEEN, "as": "csv"}).content
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


# -- What is refused -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "field"),
    [
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
    ],
)
def test_what_cannot_be_meant_is_refused_with_its_field(db, given, field):
    answer = client(SEE).get("/api/analysis/failures/", given)
    assert (answer.status_code, answer["Content-Type"]) == (400, "application/problem+json")
    [error] = answer.json()["errors"]
    assert error["field"] == field


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


@pytest.mark.parametrize("name", PAGES)
@pytest.mark.parametrize("form", ["", "json", "csv"])
def test_a_page_that_is_stopped_says_so_and_how_to_narrow_it(slow, name, form):
    answer = client(SEE).get(reverse(PAGES[name]), {"as": form} if form else {})
    assert answer.status_code == 503
    if form:
        assert answer["Content-Type"] == "application/json"
        assert "Choose a shorter time" in answer.json()["detail"]
    else:
        page = answer.content.decode()
        assert "This takes too long" in page
        assert "Choose a shorter time" in page
        assert "Last 24 hours" in page


@pytest.mark.parametrize("name", PAGES)
def test_an_api_that_is_stopped_says_so(slow, name):
    caller = client(SEE)
    for more in ({}, {"as": "csv"}):
        answer = caller.get(f"/api/analysis/{name}/", more)
        assert (answer.status_code, answer["Content-Type"]) == (503, "application/problem+json")
        assert "narrow it" in answer.json()["detail"]
        assert answer["Retry-After"]
    failed = query(caller, f"analysis.{name}")
    assert failed.status_code == 503
    assert "narrow it" in failed.json()["error"]["message"]


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


@pytest.mark.parametrize("wrong", ["0000000000000000", "x", "a" * 500, "a.b"])
def test_an_unknown_group_is_not_found(told, wrong):
    caller = client(SEE, MARK)
    assert caller.get(f"/api/analysis/groups/{wrong}/").status_code == 404
    posted = caller.post(f"/api/analysis/groups/{wrong}/mark/", {"mark": "known"}, format="json")
    assert posted.status_code == 404
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


@pytest.mark.parametrize("body", [{}, {"mark": "odd"}, {"mark": "known", "by": "me"},
                                  {"mark": "known", "note": "x" * 501}])  # fmt: skip
def test_a_mark_that_cannot_be_meant_is_refused(told, body):
    caller = client(SEE, MARK)
    answer = caller.post(f"/api/analysis/groups/{group()}/mark/", body, format="json")
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
    ("get", "/api/analysis/groups/{}/"),
    ("post", "/api/analysis/groups/{}/mark/"),
]
PROCEDURES = ["failures", "cost", "duration", "group", "markGroup"]


def ask(caller, method, address):
    url = address.format(group())
    return (
        caller.post(url, {"mark": "known"}, format="json") if method == "post" else caller.get(url)
    )


def call_of(caller, name):
    if name == "markGroup":
        return mutate(caller, "analysis.markGroup", id=group(), mark="known")
    return query(caller, f"analysis.{name}", **({"id": group()} if name == "group" else SEEN))


def test_every_operation_is_asked_here():
    told = {
        (method, path.replace("{group_id}", "{}"))
        for path, operations in document()["paths"].items()
        if path.startswith("/api/analysis/")
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
