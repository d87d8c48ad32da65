"""The sidebar: what a person may see and nothing else; and the front door."""

import pytest
from django.utils import timezone

from config import sidebar
from runs import recorder
from runs.models import User
from tests.runs.conftest import changed
from tests.runs.visitors import account, visitor

pytestmark = pytest.mark.django_db

EVERYTHING = {
    "OPERATE": ["Overview", "Runs", "Stuck runs", "Decisions", "Automation", "Bulk operations"],
    "BUILD": ["Workflows", "API"],
    "ANALYZE": ["Duration", "Cost", "Failures"],
    "MANAGE": ["Settings", "Users", "Groups", "Sources", "Executor limits", "Archive", "Audit"],
    "INFRASTRUCTURE": ["Services", "Troubleshooting"],
}


def shown(rf, user, path="/admin/"):
    request = rf.get(path)
    request.user = User.objects.get(pk=user.pk)
    groups = sidebar.navigation(request)
    return {group["title"]: [item["title"] for item in group["items"]] for group in groups}


def test_a_superuser_sees_what_is_built_and_no_more(rf):
    assert shown(rf, account(is_superuser=True)) == EVERYTHING


@pytest.mark.parametrize(
    ("permissions", "groups"),
    [
        ((), {}),
        (
            ("runs.view_run",),
            {
                "OPERATE": ["Overview", "Runs", "Stuck runs", "Decisions", "Bulk operations"],
                "BUILD": ["API"],
                "ANALYZE": ["Duration", "Cost", "Failures"],
                "MANAGE": ["Settings"],
                "INFRASTRUCTURE": ["Troubleshooting"],
            },
        ),
        (("runs.view_workflow",), {"BUILD": ["Workflows"]}),
        (("runs.view_trigger",), {"OPERATE": ["Automation"]}),
        (("runs.view_user", "auth.view_group"), {"MANAGE": ["Users", "Groups"]}),
        (
            ("runs.view_run", "runs.view_auditentry"),
            {
                "OPERATE": ["Overview", "Runs", "Stuck runs", "Decisions", "Bulk operations"],
                "BUILD": ["API"],
                "ANALYZE": ["Duration", "Cost", "Failures"],
                "MANAGE": ["Settings", "Audit"],
                "INFRASTRUCTURE": ["Troubleshooting"],
            },
        ),
    ],
)
def test_a_person_sees_the_entries_of_their_permissions(rf, permissions, groups):
    assert shown(rf, account(*permissions)) == groups


def test_the_page_has_no_group_without_an_entry():
    page = visitor("runs.view_workflow").get("/admin/runs/workflow/").content.decode()
    assert "BUILD" in page
    assert "OPERATE" not in page
    assert "MANAGE" not in page


@pytest.mark.parametrize(
    ("path", "title"),
    [
        ("/admin/", "Overview"),
        ("/admin/runs/run/", "Runs"),
        ("/admin/runs/run/run_x/", "Runs"),
        ("/admin/runs/workflow/", "Workflows"),
        ("/admin/runs/workflow/x/run/", "Workflows"),
        ("/admin/runs/workflowversion/", None),
        ("/admin/runs/user/", "Users"),
        ("/admin/settings/runs/", "Settings"),
        ("/admin/services/", "Services"),
        ("/admin/me/", None),
    ],
)
def test_one_entry_at_most_is_the_active_one(rf, path, title):
    request = rf.get(path)
    request.user = account(is_superuser=True)
    active = [
        item["title"]
        for group in sidebar.navigation(request)
        for item in group["items"]
        if item["active"](request)
    ]
    assert active == ([title] if title else [])


def badge(rf, user):
    request = rf.get("/admin/")
    request.user = user
    return sidebar.navigation(request)[0]["items"][1].get("badge")


def test_the_badge_counts_what_is_running(rf, make_run):
    user = account("runs.view_run")
    assert badge(rf, user) is None
    ids = [make_run() for _ in range(3)]
    start = [changed("created", "active")]
    recorder.record({ids[0]: start, ids[1]: start}, now=timezone.now())
    assert badge(rf, user) == "2"


def test_the_badge_counts_no_further_than_its_cap(rf, make_run, monkeypatch):
    monkeypatch.setattr(sidebar, "BADGE_CAP", 2)
    ids = [make_run() for _ in range(4)]
    recorder.record({i: [changed("created", "active")] for i in ids}, now=timezone.now())
    assert badge(rf, account("runs.view_run")) == "2+"


def test_the_badge_is_one_query_and_only_for_who_sees_it(rf, django_assert_num_queries):
    request = rf.get("/admin/")
    request.user = User.objects.get(pk=account("runs.view_run").pk)
    with django_assert_num_queries(6):  # permissions (2), badge, its transaction and its timeout
        sidebar.navigation(request)
    request.user = User.objects.get(pk=account("runs.view_workflow", name="other").pk)
    with django_assert_num_queries(2):
        sidebar.navigation(request)


# -- The front door --------------------------------------------------------------------------


def test_the_index_is_the_overview_for_who_may_see_runs():
    person = visitor("runs.view_run", "runs.view_workflow")
    assert b"<title>Overview" in person.get("/admin/").content
    assert person.get("/admin/runs/").headers["Location"] == "/admin/"


def test_the_index_leads_to_the_first_page_that_a_person_may_see():
    assert visitor("auth.view_group").get("/admin/").headers["Location"] == "/admin/auth/group/"


def test_who_may_see_nothing_is_told_so():
    answer = visitor().get("/admin/")
    assert answer.status_code == 403
    assert b"has no permissions yet" in answer.content


def test_the_root_leads_in(client):
    assert client.get("/").headers["Location"] == "/admin/"
    assert "/admin/login/" in client.get("/admin/").headers["Location"]


def test_signing_in_leads_to_the_runs(client):
    account("runs.view_run", password="a long password")
    answer = client.post("/admin/login/", {"username": "olga", "password": "a long password"})
    assert answer.headers["Location"] == "/admin/"


def test_the_menu_under_ones_name_leads_to_settings_and_password():
    page = visitor("runs.view_workflow").get("/admin/runs/workflow/").content.decode()
    assert 'href="/admin/me/"' in page
    assert 'href="/admin/password_change/"' in page
    assert "View site" not in page
