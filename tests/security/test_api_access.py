"""Every address and procedure of the API, asked by callers who have no business there: none is
left out, also none that is new."""

import json
from urllib.parse import quote

import pytest
from django.contrib.auth.models import Permission
from django.test import Client
from django.utils import timezone

from runs import tokens
from runs.api.trpc.procedures import PROCEDURES
from runs.models import ApiToken, AuditEntry, Event, Run, SavedView, Trigger, User, Workflow
from tests.security import places
from tests.security.payloads import Plain
from tests.security.seeding import seed

pytestmark = pytest.mark.django_db(transaction=True)

METHODS = ("get", "post", "put", "patch", "delete")
# Who calls it signs, and needs no account.
SIGNED = "/api/hooks/"
# One's own, which takes no permission.
OWN = ("/api/tokens/",)
OWN_PROCEDURES = {"tokens.list", "tokens.revoke"}
STORED = (Run, Event, AuditEntry, User, ApiToken, SavedView, Trigger, Workflow)


@pytest.fixture
def made():
    return seed(Plain())


def addresses(made: dict) -> list[str]:
    """Also those beside Django, of which the streams are asked elsewhere: by a real server."""
    return [each for each in places.addresses(made)
            if each.startswith("/api/") and not each.startswith("/api/docs")]  # fmt: skip


def stored() -> list[int]:
    return [table.objects.count() for table in STORED]


def ask(client: Client, method: str, address: str, **headers: str) -> int:
    body = {} if method == "get" else {"data": "{}", "content_type": "application/json"}
    return getattr(client, method)(address, **body, headers=headers).status_code


def signed_in(user: User, **options: bool) -> Client:
    client = Client(raise_request_exception=False, **options)
    client.force_login(user)
    return client


def everybody_else() -> dict[str, tuple[Client, dict[str, str], int]]:
    """Callers who may do nothing, and what each is told."""
    everything = Permission.objects.all()
    people = {}
    for name, fields in (
        ("outsider", {}), ("shut", {"is_staff": True, "is_active": False}),
        ("powerless", {"is_staff": True}), ("owner", {"is_staff": True}),
    ):  # fmt: skip
        people[name] = User.objects.create_user(f"u-{name}", **fields)
        if name != "powerless":
            people[name].user_permissions.set(everything)
    now = timezone.now()
    secrets = {}
    for name in ("revoked", "expired", "shut"):
        owner = people["owner"]
        token, secrets[name] = tokens.make(
            owner, name=name, scopes=["view", "execute"], days=1, by=owner.as_actor(), now=now
        )
        if name == "shut":
            ApiToken.objects.filter(pk=token.pk).update(user=people["shut"])
        else:
            field = "revoked_at" if name == "revoked" else "expires_at"
            ApiToken.objects.filter(pk=token.pk).update(**{field: now})
    nobody = Client(raise_request_exception=False)
    return {
        "nobody": (nobody, {}, 401),
        "outsider": (signed_in(people["outsider"]), {}, 403),
        "shut": (signed_in(people["shut"]), {}, 401),
        "powerless": (signed_in(people["powerless"]), {}, 403),
        **{
            f"{name} token": (nobody, {"Authorization": f"Bearer {secret}"}, 401)
            for name, secret in secrets.items()
        },
        "no token": (nobody, {"Authorization": "Bearer runs_abcdef_nothing"}, 401),
    }


def test_who_has_no_business_there_is_refused_at_every_address(made):
    callers = everybody_else()
    before = stored()
    for name, (client, headers, told) in callers.items():
        for address in addresses(made):
            if address.startswith(SIGNED):
                continue
            for method in METHODS:
                status = ask(client, method, address, **headers)
                allowed = {told, 405} if "/trpc/" in address else {told}
                if name == "powerless" and address.startswith(OWN):
                    # Their own, of which there are none, and none that they may make.
                    allowed = {200, 400, 403, 404, 405}
                elif name in ("powerless", "outsider"):
                    # What nobody can do there is not worth a permission.
                    allowed = {403, 405}
                assert status in allowed, (name, method, address, status)
    assert stored() == before


def test_a_session_that_may_be_forged_changes_nothing_at_any_address(made):
    client = signed_in(User.objects.create_superuser("ada"), enforce_csrf_checks=True)
    before = stored()
    for address in addresses(made):
        if address.startswith(SIGNED):
            continue
        for method in ("post", "put", "patch", "delete"):
            assert ask(client, method, address) == 403, (method, address)
    assert stored() == before


def test_without_its_signature_a_webhook_starts_nothing(made):
    before = stored()
    client = signed_in(User.objects.create_superuser("ada"))
    before[STORED.index(User)] += 1
    for headers in ({}, {"webhook-id": "1", "webhook-timestamp": "1", "webhook-signature": "v1,x"}):
        assert ask(client, "post", f"{SIGNED}{'h' * 24}", **headers) in (400, 401)
        assert ask(client, "post", f"{SIGNED}unknown", **headers) == 404
    assert stored() == before


def call(client: Client, name: str, **headers: str) -> str:
    """The code of the error; "" where it did what was asked."""
    address = f"/api/trpc/{name}"
    if PROCEDURES[name].kind == "mutation":
        answer = client.post(address, "{}", content_type="application/json", headers=headers)
    else:
        answer = client.get(f"{address}?input={quote('{}')}", headers=headers)
    said = json.loads(answer.content)
    return said["error"]["data"]["code"] if "error" in said else ""


def test_who_has_no_business_there_calls_no_procedure(made):
    callers = everybody_else()
    before = stored()
    for caller, (client, headers, told) in callers.items():
        for name, procedure in PROCEDURES.items():
            if not procedure.answer or (caller == "powerless" and name in OWN_PROCEDURES):
                continue
            wanted = "UNAUTHORIZED" if told == 401 else "FORBIDDEN"
            assert call(client, name, **headers) == wanted, (caller, name)
    assert stored() == before


# -- What is somebody else's -----------------------------------------------------------------------


@pytest.fixture
def mallory(db):
    user = User.objects.create_user("mallory", is_staff=True)
    user.user_permissions.set(Permission.objects.exclude(
        codename__in=["change_savedview", "view_apitoken", "change_apitoken"]))  # fmt: skip
    return signed_in(user)


def test_a_view_that_is_not_shared_is_nobody_elses(made, mallory):
    view = SavedView.objects.get()
    at = f"/api/views/{view.public_id}/"
    SavedView.objects.update(is_shared=False)
    for method in METHODS[:1] + METHODS[3:]:
        assert ask(mallory, method, at) == 404
    assert view.public_id.encode() not in mallory.get("/api/views/").content
    page = mallory.get("/admin/runs/run/views/").content
    assert view.public_id.encode() not in page
    assert mallory.get(f"/admin/runs/run/?view={view.public_id}").status_code in (200, 400, 404)
    assert view.query.encode() not in mallory.get(f"/admin/runs/run/?view={view.public_id}").content
    SavedView.objects.update(is_shared=True)
    assert ask(mallory, "get", at) == 200
    assert ask(mallory, "delete", at) in (403, 404)
    for change in ({"name": "taken"}, {"query": "?state=failed"}, {"is_shared": False}):
        assert mallory.patch(at, change, content_type="application/json").status_code == 403
    for act in ("delete", "rename", "share", "default"):
        form = {"view": view.public_id, "act": act, act: view.public_id, "name": "taken"}
        mallory.post("/admin/runs/run/views/", form)
    view.refresh_from_db()
    assert (view.name, view.is_shared) == ("plain words", True)


def test_a_token_is_nobody_elses(made, mallory):
    token = ApiToken.objects.get()
    assert ask(mallory, "delete", f"/api/tokens/{token.public_id}/") == 404
    assert token.prefix.encode() not in mallory.get("/api/tokens/").content
    for address in ("/admin/tokens/", "/admin/tokens/?all=1"):
        assert token.prefix.encode() not in mallory.get(address).content
        mallory.post(address, {"revoke": token.public_id, "token": token.public_id})
    token.refresh_from_db()
    assert token.revoked_at is None


def test_a_file_of_an_export_is_for_who_may_export(made):
    user = User.objects.create_user("vic", is_staff=True)
    user.user_permissions.add(Permission.objects.get(codename="view_run"))
    viewer = signed_in(user)
    at = f"/api/bulk/{made['bulk']}"
    assert ask(viewer, "get", f"{at}/") == 200
    assert ask(viewer, "get", f"{at}/download/") == 403
    assert ask(viewer, "post", f"{at}/again/") == 403
    page = f"/admin/bulk/{made['bulk']}/"
    assert viewer.get(f"{page}?download=export").status_code in (200, 403, 404)
    for act in ("abort", "pause", "resume", "again"):
        assert viewer.post(page, {"act": act}).status_code in (400, 403)
