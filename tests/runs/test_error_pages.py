"""Pages for what is missing, forbidden, too large or broken; and the way in and out."""

import pytest
from django.conf import settings
from django.db import OperationalError
from django.template.loader import render_to_string
from django.test import Client

from runs.views.run_page import RunPage
from tests.runs.visitors import account, visitor

pytestmark = pytest.mark.django_db


def test_a_missing_page_says_so_in_the_portals_frame():
    answer = visitor("runs.view_run").get("/admin/runs/workflow/x/nothing/")
    assert answer.status_code == 404
    page = answer.content.decode()
    assert "There is no such page" in page
    assert "OPERATE" in page


def test_a_missing_workflow_is_named():
    answer = visitor("runs.view_workflow").get("/admin/runs/workflow/ghost/")
    assert answer.status_code == 404
    assert "There is no workflow ghost." in answer.content.decode()


def test_a_forbidden_page_says_so_in_the_portals_frame():
    answer = visitor("runs.view_run").get("/admin/runs/workflow/")
    assert answer.status_code == 403
    page = answer.content.decode()
    assert "You may not do this" in page
    assert "OPERATE" in page


def test_a_missing_page_tells_strangers_nothing_of_the_portal(client):
    answer = client.get("/nothing/")
    assert answer.status_code == 404
    page = answer.content.decode()
    assert "There is no such page" in page
    assert "OPERATE" not in page
    assert "Users" not in page


def test_a_page_says_that_the_database_did_not_answer(monkeypatch):
    olga = visitor("runs.view_run")
    olga.raise_request_exception = False

    def failing(error):
        def find(*_):
            raise error

        monkeypatch.setattr(RunPage, "find", find)
        return olga.get("/admin/runs/run/run_x/")

    away = failing(OperationalError("server closed the connection unexpectedly"))
    assert away.status_code == 503
    assert "The database did not answer" in away.content.decode()
    broken = failing(ValueError("a mistake of ours"))
    assert broken.status_code == 500
    assert "The portal met an error" in broken.content.decode()


def test_words_of_djangos_own_are_not_shown(client):
    page = client.get("/nothing/").content.decode()
    assert "tried" not in page
    assert "nothing/" not in page.split("<body", 1)[1]


def test_an_oversized_form_is_refused_before_it_is_read():
    olga = Client(enforce_csrf_checks=True)
    olga.force_login(account("runs.view_workflow", "runs.change_workflow"))
    olga.get("/admin/me/")
    body = "definition=" + "x" * (settings.DATA_UPLOAD_MAX_MEMORY_SIZE + 1)
    answer = olga.post(
        "/admin/runs/workflow/x/", body, content_type="application/x-www-form-urlencoded"
    )
    assert answer.status_code == 413
    assert "larger than the portal accepts" in answer.content.decode()
    part = olga.post(
        "/admin/runs/workflow/x/check/",
        body,
        content_type="application/x-www-form-urlencoded",
        headers={"HX-Request": "true"},
    )
    assert (part.status_code, part.headers["Content-Type"][:10]) == (413, "text/plain")


def test_an_unknown_host_is_refused_without_the_frame(client):
    answer = client.get("/admin/", headers={"host": "evil.example"})
    assert answer.status_code == 400
    assert b"evil.example" not in answer.content


def test_a_form_without_its_token_is_refused_with_the_reason():
    olga = Client(enforce_csrf_checks=True)
    olga.force_login(account())
    answer = olga.post("/admin/me/", {"time_zone": "Asia/Kolkata"})
    assert answer.status_code == 403
    assert "This form is out of date" in answer.content.decode()


def test_the_page_for_an_error_needs_nothing():
    page = render_to_string("500.html")
    assert "The portal met an error" in page
    assert "/static/" not in page
    assert "<script" not in page


def test_under_the_api_errors_are_problems(client):
    answer = client.get("/api/nothing/")
    assert answer.status_code == 404
    assert answer.headers["Content-Type"] == "application/problem+json"


def test_the_sign_in_page_tells_nothing_of_the_portal(client):
    page = client.get("/admin/login/").content.decode()
    assert "<title> Sign in · Runs portal</title>" in " ".join(page.split()).replace("> <", "><")
    for word in ("OPERATE", "Workflows", "Django", "unfold-version"):
        assert word not in page.split("<body", 1)[1], word


def test_a_wrong_password_does_not_say_whether_the_account_exists(client):
    account(name="olga", password="a long password")
    answers = [
        client.post("/admin/login/", {"username": name, "password": "wrong"}).content.decode()
        for name in ("olga", "ghost")
    ]
    words = "Please enter the correct username and password for a staff account."
    assert all(words in page for page in answers)


def test_signing_out_says_so():
    olga = visitor()
    page = olga.post("/admin/logout/").content.decode()
    assert "You are signed out" in page
    assert "/login/" in olga.get("/admin/me/").headers["Location"]


def test_a_password_is_changed_on_its_page():
    olga = visitor(password="a long password")
    assert olga.get("/admin/password_change/").status_code == 200
    new = "another long password"
    answer = olga.post(
        "/admin/password_change/",
        {"old_password": "a long password", "new_password1": new, "new_password2": new},
    )
    assert answer.status_code == 302
    assert olga.get(answer.headers["Location"]).status_code == 200


def test_who_may_see_nothing_is_let_out_and_not_led_round_in_a_circle():
    olga = visitor()
    answer = olga.get("/admin/")
    page = answer.content.decode()
    assert answer.status_code == 403
    assert "An administrator gives them." in page
    assert "Open the portal" not in page
    assert '<form method="post" action="/admin/logout/">' in page


def test_a_refusal_leads_to_the_first_page_that_the_person_may_see():
    olga = visitor("runs.view_workflow")
    page = olga.get("/admin/runs/run/").content.decode()
    assert '<a class="op-btn" href="/admin/runs/workflow/">Open the portal</a>' in page


@pytest.mark.parametrize("path", ["/admin/login/", "/api/runs/", "/static/nothing"])
def test_a_cookie_that_names_no_session_is_nobodys(client, path):
    # Within quotes a cookie may hold any character.
    client.cookies.load(f'{settings.SESSION_COOKIE_NAME}="\\000nosuchsession"')
    assert client.get(path).status_code in (200, 401, 404)


@pytest.mark.parametrize("charset", ["hex", "zlib", "undefined", "idna", "utf-16"])
def test_a_form_that_is_not_utf_8_is_refused(client, charset):
    form = '--x\r\nContent-Disposition: form-data; name="username"\r\n\r\nanna\r\n--x--\r\n'
    kind = f"multipart/form-data; boundary=x; charset={charset}"
    answer = client.generic("POST", "/admin/login/", form, content_type=kind)
    assert answer.status_code == 400
    kind = "multipart/form-data; boundary=x; charset=UTF8"
    assert client.generic("POST", "/admin/login/", form, content_type=kind).status_code == 200
