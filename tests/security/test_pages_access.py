"""Who may open which page: every address of a page, by everybody. A new one fails until it is told
here who may."""

import pytest
from django.contrib.auth.models import Permission
from django.test import Client

from runs.models import AuditEntry, Event, Run, User
from tests.security import places
from tests.security.payloads import Plain
from tests.security.seeding import seed

pytestmark = pytest.mark.django_db(transaction=True)

# Shown to whoever asks; to all staff.
ANYBODY, STAFF = "anybody", "staff"
VIEW = ("runs.view_run",)
WORKFLOWS = ("runs.view_workflow",)
MANAGE = ("runs.manage_retention",)
TRIGGERS = ("runs.view_trigger",)


def model(name: str, app: str = "runs", add: bool = True, delete: bool = True) -> dict:
    """The pages of the admin about a model, and any of what permits each."""
    at = f"admin/{app}/{name}/"
    view, change = f"{app}.view_{name}", f"{app}.change_{name}"
    see = (view, change)
    return {
        at: see,
        f"{at}add/": (f"{app}.add_{name}",) if add else (),
        f"{at}<path:object_id>/history/": see,
        f"{at}<path:object_id>/delete/": (f"{app}.delete_{name}",) if delete else (),
        f"{at}<path:object_id>/change/": see,
        f"{at}<path:object_id>/": STAFF,  # leads to the one before
    }


WF = "admin/runs/workflow/<workflow:slug>/"
HOOK = "admin/automation/<int:trigger_id>/"
# Pattern → ANYBODY, STAFF, or permissions of which any one lets in; (): nobody at all.
PAGES: dict[str, object] = {
    "": ANYBODY,  # leads to the next
    "admin/": VIEW,
    "admin/runs/": ANYBODY,
    "admin/me/": STAFF,
    "admin/tokens/": STAFF,
    "admin/decisions/": VIEW,
    "admin/stuck/": VIEW,
    "admin/troubleshooting/": VIEW,
    "admin/decisions/<str:run_id>/<str:node>/": VIEW,
    "admin/services/": ("runs.view_service",),
    "admin/bulk/": VIEW,
    "admin/bulk/<str:operation_id>/": VIEW,
    "admin/retention/executions/": MANAGE,
    "admin/retention/executions/<str:execution_id>/": MANAGE,
    "admin/automation/": TRIGGERS,
    "admin/automation/new/": ("runs.add_trigger",),
    HOOK: TRIGGERS,
    f"{HOOK}edit/": ("runs.change_trigger",),
    f"{HOOK}test/": ("runs.fire_trigger",),
    f"{HOOK}delete/": ("runs.delete_trigger",),
    "admin/analysis/duration/": VIEW,
    "admin/analysis/cost/": VIEW,
    "admin/analysis/failures/": VIEW,
    "admin/analysis/runs/<str:run_id>/": VIEW,
    "admin/analysis/failures/<str:group>/mark/": ("analytics.mark_failuregroup",),
    "admin/settings/runs/": VIEW,
    "admin/settings/runs/preview/": VIEW,
    "admin/password_change/": STAFF,
    "admin/password_change/done/": STAFF,
    "admin/search/": STAFF,
    "admin/login/": ANYBODY,
    "admin/logout/": ANYBODY,
    "admin/autocomplete/": (),
    "admin/jsi18n/": STAFF,
    "admin/r/<path:content_type_id>/<path:object_id>/": STAFF,
    "admin/runs/user/<id>/password/": ("runs.change_user",),
    **model("user"),
    **model("group", app="auth"),
    **model("auditentry", add=False, delete=False),
    **model("backend"),
    **model("executorlimit"),
    **model("event", add=False, delete=False),
    **model("llmcall", add=False, delete=False),
    **model("source", delete=False),
    **model("workflowversion", add=False, delete=False),
    "admin/runs/run/": VIEW,
    "admin/runs/run/act/": VIEW,
    "admin/runs/run/columns/": VIEW,
    "admin/runs/run/views/": VIEW,
    "admin/runs/run/views/new/": VIEW,
    "admin/runs/run/<str:run_id>/": VIEW,
    "admin/runs/run/<str:object_id>/change/": ("runs.view_run", "runs.change_run"),
    "admin/runs/workflow/": WORKFLOWS,
    "admin/runs/workflow/add/": ("runs.add_workflow",),
    "admin/runs/workflow/add/check/": ("runs.add_workflow",),
    WF: WORKFLOWS,
    f"{WF}check/": ("runs.change_workflow",),
    f"{WF}versions/<int:number>/": WORKFLOWS,
    f"{WF}settings/": WORKFLOWS,
    f"{WF}versions/<int:number>/restore/": ("runs.change_workflow",),
    f"{WF}compare/": WORKFLOWS,
    f"{WF}run/": ("runs.execute_workflow",),
    f"{WF}run/check/": ("runs.execute_workflow",),
    "admin/runs/workflow/<int:object_id>/change/": WORKFLOWS,
    "admin/^(?P<app_label>runs|auth)/$": STAFF,
    "admin/(?P<url>.*)$": STAFF,
    "api/docs": VIEW,
    "api/docs/": ANYBODY,
}
# What is asked for beside: who starts runs sees the workflows, who tests a trigger sees it.
ALSO = {f"{WF}run/": WORKFLOWS, f"{WF}run/check/": WORKFLOWS, f"{WF}check/": WORKFLOWS,
        f"{WF}versions/<int:number>/restore/": WORKFLOWS, f"{HOOK}edit/": TRIGGERS,
        f"{HOOK}test/": TRIGGERS, f"{HOOK}delete/": TRIGGERS,
        "admin/automation/new/": TRIGGERS, "admin/runs/workflow/add/": WORKFLOWS,
        "admin/analysis/failures/<str:group>/mark/": VIEW}  # fmt: skip
# Whoever has less than an account cannot act as it, by way of its password or at all.
_OF_A_USER = ("<id>/password/", "<path:object_id>/delete/", "<path:object_id>/change/")
ALSO |= {f"admin/runs/user/{end}": VIEW for end in _OF_A_USER}
ALSO |= {"admin/runs/user/add/": ("runs.change_user",)}
# Leads to the first page that somebody may open.
HOME = "admin/"
# Nothing is stored by somebody who may not, or whose request may be a forgery.
STORED = (Run, Event, AuditEntry, User)


@pytest.fixture
def made():
    return seed(Plain())


def everything() -> dict[str, Permission]:
    found = Permission.objects.select_related("content_type")
    return {f"{each.content_type.app_label}.{each.codename}": each for each in found}


def signed_in(user: User, **options: bool) -> Client:
    client = Client(raise_request_exception=False, **options)
    client.force_login(user)
    return client


def with_permissions(name: str, permissions: list[Permission], **fields: bool) -> User:
    user = User.objects.create_user(name, **{"is_staff": True, **fields})
    user.user_permissions.set(permissions)
    return user


def is_sent_to_sign_in(answer) -> bool:
    return answer.status_code == 302 and "/login/" in answer["Location"]


def stored() -> list[int]:
    return [table.objects.count() for table in STORED]


def test_of_every_page_it_is_told_who_may_open_it():
    pages = {
        pattern
        for pattern in places.patterns()
        if not pattern.startswith("api/") or pattern.startswith("api/docs")
    }
    assert pages == set(PAGES)


def test_nobody_and_no_staff_are_sent_to_sign_in(made):
    known = everything()
    outsider = with_permissions("eve", list(known.values()), is_staff=False)
    shut = with_permissions("sam", list(known.values()), is_active=False)
    before = stored()
    for client in (Client(), signed_in(outsider), signed_in(shut)):
        for pattern, who in PAGES.items():
            address = places.address_of(pattern, made)
            got = client.get(address)
            if who is ANYBODY:
                assert got.status_code in (200, 302), address
                # None of these shows anything of the portal's own.
                assert b"strange" not in got.content
                continue
            assert is_sent_to_sign_in(got), address
            assert is_sent_to_sign_in(client.post(address, {"x": "1"})), address
    assert stored() == before


def test_who_lacks_the_permission_is_refused_with_all_others(made):
    known = everything()
    for number, (pattern, who) in enumerate(PAGES.items()):
        if who in (ANYBODY, STAFF) or pattern == HOME:
            continue
        others = [each for name, each in known.items() if name not in who]
        client = signed_in(with_permissions(f"o{number}", others))
        address = places.address_of(pattern, made)
        before = stored()
        assert client.get(address).status_code == 403, pattern
        assert client.post(address, {"x": "1"}).status_code in (403, 405), pattern
        assert stored() == before, pattern


def test_who_has_the_permission_is_let_in_with_no_other(made):
    known = everything()
    for number, (pattern, who) in enumerate(PAGES.items()):
        if not who or who is ANYBODY:
            continue
        names = who[:1] + ALSO.get(pattern, ()) if isinstance(who, tuple) else ()
        client = signed_in(with_permissions(f"p{number}", [known[name] for name in names]))
        answer = client.get(places.address_of(pattern, made))
        assert not is_sent_to_sign_in(answer), pattern
        assert answer.status_code in (200, 302, 404, 405), (pattern, answer.status_code)
        # Only what is not there is not found.
        if answer.status_code == 404:
            assert pattern in ("admin/(?P<url>.*)$", "admin/automation/new/",
                               "admin/r/<path:content_type_id>/<path:object_id>/",
                               "admin/^(?P<app_label>runs|auth)/$")  # fmt: skip


def test_a_page_stores_nothing_of_a_form_that_may_be_forged(made):
    client = signed_in(User.objects.create_superuser("ada"), enforce_csrf_checks=True)
    before = stored()
    for pattern in PAGES:
        address = places.address_of(pattern, made)
        for headers in ({}, {"HX-Request": "true"}, {"X-CSRFToken": "x" * 32}):
            answer = client.post(address, {"x": "1"}, headers=headers)
            assert answer.status_code == 403, (pattern, answer.status_code)
    assert stored() == before


def test_staff_without_permissions_finds_nothing_by_searching(made):
    client = signed_in(with_permissions("bob", []))
    for query in ("strange", "plain", made["failed"]):
        answer = client.get("/admin/search/", {"s": query})
        assert b"strange" not in answer.content
        assert made["failed"].encode() not in answer.content.replace(query.encode(), b"")
    for page in ("x", "0", "99", "javascript:1"):
        assert client.get("/admin/search/", {"s": "a", "page": page}).status_code == 404
    for name in ("user", "group", "source", "backend"):
        given = {"app_label": "runs", "model_name": name, "field_name": "user"}
        assert client.get("/admin/autocomplete/", given).status_code == 403


@pytest.mark.parametrize(
    "target",
    ["https://evil.invalid/", "//evil.invalid/", "/\\evil.invalid", "javascript:alert(1)",
     "https:evil.invalid", "\t//evil.invalid", "/admin/\r\nX: 1", "data:text/html,x"],
)  # fmt: skip
def test_signing_in_leads_nowhere_else(target):
    user = User.objects.create_superuser("ada", password="correct horse battery")
    given = {"username": user.username, "password": "correct horse battery", "next": target}
    answer = Client().post("/admin/login/", given)
    assert answer.status_code == 302
    assert answer["Location"].startswith("/admin/")
    assert "evil" not in answer["Location"]
    for address in ("/admin/login/", "/admin/me/"):
        again = signed_in(user).get(address, {"next": target})
        assert "evil" not in again.headers.get("Location", "")


def test_the_secret_of_a_webhook_is_shown_to_who_may_change_it_only(made):
    known = everything()
    address = f"/admin/automation/{made['trigger']}/"
    for name, permissions, is_shown in (
        ("viewer", ["runs.view_trigger", "runs.fire_trigger"], False),
        ("changer", ["runs.view_trigger", "runs.change_trigger"], True),
    ):
        client = signed_in(with_permissions(name, [known[each] for each in permissions]))
        assert (b"whsec_" in client.get(address).content) == is_shown
