"""What is done to accounts and groups is in the audit, and no secret with it."""

import pytest
from django.contrib.auth.models import Group, Permission
from django.db import DatabaseError, connection

from runs.models import AuditEntry, User
from tests.runs.visitors import account, visitor

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("installed_groups")]
SECRET = "correct horse battery"


@pytest.fixture
def boss():
    return visitor(name="boss", is_superuser=True)


def entries():
    fields = ("actor", "action", "target_type", "target_id", "reason")
    return list(AuditEntry.objects.order_by("id").values_list(*fields))


def form_of(user, **fields):
    """What the browser sends from an account's page."""
    kept = {
        "username": user.username,
        "time_zone": user.time_zone,
        "groups": [group.pk for group in user.groups.all()],
    }
    flags = {
        name: "on" for name in ("is_active", "is_staff", "is_superuser") if getattr(user, name)
    }
    return {**kept, **flags, **fields}


def change(client, user, **fields):
    answer = client.post(f"/admin/runs/user/{user.pk}/change/", form_of(user, **fields))
    assert answer.status_code == 302, answer.content


def group(name):
    return Group.objects.get(name=name)


# -- Accounts --------------------------------------------------------------------------------


def test_a_new_account_is_audited_with_its_groups(boss):
    boss.post(
        "/admin/runs/user/add/",
        {
            "username": "nora", "usable_password": "true", "password1": SECRET,
            "password2": SECRET, "is_staff": "on", "groups": [group("Operator").pk],
        },
    )  # fmt: skip
    nora = User.objects.get(username="nora")
    assert list(nora.groups.all()) == [group("Operator")]
    assert entries() == [
        ("boss", "create", "user", nora.public_id, "nora: staff on; groups +Operator")
    ]
    chief = User.objects.get(username="boss")
    entry = AuditEntry.objects.get()
    assert (entry.ref_type, entry.ref_id) == ("user", chief.public_id)


def test_a_changed_account_is_audited_with_its_fields(boss):
    olga = account(name="olga", email="old@example.org")
    change(boss, olga, email="new@example.org", first_name="Olga")
    assert entries() == [("boss", "change", "user", olga.public_id, "olga: first name; email")]


def test_who_was_given_and_deprived_of_what_is_audited(boss):
    olga = account(name="olga")
    olga.groups.add(group("Viewer"))
    retry = Permission.objects.get(codename="retry_run")
    fields = {"groups": [group("Administrator").pk], "user_permissions": [retry.pk]}
    change(boss, olga, **fields, is_superuser="on")
    (entry,) = entries()
    assert entry[4] == (
        "olga: groups +Administrator -Viewer; superuser on; user permissions +runs.retry_run"
    )


def test_a_new_name_says_the_old_one(boss):
    olga = account(name="olga")
    change(boss, olga, username="helga")
    assert entries() == [("boss", "change", "user", olga.public_id, "helga: username was olga")]


def test_a_form_saved_as_it_was_is_no_entry(boss):
    olga = account(name="olga")
    change(boss, olga)
    assert entries() == []


def test_a_refused_form_is_no_entry(boss):
    olga = account(name="olga")
    data = form_of(olga, time_zone="Mars/Base")
    assert boss.post(f"/admin/runs/user/{olga.pk}/change/", data).status_code == 200
    assert entries() == []


def test_a_deleted_account_is_audited_and_the_entry_outlives_it(boss):
    olga = account(name="olga")
    boss.post(f"/admin/runs/user/{olga.pk}/delete/", {"post": "yes"})
    assert not User.objects.filter(username="olga").exists()
    assert entries() == [("boss", "delete", "user", olga.public_id, "olga")]


def test_accounts_deleted_together_are_an_entry_each(boss):
    gone = [account(name=name) for name in ("olga", "nora")]
    boss.post(
        "/admin/runs/user/",
        {
            "action": "delete_selected", "post": "yes",
            "_selected_action": [str(user.pk) for user in gone],
        },
    )  # fmt: skip
    assert User.objects.count() == 1
    assert {entry[1:4] for entry in entries()} == {
        ("delete", "user", user.public_id) for user in gone
    }


# -- Passwords -------------------------------------------------------------------------------


def test_a_password_set_by_another_is_audited_without_it(boss):
    olga = account(name="olga")
    path = f"/admin/runs/user/{olga.pk}/password/"
    data = {"usable_password": "true", "password1": SECRET, "password2": SECRET}
    assert boss.post(path, data).status_code == 302
    olga.refresh_from_db()
    assert olga.check_password(SECRET)
    assert entries() == [("boss", "change_password", "user", olga.public_id, "olga")]


def test_a_password_switched_off_is_audited(boss):
    olga = account(name="olga", password=SECRET)
    path = f"/admin/runs/user/{olga.pk}/password/"
    boss.post(path, {"usable_password": "false", "unset-password": "1"})
    olga.refresh_from_db()
    assert not olga.has_usable_password()
    assert entries()[0][1] == "change_password"


def test_ones_own_password_is_audited(client):
    olga = account(name="olga", password=SECRET)
    client.force_login(olga)
    data = {"new_password1": "another long one", "new_password2": "another long one"}
    page = client.get("/admin/password_change/")
    assert "old_password" in page.content.decode()
    wrong = client.post("/admin/password_change/", {"old_password": "guess", **data})
    assert wrong.status_code == 200
    assert entries() == []
    done = client.post("/admin/password_change/", {"old_password": SECRET, **data})
    assert done.headers["Location"] == "/admin/password_change/done/"
    assert client.get("/admin/password_change/done/").status_code == 200  # still signed in
    olga.refresh_from_db()
    assert olga.check_password("another long one")
    assert entries() == [("olga", "change_password", "user", olga.public_id, "olga")]


def test_no_entry_holds_a_password_or_its_hash(boss):
    olga = account(name="olga")
    change(boss, olga, password=SECRET, email="x@example.org")
    data = {"usable_password": "true", "password1": SECRET, "password2": SECRET}
    boss.post(f"/admin/runs/user/{olga.pk}/password/", data)
    olga.refresh_from_db()
    rows = str(list(AuditEntry.objects.values()))
    assert SECRET not in rows
    assert olga.password not in rows
    assert "x@example.org" not in rows


# -- Groups ----------------------------------------------------------------------------------


def test_groups_are_audited_from_their_making_to_their_end(boss):
    view, retry = (Permission.objects.get(codename=name) for name in ("view_run", "retry_run"))
    boss.post("/admin/auth/group/add/", {"name": "Night", "permissions": [view.pk]})
    night = group("Night")
    path = f"/admin/auth/group/{night.pk}"
    boss.post(f"{path}/change/", {"name": "Nights", "permissions": [retry.pk]})
    boss.post(f"{path}/delete/", {"post": "yes"})
    assert [entry[1:] for entry in entries()] == [
        ("create", "group", str(night.pk), "Night: permissions +runs.view_run"),
        (
            "change", "group", str(night.pk),
            "Nights: name was Night; permissions +runs.retry_run -runs.view_run",
        ),
        ("delete", "group", str(night.pk), "Nights"),
    ]  # fmt: skip


def test_a_long_list_of_permissions_is_cut_off(boss):
    everything = list(Permission.objects.values_list("pk", flat=True))
    boss.post("/admin/auth/group/add/", {"name": "All", "permissions": everything})
    (entry,) = entries()
    assert len(entry[4]) == 500
    assert entry[4].endswith("…")


# -- One transaction -------------------------------------------------------------------------


@pytest.fixture
def broken_audit():
    """A database that takes no entry."""
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE audit ADD CONSTRAINT broken CHECK (false) NOT VALID")


@pytest.mark.parametrize(
    ("path", "data"),
    [
        ("user/{}/change/", {"username": "helga", "time_zone": "UTC", "is_active": "on"}),
        (
            "user/{}/password/",
            {"usable_password": "true", "password1": SECRET, "password2": SECRET},
        ),
        ("user/{}/delete/", {"post": "yes"}),
        ("user/", {"action": "delete_selected", "post": "yes", "_selected_action": "{}"}),
    ],
)
def test_what_cannot_be_audited_does_not_happen(boss, broken_audit, path, data):
    olga = account(name="olga", password="before it")
    data = {key: value.format(olga.pk) for key, value in data.items()}
    with pytest.raises(DatabaseError):
        boss.post(f"/admin/runs/{path.format(olga.pk)}", data)
    kept = User.objects.get(pk=olga.pk)
    assert kept.username == "olga"
    assert kept.check_password("before it")


def test_ones_own_password_stays_where_it_cannot_be_audited(client, broken_audit):
    olga = account(name="olga", password=SECRET)
    client.force_login(olga)
    data = {"new_password1": "another long one", "new_password2": "another long one"}
    with pytest.raises(DatabaseError):
        client.post("/admin/password_change/", {"old_password": SECRET, **data})
    olga.refresh_from_db()
    assert olga.check_password(SECRET)
