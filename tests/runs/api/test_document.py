"""The API's document, and the API asked at random for all that its document says."""

from copy import deepcopy

import pytest
import schemathesis
from django.core.signals import request_finished, request_started
from django.core.wsgi import get_wsgi_application
from django.db import close_old_connections
from django.utils import timezone
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis.checks import load_all_checks, not_a_server_error
from schemathesis.core.failures import FailureGroup as FoundFailures
from schemathesis.generation import GenerationMode
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    ignored_auth,
    missing_required_header,
    negative_data_rejection,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
    unsupported_method,
)

from analytics.models import FailureGroup
from retention import executions
from retention.models import Finding
from runs import ids, tokens
from runs.api.document import document as document_of_code
from runs.bulk.operations import make as make_bulk
from runs.filters import RunFilter
from runs.models import BulkOperation, BulkOutcome, Run, SavedView, User
from runs.scopes import scopes_of
from tests.runs.api.conftest import ALL
from tests.runs.api.test_access import a_trigger

load_all_checks()

# Requests of each operation: enough to meet every parameter, few enough for a minute in all.
EXAMPLES = 5
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
    response_headers_conformance,
    missing_required_header,
    negative_data_rejection,
    unsupported_method,
    ignored_auth,
]


def document(client):
    response = client.get("/api/schema/", headers={"Accept": "application/json"})
    assert response.status_code == 200
    return response.json()


# -- What it says ----------------------------------------------------------------------------


def test_the_document_is_given_as_json_and_yaml(client):
    shown = document(client)
    assert shown["openapi"].startswith("3.1")
    yaml = client.get("/api/schema/", headers={"Accept": "application/vnd.oai.openapi"})
    assert yaml.content.startswith(b"openapi: 3.1")


def test_it_tells_of_every_address_and_of_nothing_else(client):
    paths = document(client)["paths"]
    assert set(paths) >= {
        "/api/runs/", "/api/runs/{run_id}/", "/api/runs/{run_id}/job/",
        "/api/runs/{run_id}/context/", "/api/runs/{run_id}/timeline/",
        "/api/runs/{run_id}/events/", "/api/runs/{run_id}/logs/", "/api/runs/{run_id}/export/",
        "/api/runs/{run_id}/retry/", "/api/runs/{run_id}/terminate/", "/api/runs/export/",
        "/api/workflows/", "/api/workflows/{slug}/", "/api/workflows/{slug}/runs/",
        "/api/workflows/{slug}/versions/", "/api/workflows/{slug}/versions/{number}/",
        "/api/views/", "/api/views/{view_id}/", "/api/tokens/",
        "/api/triggers/", "/api/triggers/{trigger_id}/", "/api/triggers/{trigger_id}/firings/",
        "/api/triggers/{trigger_id}/firings/{number}/", "/api/triggers/{trigger_id}/secret/",
        "/api/triggers/{trigger_id}/switch/", "/api/triggers/{trigger_id}/test/",
        "/api/hooks/{hook}/", "/api/bulk/", "/api/bulk/{bulk_id}/", "/api/bulk/{bulk_id}/download/",
        "/api/bulk/{bulk_id}/outcomes/", "/api/bulk/preview/", "/api/runs/{run_id}/hold/",
        "/api/retention/", "/api/retention/preview/", "/api/retention/executions/",
        "/api/retention/executions/{execution_id}/",
        "/api/retention/executions/{execution_id}/abort/",
        "/api/retention/executions/{execution_id}/findings/", "/api/analysis/failures/",
        "/api/analysis/cost/", "/api/analysis/duration/", "/api/analysis/overview/",
        "/api/runs/{run_id}/analysis/", "/api/analysis/groups/{group_id}/",
        "/api/analysis/groups/{group_id}/mark/",
    }  # fmt: skip
    assert set(paths["/api/runs/{run_id}/"]) == {"get", "delete"}


def test_every_operation_is_described_and_says_how_it_is_refused(client):
    for path, operations in document(client)["paths"].items():
        for method, operation in operations.items():
            assert operation.get("description"), (method, path)
            refused = operation["responses"]["403"]["content"]["application/problem+json"]
            assert refused["schema"]["$ref"].endswith("/Problem")
            for parameter in operation.get("parameters", ()):
                if parameter["in"] == "query":
                    assert parameter.get("description"), (path, parameter["name"])


def test_the_list_names_every_filter(client):
    [operation] = [document(client)["paths"]["/api/runs/"]["get"]]
    names = {parameter["name"] for parameter in operation["parameters"]}
    assert names == {
        "state", "workflow", "created", "created_from", "created_to", "created_after",
        "created_before", "triggered_by", "trigger", "ref", "error", "group", "version", "node",
        "node_status", "model", "spent", "is_retry", "retried", "timed", "stuck", "logs",
        "held", "q", "fields", "limit", "cursor",
    }  # fmt: skip


def test_its_examples_are_what_its_schemas_say(client):
    whole = document(client)
    example = whole["paths"]["/api/runs/"]["get"]["responses"]["200"]["content"]
    [shown] = example["application/json"]["examples"].values()
    required = whole["components"]["schemas"]["Run"]["required"]
    assert set(shown["value"]["results"][0]) == set(required)


def test_the_page_of_the_document_is_for_who_may_see_runs(client, login):
    page = client.get("/api/docs").content.decode()
    assert 'data-document="/api/schema/"' in page
    assert "swagger-ui-bundle.js" in page
    assert login(name="ben").get("/api/docs").status_code == 403
    assert client.get("/api/docs/")["Location"] == "/api/docs"


def test_the_page_has_no_script_of_its_own_and_nothing_from_elsewhere(client):
    page = client.get("/api/docs").content.decode()
    begin = page.index('id="api-docs"')
    assert "<script>" not in page[begin:]
    assert "https://" not in page[begin:]
    assert "cdn" not in page.lower()


# -- Whether it is true ----------------------------------------------------------------------

loaded = schemathesis.openapi.from_dict(document_of_code())
loaded.app = get_wsgi_application()
OPERATIONS = {result.ok().label: result.ok() for result in loaded.get_all_operations()}


@pytest.fixture
def credentials(person, run_in, settings):
    """Of somebody who may everything, in an API with something in it."""
    # As Django's own test client does it: the test's connection is the application's.
    request_started.disconnect(close_old_connections)
    request_finished.disconnect(close_old_connections)
    settings.API_TOKEN_RATE = settings.API_USER_RATE = 10**9
    for state in ("created", "active", "completed", "failed", "waiting"):
        run_in(state)
    user = person(*ALL, name="random")
    _, secret = tokens.make(
        user, name="t", scopes=scopes_of(user), days=1, by=user.as_actor(), now=timezone.now()
    )
    # Nothing on this way would unpack what is compressed.
    yield {"Authorization": f"Bearer {secret}", "Accept-Encoding": "identity"}
    request_started.connect(close_old_connections)
    request_finished.connect(close_old_connections)


@pytest.fixture
def there(credentials):
    """Values of parameters for which there is something."""
    saved = SavedView.objects.create(
        owner=User.objects.get(username="random"), name="x", query="?state=failed"
    )
    trigger, firing = a_trigger()
    return {
        "run_id": [str(run) for run in Run.objects.all()],
        "slug": ["invoices"],
        "number": [1, firing.pk],
        "trigger_id": [trigger.pk],
        "hook": [trigger.hook],
        "node": ["review"],
        "view_id": [saved.public_id],
        "token_id": ["token_none"],
        "execution_id": [an_execution()],
        "group_id": [a_group()],
        "bulk_id": [an_operation(kind) for kind in ("retry", "terminate", "export")],
    }


def an_execution():
    by = User.objects.get(username="random").as_actor()
    own = executions.begin("check", by=by, now=timezone.now())
    Finding.objects.create(execution=own, at=timezone.now(), problem="its object is damaged")
    return own.public_id


def a_group():
    now = timezone.now()
    return FailureGroup.objects.create(
        id=-17, kind="ValueError", message="no #", first_seen=now, last_seen=now
    ).public_id


def an_operation(kind):
    by, ended = User.objects.get(username="random").as_actor(), kind == "export"
    own = make_bulk(kind, by=by, now=timezone.now(), wanted=RunFilter(), reason="random")
    if ended:
        BulkOperation.objects.filter(pk=own.pk).update(state="finished", ended_at=timezone.now())
    BulkOutcome.objects.create(operation=own, run_id=ids.new_id(), status="skipped", reason="no")
    return own.public_id


@pytest.mark.parametrize("mode", list(GenerationMode))
@pytest.mark.parametrize("label", OPERATIONS)
def test_the_api_answers_as_its_document_says(credentials, there, label, mode):
    # A bad event is refused by itself, in an answer that is none of an error.
    by_itself = {negative_data_rejection} if "/events/" in label and "POST" in label else set()
    checks = [check for check in CHECKS if check not in by_itself]

    @given(case=OPERATIONS[label].as_strategy(generation_mode=mode), pick=st.integers(0, 7))
    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        derandomize=True,
        database=None,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    def ask(case, pick):
        # Made-up ids lead nowhere: most of the time it is asked for what there is.
        for name in case.path_parameters if pick and mode is GenerationMode.POSITIVE else ():
            case.path_parameters[name] = there[name][pick % len(there[name])]
        case.call_and_validate(headers=credentials, checks=checks)

    ask()


def test_an_answer_that_is_not_as_the_document_says_is_found(credentials):
    changed = deepcopy(document_of_code())
    changed["components"]["schemas"]["Job"]["properties"]["job_id"]["type"] = "integer"
    other = schemathesis.openapi.from_dict(changed)
    other.app = loaded.app
    run = Run.objects.first()
    case = other["/api/runs/{run_id}/job/"]["GET"].Case(path_parameters={"run_id": str(run)})
    with pytest.raises(FoundFailures):
        case.call_and_validate(headers=credentials, checks=[response_schema_conformance])


def test_what_is_served_is_what_was_asked_by(client):
    assert document(client) == document_of_code()
