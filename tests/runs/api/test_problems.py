"""Errors are problems: whatever goes wrong under /api/ is said in the same form."""

import pytest
from django.core.management import call_command
from django.db import OperationalError, connection
from django.urls import include, path
from django.utils import timezone
from rest_framework.exceptions import Throttled
from rest_framework.response import Response
from rest_framework.test import APIClient
from rest_framework.views import APIView

from config.urls import handler400, handler403, handler404, handler500  # noqa: F401
from runs import tokens
from runs.scopes import scopes_of
from runs.timeouts import statement_timeout
from tests.runs.api.conftest import ALL

MEMBERS = {"type", "title", "status", "detail", "instance"}


class Unlucky(APIView):
    permission = "runs.view_run"

    def get(self, request, how):  # noqa: ARG002
        if how == "bug":
            raise KeyError("secret of the inside")
        if how == "slow":
            with statement_timeout(0.05), connection.cursor() as cursor:
                cursor.execute("SELECT pg_sleep(5)")
        if how == "throttled":
            raise Throttled(wait=7)
        return Response()


class Careless(APIView):
    """Names no permission."""

    def get(self, request):  # noqa: ARG002
        return Response()


urlpatterns = [
    path("admin/", include("django.contrib.auth.urls")),
    path("api/unlucky/<how>/", Unlucky.as_view()),
    path("api/careless/", Careless.as_view()),
]


def checked(response, status):
    assert response.status_code == status
    assert response["Content-Type"] == "application/problem+json"
    problem = response.json()
    assert set(problem) >= MEMBERS
    assert problem["status"] == status
    assert problem["title"]
    assert problem["detail"]
    return problem


def test_an_unknown_address_is_a_problem(client):
    problem = checked(client.get("/api/nothing/here/?a=b"), 404)
    assert problem["instance"] == "/api/nothing/here/"
    checked(APIClient().post("/api/nothing/", {}, format="json"), 404)


def test_an_unknown_address_elsewhere_is_djangos_page(client):
    response = client.get("/nothing/")
    assert response.status_code == 404
    assert response["Content-Type"].startswith("text/html")


@pytest.mark.parametrize("by", ["session", "token"])
def test_a_forgotten_slash_is_no_matter(client, person, run_in, by):
    run, headers = run_in("active"), {}
    if by == "token":
        client, headers = APIClient(), bearer(person(*ALL, name="tom"))
    listed = client.get("/api/runs?state=running&limit=1", **headers)
    assert [each["id"] for each in listed.json()["results"]] == [run.public_id]
    run_in("active")
    following = client.get("/api/runs?limit=1", **headers).json()["next"]
    assert client.get(following, **headers).json()["results"]
    path = f"/api/runs/{run.public_id}"
    ended = client.post(f"{path}/terminate", {"reason": "x"}, format="json", **headers)
    assert (ended.status_code, ended.json()["reason"]) == (200, "x")
    assert client.delete(path, **headers).status_code == 204
    assert client.get("/api/nothing", **headers).status_code == 404


def bearer(user):
    _, secret = tokens.make(
        user, name="t", scopes=scopes_of(user), days=1, by=user.as_actor(), now=timezone.now()
    )
    return {"HTTP_AUTHORIZATION": f"Bearer {secret}"}


@pytest.mark.parametrize(
    ("query", "field", "named"),
    [
        ("q=x", "q", ["created", "1h, 24h, 7d, 30d", "created_after"]),
        ("state=bogus", "state", ["“bogus”", "queued, running, completed, failed, terminated"]),
        ("trigger=bogus", "trigger", ["manual, api, schedule, webhook, event, automation"]),
        ("created=1y", "created", ["1h, 24h, 7d, 30d"]),
        ("limit=x", "limit", ["1 to 200"]),
    ],
)
def test_an_error_says_what_would_do(client, query, field, named):
    (error,) = client.get(f"/api/runs/?{query}").json()["errors"]
    assert error["field"] == field
    assert all(word in error["message"] for word in named), error["message"]


def test_an_answer_that_there_is_not_is_told_which_there_are(client, run_in):
    run = run_in("waiting")
    url = f"/api/decisions/{run.public_id}/review/"
    (error,) = client.post(url, {"act": "maybe"}, format="json").json()["errors"]
    assert "“maybe”" in error["message"]
    assert "approved, rejected, corrected" in error["message"]
    (error,) = client.get(f"/api/runs/{run.public_id}/events/?kind=x").json()["errors"]
    assert "node_started" in error["message"]


def test_a_wrong_method_is_a_problem_and_says_which_are_right(client, run_in):
    run = run_in("failed")
    response = client.get(f"/api/runs/{run}/retry/")
    checked(response, 405)
    assert "POST" in response["Allow"]
    checked(client.put(f"/api/runs/{run}/", {}, format="json"), 405)
    checked(client.post("/api/runs/", {}, format="json"), 405)


def test_what_cannot_be_given_is_a_problem(client, run_in):
    checked(client.get("/api/runs/", headers={"Accept": "application/xml"}), 406)
    run = run_in("failed")
    path = f"/api/runs/{run}/retry/"
    checked(client.post(path, {}, format="json", headers={"Accept": "text/csv"}), 406)


def test_a_host_that_is_not_ours_is_a_problem(client):
    checked(client.get("/api/runs/", headers={"Host": "evil.example"}), 400)


def test_validation_names_fields_and_messages(client, workflow):
    response = client.post(
        "/api/workflows/invoices/runs/", {"version": -1, "ref_type": "user"}, format="json"
    )
    problem = checked(response, 400)
    assert {error["field"] for error in problem["errors"]} == {"input", "version", "ref_type"}
    assert all(set(error) == {"field", "message"} for error in problem["errors"])


def test_the_same_error_in_a_browser_is_a_page(client, run_in):
    run_in()
    response = client.get("/api/runs/run_none/", headers={"Accept": "text/html"})
    assert response.status_code == 404
    assert response["Content-Type"].startswith("text/html")
    assert b"There is no run" in response.content


@pytest.mark.urls("tests.runs.api.test_problems")
def test_a_bug_is_a_500_that_tells_nothing(client):
    client.raise_request_exception = False
    response = client.get("/api/unlucky/bug/")
    checked(response, 500)
    assert b"secret" not in response.content
    assert b"KeyError" not in response.content


@pytest.mark.urls("tests.runs.api.test_problems")
def test_a_query_that_takes_too_long_is_a_503_that_says_how_to_narrow_it(client):
    response = client.get("/api/unlucky/slow/")
    assert "narrow" in checked(response, 503)["detail"]
    assert int(response["Retry-After"]) > 0


@pytest.fixture
def unplugged(client):
    """No statement reaches the database any more, as when its server is away."""

    def refuse(*_):
        raise OperationalError("the connection is lost")

    client.raise_request_exception = False
    with connection.execute_wrapper(refuse):
        yield client


@pytest.mark.parametrize(
    "address", ["/api/", "/api/runs/", "/api/runs/run_x/", "/api/schema/", "/api/runs/export/"]
)
def test_a_database_that_is_away_is_a_503_that_says_when_to_come_back(unplugged, address):
    response = unplugged.get(address)
    checked(response, 503)
    assert int(response["Retry-After"]) > 0


@pytest.mark.parametrize("method", ["post", "delete"])
def test_no_act_is_taken_for_done_while_the_database_is_away(unplugged, method):
    path = "/api/workflows/invoices/runs/" if method == "post" else "/api/runs/run_x/"
    checked(getattr(unplugged, method)(path, {"input": {}}, format="json"), 503)


def test_a_body_of_another_type_is_a_problem(client, workflow):
    response = client.post(
        "/api/workflows/invoices/runs/", "input=1", content_type="application/xml"
    )
    checked(response, 415)


def test_a_body_past_the_limit_is_a_problem(client, workflow):
    body = b'{"input": "' + b"x" * 2_600_000 + b'"}'
    response = client.post("/api/workflows/invoices/runs/", body, content_type="application/json")
    checked(response, 413)


@pytest.mark.urls("tests.runs.api.test_problems")
def test_a_throttled_caller_is_told_when_to_come_back(client):
    response = client.get("/api/unlucky/throttled/")
    checked(response, 429)
    assert response["Retry-After"] == "7"


@pytest.mark.urls("tests.runs.api.test_problems")
def test_a_view_that_names_no_permission_is_not_open(login):
    client = login(is_superuser=True)
    client.raise_request_exception = False
    checked(client.get("/api/careless/"), 500)


@pytest.mark.parametrize(
    "address", ["/api/", "/api/runs/", "/api/runs/{run}/", "/api/runs/{run}/events/",
                "/api/workflows/", "/api/workflows/invoices/"]
)  # fmt: skip
def test_the_api_can_be_browsed(client, run_in, address):
    response = client.get(address.format(run=run_in("failed")), headers={"Accept": "text/html"})
    assert response.status_code == 200
    assert response["Content-Type"].startswith("text/html")


@pytest.mark.parametrize(
    "address", ["/api/workflows/invoices/runs/", "/api/runs/{run}/retry/",
                "/api/runs/{run}/terminate/"]
)  # fmt: skip
def test_a_browser_is_offered_a_form_for_an_act(client, run_in, address):
    response = client.get(address.format(run=run_in("failed")), headers={"Accept": "text/html"})
    assert response.status_code == 405
    assert b"application/json" in response.content
    assert b"<form" in response.content


def test_options_tell_of_an_address(client, run_in):
    run = run_in("failed")
    for address in ("/api/runs/", f"/api/runs/{run}/retry/", "/api/workflows/invoices/runs/"):
        assert client.options(address).status_code == 200


def test_the_document_of_the_api_has_no_gaps(tmp_path):
    target = tmp_path / "schema.yml"
    call_command("spectacular", "--fail-on-warn", "--validate", file=str(target))
    assert target.read_text().startswith("openapi: 3.1")
