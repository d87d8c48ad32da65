"""The groups that a portal begins with: what each may do, and that nothing dead is offered."""

from html.parser import HTMLParser

import pytest
from django.contrib import admin
from django.contrib.auth.models import Group, Permission
from django.contrib.contenttypes.models import ContentType
from django.utils import timezone

from runs import lifecycle, recorder
from runs.actors import Actor
from runs.models import Run, User, WorkflowVersion
from runs.states import RunState
from tests.runs.conftest import changed, make_groups
from tests.runs.visitors import visitor

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("installed_groups")]
ANNA = Actor(name="anna", ref_type="user", ref_id="user_anna")

VIEWS = {
    "runs.view_run", "runs.view_node", "runs.view_attempt", "runs.view_event",
    "runs.view_llmcall", "runs.view_workflow", "runs.view_workflowversion", "runs.export_run",
    "runs.view_trigger",
}  # fmt: skip
ACTS = {
    "runs.execute_workflow", "runs.retry_run", "runs.terminate_run", "runs.ingest_event",
    "runs.decide_decision", "runs.fire_trigger", "runs.restore_run", "analytics.mark_failuregroup",
    "runs.view_service", "runs.view_backend",
}  # fmt: skip
GROUPS = ("Viewer", "Operator", "Administrator")


def names(permissions):
    pairs = permissions.values_list("content_type__app_label", "codename")
    return {f"{app}.{codename}" for app, codename in pairs}


def member(group):
    client = visitor(name=group.lower())
    User.objects.get(username=group.lower()).groups.add(Group.objects.get(name=group))
    return client


# -- Made at install -------------------------------------------------------------------------


def test_the_groups_are_there_with_their_permissions():
    given = {group.name: names(group.permissions) for group in Group.objects.all()}
    assert set(given) == set(GROUPS)
    assert given["Viewer"] == VIEWS
    assert given["Operator"] == VIEWS | ACTS


def test_an_administrator_may_do_everything_of_the_portal():
    group = Group.objects.get(name="Administrator")
    models = ContentType.objects.get_for_models(*admin.site._registry).values()
    everything = names(Permission.objects.filter(content_type__in=models))
    everything |= ACTS
    assert {"runs.add_user", "auth.change_group", "runs.view_auditentry"} <= everything
    assert everything - names(group.permissions) == set()


def test_a_group_that_is_there_already_keeps_what_it_has():
    Group.objects.filter(name__in=("Operator", "Administrator")).delete()
    viewer = Group.objects.get(name="Viewer")
    own = Permission.objects.get(codename="view_user")
    viewer.permissions.set([own])
    make_groups()
    assert Group.objects.get(name="Viewer") == viewer
    assert names(viewer.permissions) == {"runs.view_user", *VIEWS}
    assert names(Group.objects.get(name="Operator").permissions) == VIEWS | ACTS


# -- What answers ----------------------------------------------------------------------------


@pytest.fixture
def failed(version):
    """A run that can be retried."""
    run = lifecycle.start(version, {}, trigger="manual", by=ANNA)
    error = {"kind": "Broken", "message": "it broke", "node": "first"}
    started = changed("created", "active")
    recorder.record(
        {run.pk: [started, changed("active", "failed", error=error)]}, now=timezone.now()
    )
    run.refresh_from_db()
    assert run.can_retry
    return run


@pytest.fixture
def active(version):
    """A run that can be terminated."""
    run = lifecycle.start(version, {}, trigger="manual", by=ANNA)
    recorder.record({run.pk: [changed("created", "active")]}, now=timezone.now())
    return Run.objects.get(pk=run.pk)


PAGES = {
    # path: the groups that may see it
    "/admin/runs/run/": GROUPS,
    "/admin/runs/run/{run}/": GROUPS,
    "/admin/runs/run/{run}/?tab=context": GROUPS,
    "/admin/runs/run/{run}/?tab=lineage": GROUPS,
    "/admin/runs/run/{run.pk}/change/": GROUPS,
    "/admin/runs/event/?run={run}": GROUPS,
    "/admin/runs/llmcall/?run={run}": GROUPS,
    "/admin/runs/workflow/": GROUPS,
    "/admin/runs/workflow/example/": GROUPS,
    "/admin/runs/workflow/example/versions/1/": GROUPS,
    "/admin/runs/workflowversion/": GROUPS,
    "/admin/me/": GROUPS,
    "/admin/tokens/": GROUPS,
    "/admin/password_change/": GROUPS,
    "/api/runs/": GROUPS,
    "/api/runs/{run}/context/": GROUPS,
    "/api/workflows/example/": GROUPS,
    "/admin/runs/workflow/example/run/": ("Operator", "Administrator"),
    "/admin/runs/workflow/add/": ("Administrator",),
    "/admin/runs/user/": ("Administrator",),
    "/admin/runs/user/add/": ("Administrator",),
    "/admin/auth/group/": ("Administrator",),
    "/admin/auth/group/add/": ("Administrator",),
    "/admin/runs/auditentry/": ("Administrator",),
}


@pytest.mark.parametrize("group", GROUPS)
def test_pages_answer_those_who_may_see_them(group, failed):
    client = member(group)
    answers, wanted = {}, {}
    for path, groups in PAGES.items():
        address = path.replace("{run}", failed.public_id).replace("{run.pk}", str(failed.pk))
        answers[path] = client.get(address).status_code
        wanted[path] = 200 if group in groups else 403
    assert answers == wanted


@pytest.mark.parametrize("group", GROUPS)
def test_acts_are_done_for_those_who_may(group, failed, active):
    client = member(group)
    may = group != "Viewer"
    retried = client.post(f"/admin/runs/run/{failed.public_id}/", {"act": "retry"})
    data = {"act": "terminate", "reason": "wrong file"}
    ended = client.post(f"/admin/runs/run/{active.public_id}/", data)
    assert (retried.status_code, ended.status_code) == ((302, 302) if may else (403, 403))
    assert Run.objects.filter(retry_of=failed.pk).exists() == may
    active.refresh_from_db()
    assert (active.state == RunState.TERMINATED) == may


@pytest.mark.parametrize("group", GROUPS)
def test_acts_of_the_api_are_done_for_those_who_may(group, failed, active):
    client = member(group)
    runs = Run.objects.count()
    answers = [
        client.post(f"/api/runs/{failed.public_id}/retry/", {}, "application/json"),
        client.post(
            f"/api/runs/{active.public_id}/terminate/", {"reason": "x"}, "application/json"
        ),
        client.post("/api/workflows/example/runs/", {"input": {}}, "application/json"),
    ]
    if group == "Viewer":
        assert [answer.status_code for answer in answers] == [403, 403, 403]
        assert Run.objects.count() == runs
    else:
        assert all(answer.status_code < 300 for answer in answers), answers
        assert Run.objects.count() == runs + 2


@pytest.mark.parametrize("group", GROUPS)
def test_only_administrators_save_a_workflow(group, version):
    data = {"definition": '{"nodes": [{"id": "a", "kind": "executor", "executor": "probe.noop"}]}'}
    answer = member(group).post("/admin/runs/workflow/example/", {**data, "base": "1"})
    may = group == "Administrator"
    assert answer.status_code == (302 if may else 403)
    assert WorkflowVersion.objects.count() == (2 if may else 1)


def test_an_administrator_gives_somebody_a_group():
    viewer = Group.objects.get(name="Viewer")
    data = {
        "username": "nora", "usable_password": "true", "password1": "a long password",
        "password2": "a long password", "is_staff": "on", "groups": [viewer.pk],
    }  # fmt: skip
    client = member("Administrator")
    page = client.get("/admin/runs/user/add/").context["adminform"].form
    assert page.initial["is_staff"] is True
    assert [label for _, label in page["groups"].field.choices] == list(GROUPS)
    assert client.post("/admin/runs/user/add/", data).status_code == 302
    nora = User.objects.get(username="nora")
    assert nora.has_perm("runs.view_run")
    assert not nora.has_perm("runs.retry_run")
    assert nora.is_staff


# -- What is offered -------------------------------------------------------------------------

# What stands on the pages for those who may, and leads nowhere for those who may not.
OFFERS = {
    "/admin/runs/run/": ['value="retry"', 'value="terminate"'],
    "/admin/runs/run/{failed}/": ['value="retry"', "Run again"],
    "/admin/runs/run/{active}/": ["Terminate…", 'value="terminate"', "Run again"],
    "/admin/runs/workflow/": ["/admin/runs/workflow/example/run/"],
    "/admin/runs/workflow/example/": ["/admin/runs/workflow/example/run/"],
    "/admin/runs/workflow/example/versions/1/": ["/admin/runs/workflow/example/run/"],
}
EDITS = {
    "/admin/runs/workflow/": ["/admin/runs/workflow/add/"],
    "/admin/runs/workflow/example/": ["data-save"],
}


@pytest.mark.parametrize("group", GROUPS)
def test_buttons_are_shown_to_those_who_may_use_them(group, failed, active):
    client = member(group)
    for offers, groups in ((OFFERS, GROUPS[1:]), (EDITS, GROUPS[2:])):
        for path, words in offers.items():
            address = path.format(failed=failed.public_id, active=active.public_id)
            page = client.get(address).content.decode()
            shown = [word in page for word in words]
            assert shown == [group in groups] * len(words), (path, words)


class Links(HTMLParser):
    """Every address of this portal that a page offers as a link or fragment."""

    def __init__(self, page):
        super().__init__()
        self.found = set()
        self.feed(page)

    def handle_starttag(self, _tag, attrs):
        for name, value in attrs:
            if name in ("href", "hx-get", "data-src") and (value or "").startswith("/"):
                self.found.add(value.partition("#")[0])


@pytest.mark.parametrize("group", GROUPS)
def test_every_link_that_a_page_offers_answers(group, failed, active):
    client = member(group)
    pages = [path for path, groups in PAGES.items() if group in groups and "/admin/" in path]
    offered = set()
    for path in pages:
        address = path.replace("{run}", failed.public_id).replace("{run.pk}", str(failed.pk))
        offered |= Links(client.get(address).content.decode()).found
    offered = {link for link in offered if not link.startswith(("/static/", "/admin/logout"))}
    assert f"/admin/runs/run/{active.public_id}/" in offered
    answers = {link: client.get(link).status_code for link in sorted(offered)}
    assert {link: code for link, code in answers.items() if code >= 400} == {}


def test_nobody_gives_a_group_or_takes_an_account_that_may_more_than_they(version):
    helper = visitor("runs.view_user", "runs.change_user", *VIEWS, name="helper")
    own = User.objects.get(username="helper")
    form = {"username": "helper", "time_zone": "UTC", "is_active": "on", "is_staff": "on"}
    administrator = Group.objects.get(name="Administrator")
    helper.post(f"/admin/runs/user/{own.pk}/change/", {**form, "groups": [administrator.pk]})
    assert not own.groups.exists()

    viewer = Group.objects.get(name="Viewer")
    helper.post(f"/admin/runs/user/{own.pk}/change/", {**form, "groups": [viewer.pk]})
    assert list(own.groups.all()) == [viewer]

    member("Administrator")
    head = User.objects.get(username="administrator")
    assert helper.get(f"/admin/runs/user/{head.pk}/password/").status_code == 403
