"""Workflows: the list, the editor, the versions, and running one by hand."""

import json
import logging

import pytest
from django.conf import settings
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from runs import graph, lifecycle, recorder
from runs.actors import Actor
from runs.engine import registry
from runs.models import AuditEntry, Event, Run, User, Workflow, WorkflowVersion
from runs.views import workflow_list, workflow_snippets
from runs.views.workflow_example import example
from tests.runs.conftest import changed, executor_node
from tests.runs.visitors import visitor

pytestmark = pytest.mark.django_db
ANNA = Actor(name="anna", ref_type="user", ref_id="user_anna")
LIST = "/admin/runs/workflow/"
NEW = "/admin/runs/workflow/add/"
PAGE = "/admin/runs/workflow/example/"
RUN = "/admin/runs/workflow/example/run/"
VIEW = "runs.view_workflow"
CHANGE = (VIEW, "runs.change_workflow")
EXECUTE = (VIEW, "runs.execute_workflow", "runs.view_run")
ALL = (*CHANGE, "runs.add_workflow", "runs.execute_workflow", "runs.view_run")
SCHEMA = {
    "type": "object",
    "properties": {
        "document": {"type": "string", "default": "a.pdf"},
        "pages": {"type": "integer"},
    },
    "required": ["document"],
}
BETTER = {"nodes": [executor_node("first"), executor_node("third", needs=["first"])]}


def text(answer):
    return answer.content.decode()


@pytest.fixture
def invoices(publish):
    return publish(executor_node("first"), slug="example", input_schema=SCHEMA)


# -- Who may -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "permissions"),
    [
        (LIST, (VIEW,)),
        (PAGE, (VIEW,)),
        (f"{PAGE}versions/1/", (VIEW,)),
        (f"{PAGE}compare/", (VIEW,)),
        (f"{PAGE}versions/1/restore/", CHANGE),
        (NEW, ("runs.add_workflow",)),
        (RUN, EXECUTE),
    ],
)
def test_pages_are_for_who_may_see_them(path, permissions, version, client):
    assert visitor(*permissions, name="may").get(path).status_code == 200
    assert visitor("runs.view_run", name="may_not").get(path).status_code == 403
    assert visitor(*permissions, name="guest", is_staff=False).get(path).status_code == 302
    assert "/admin/login/" in client.get(path).headers["Location"]


@pytest.mark.parametrize(
    ("path", "permissions", "data"),
    [
        (PAGE, CHANGE, {"definition": json.dumps(BETTER), "base": "1"}),
        (f"{PAGE}versions/1/restore/", CHANGE, {"base": "1"}),
        (f"{PAGE}check/", CHANGE, {"definition": "{}"}),
        (NEW, ("runs.add_workflow",), {"slug": "fresh", "definition": json.dumps(BETTER)}),
        (f"{NEW}check/", ("runs.add_workflow",), {"definition": "{}"}),
        (RUN, EXECUTE, {"input": "{}", "version": "1"}),
        (f"{RUN}check/", EXECUTE, {"input": "{}", "version": "1"}),
    ],
)
def test_posts_are_for_who_may_do_it(path, permissions, data, version, client):
    before = (WorkflowVersion.objects.count(), Run.objects.count())
    may_not = visitor(VIEW, "runs.view_run", name="may_not").post(path, data)
    assert may_not.status_code == 403
    assert "You may not do this" in text(may_not)
    assert "/admin/login/" in client.post(path, data).headers["Location"]
    assert (WorkflowVersion.objects.count(), Run.objects.count()) == before
    assert visitor(*permissions, name="may").post(path, data).status_code in (200, 302)


def test_buttons_are_shown_to_who_may_press_them(version):
    page = text(visitor(*ALL, name="all").get(PAGE))
    assert "Save as v2" in page
    assert f'href="{RUN}"' in page
    assert 'href="/admin/runs/run/?workflow=example"' in page
    page = text(visitor(VIEW, name="viewer").get(PAGE))
    assert "Save as" not in page
    assert RUN not in page
    assert "View Runs" not in page
    assert "readonly" in page


def test_a_workflow_that_is_executed_elsewhere_offers_no_run(publish):
    publish(executor_node("first"), slug="example")
    client = visitor(*ALL)
    assert RUN in text(client.get(PAGE))
    version = WorkflowVersion.objects.get(workflow__slug="example")
    WorkflowVersion.objects.create(workflow=version.workflow, number=2, definition=graph.ELSEWHERE)
    for path in (LIST, PAGE, f"{PAGE}versions/2/"):
        page = text(client.get(path))
        assert "xecuted elsewhere" in page
        assert RUN not in page
    assert "is executed elsewhere: it is started there." in text(client.get(RUN, follow=True))
    client.post(RUN, {"input": "{}", "version": "2"})
    assert not Run.objects.exists()


@pytest.mark.parametrize("path", [PAGE, RUN, f"{PAGE}versions/1/", f"{PAGE}versions/7/"])
def test_what_is_not_there_is_not_found(path, db):
    assert visitor(*ALL).get(path).status_code == 404


@pytest.mark.parametrize(
    "path", [f"{RUN}?version=9", f"{RUN}?version=x", f"{PAGE}?from=99999999999"]
)
def test_a_version_that_is_not_there_is_not_found(path, version):
    assert visitor(*ALL).get(path).status_code == 404


@pytest.mark.parametrize("method", ["put", "delete", "patch"])
def test_other_methods_are_refused(method, version):
    assert getattr(visitor(*ALL), method)(PAGE).status_code == 405


# -- The list ----------------------------------------------------------------------------------


def test_an_empty_list_helps_to_begin(db):
    page = text(visitor(*ALL).get(LIST))
    assert "No workflows yet" in page
    assert f'href="{NEW}"' in page


def test_the_list_shows_the_newest_version_and_what_became_of_the_runs(publish, version):
    definition = {"description": "Reads <b>invoices</b>.", **BETTER}
    newest = Workflow.objects.publish("example", definition)
    lifecycle.start(version, {}, trigger="manual", by=ANNA)
    last = lifecycle.start(newest, {}, trigger="manual", by=ANNA)
    stop = [changed("created", "failed", error={"kind": "Broken", "message": "no"})]
    recorder.record({last.pk: stop}, now=timezone.now())
    page = text(visitor(*ALL).get(LIST))
    assert "Reads &lt;b&gt;invoices&lt;/b&gt;." in page
    assert ">v2<" in page
    assert f"/admin/runs/run/{last.public_id}/" in page
    assert "2 runs" in page
    assert "1 failed" in page
    assert "/admin/runs/run/?state=failed&amp;workflow=example&amp;created=24h" in page


def test_a_workflow_without_a_version_is_listed_and_cannot_be_run(db):
    Workflow.objects.create(slug="example")
    olga = visitor(*ALL)
    page = text(olga.get(LIST))
    assert "example" in page
    assert RUN not in page
    assert "Save as v1" in text(olga.get(PAGE))
    assert olga.get(RUN).status_code == 404
    assert "None is saved yet." in text(visitor(VIEW, name="viewer").get(PAGE))


def test_who_may_not_see_runs_sees_none_in_the_list(version):
    lifecycle.start(version, {}, trigger="manual", by=ANNA)
    page = text(visitor(VIEW).get(LIST))
    assert "Last run" not in page
    assert "run_" not in page


def test_runs_are_counted_no_further_than_the_cap(version, monkeypatch):
    monkeypatch.setattr(workflow_list, "RUNS_CAP", 2)
    for _ in range(4):
        lifecycle.start(version, {}, trigger="manual", by=ANNA)
    olga = visitor(*ALL)
    with CaptureQueriesContext(connection) as asked:
        assert "2+ runs" in text(olga.get(LIST))
    counting = [query["sql"] for query in asked if "AS counted" in query["sql"]]
    assert len(counting) == 1
    assert counting[0].count("LIMIT 3") == 2


def test_the_list_is_searched_and_paged_by_key(publish, monkeypatch):
    monkeypatch.setattr(workflow_list, "PAGE_SIZE", 2)
    for slug in ("alpha", "beta", "gamma", "delta"):
        publish(executor_node("a"), slug=slug)
    olga = visitor(*ALL)
    first = text(olga.get(LIST))
    assert all(f"/workflow/{slug}/" in first for slug in ("alpha", "beta"))
    assert "/workflow/delta/" not in first
    assert 'href="?after=beta"' in first
    second = text(olga.get(f"{LIST}?after=beta"))
    assert all(f"/workflow/{slug}/" in second for slug in ("delta", "gamma"))
    found = text(olga.get(f"{LIST}?q=MM"))
    assert "/workflow/gamma/" in found
    assert "/workflow/alpha/" not in found
    nothing = text(olga.get(f"{LIST}?q=%22%3E%3Cb"))
    assert "No workflow has “&quot;&gt;&lt;b” in its name" in nothing


@pytest.mark.parametrize("name", ["q", "after"])
def test_any_text_may_be_searched_for(version, name):
    olga = visitor(VIEW)
    for searched in ("\0", "x" * 5000, "%_\\", "ü🙂"):
        assert olga.get(LIST, {name: searched}).status_code == 200


@pytest.mark.parametrize("count", [1, 8])
def test_the_list_takes_the_same_queries_however_long(publish, count, django_assert_num_queries):
    for number in range(count):
        version = publish(executor_node("a"), slug=f"w{number}")
        lifecycle.start(version, {}, trigger="manual", by=ANNA)
    olga = visitor(*ALL)
    # Session, person, permissions (2), workflows, versions, runs; the badge and its transaction
    # (4, as this test is in one already).
    with django_assert_num_queries(11):
        assert olga.get(LIST).status_code == 200


# -- The editor --------------------------------------------------------------------------------


def test_the_page_shows_the_definition_its_graph_and_its_versions(version):
    Workflow.objects.publish("example", BETTER, by=None)
    page = text(visitor(*ALL).get(PAGE))
    assert "&quot;id&quot;: &quot;third&quot;" in page
    assert "<title>third: probe.noop, after first</title>" in page
    assert "No problems" in page
    assert f"{PAGE}versions/1/" in page


def test_a_sound_definition_is_saved_as_the_next_version(version):
    olga = visitor(*CHANGE)
    answer = olga.post(PAGE, {"definition": json.dumps(BETTER), "base": "1"})
    assert answer.headers["Location"] == PAGE
    newest = WorkflowVersion.objects.get(number=2)
    assert newest.definition == BETTER
    assert newest.created_by.username == "olga"
    assert WorkflowVersion.objects.get(number=1).definition == version.definition
    page = text(olga.get(PAGE))
    assert "Saved as v2." in page
    assert "Save as v3" in page


def test_an_unchanged_definition_makes_no_version_and_says_so(version):
    olga = visitor(*CHANGE)
    shown = json.dumps(version.definition, indent=7)
    olga.post(PAGE, {"definition": shown, "base": "1"})
    assert WorkflowVersion.objects.count() == 1
    assert "there is no new version: v1 stays" in text(olga.get(PAGE))


@pytest.mark.parametrize(
    ("definition", "said"),
    [
        ('{"nodes": [', "a value is expected here"),
        ("", "a value is expected here"),
        ("[]", "a workflow is a JSON object"),
        ('{"nodes": []}', "at least one"),
        (json.dumps({"nodes": [executor_node("first", "ghost.run")]}), "ghost.run"),
        (json.dumps({"nodes": [executor_node("first", needs=["first"])]}), "needs itself"),
        (json.dumps({**BETTER, "description": "\0"}), "NUL"),
        (json.dumps({**BETTER, "description": "x" * 1_000_000}), "the limit is 1,000,000"),
    ],
)
def test_what_is_not_sound_is_not_stored_and_its_problems_are_shown(version, definition, said):
    answer = visitor(*CHANGE).post(PAGE, {"definition": definition, "base": "1"})
    assert answer.status_code == 422
    page = text(answer)
    assert said in page
    assert "Not saved." in page
    assert WorkflowVersion.objects.count() == 1
    assert not AuditEntry.objects.exists()


def test_what_was_typed_is_shown_again_and_escaped(version):
    typed = '{"</textarea><script>alert(1)</script>": '
    page = text(visitor(*CHANGE).post(PAGE, {"definition": typed, "base": "1"}))
    assert "&lt;/textarea&gt;&lt;script&gt;" in page
    assert "<script>alert" not in page


def test_names_of_nodes_cannot_break_out_of_the_drawing(version):
    key = "</title><script>alert(1)</script>"
    definition = json.dumps({"nodes": [executor_node(key, needs=["'\"><b>"])]})
    page = text(visitor(*CHANGE).post(f"{PAGE}check/", {"definition": definition}))
    assert "<script>alert" not in page
    assert '"><b>' not in page


def test_a_version_saved_meanwhile_is_told_and_nothing_is_lost(version):
    Workflow.objects.publish("example", BETTER)
    olga = visitor(*CHANGE)
    mine = {"nodes": [executor_node("mine")]}
    answer = olga.post(PAGE, {"definition": json.dumps(mine), "base": "1"})
    assert answer.status_code == 409
    page = text(answer)
    assert "v2 was saved meanwhile" in page
    assert "&quot;mine&quot;" in page
    assert WorkflowVersion.objects.count() == 2
    # Sent again, it is meant.
    assert 'name="base" value="2"' in page
    assert olga.post(PAGE, {"definition": json.dumps(mine), "base": "2"}).status_code == 302
    assert WorkflowVersion.objects.get(number=3).definition == mine


def test_a_check_names_problems_with_their_lines_and_stores_nothing(version):
    definition = '{"nodes": [\n{"id": "a", "kind": "executor", "executor": "ghost.run"}]}'
    answer = visitor(*CHANGE).post(f"{PAGE}check/", {"definition": definition})
    part = text(answer)
    assert 'data-line="2"' in part
    assert "unknown executor “ghost.run”" in part
    assert "1 problem" in part
    assert "is-bad" in part
    assert "<html" not in part
    assert WorkflowVersion.objects.count() == 1


def test_a_check_of_broken_text_keeps_the_last_drawing(version):
    part = text(visitor(*CHANGE).post(f"{PAGE}check/", {"definition": '{"nodes": [\n'}))
    assert "line 2, column 1" in part
    assert 'id="graph"' not in part
    assert "of the last text that could be read" in part


def test_a_graph_too_large_to_draw_is_a_table(version):
    nodes = [executor_node(f"n{number}") for number in range(500)]
    definition = json.dumps({"nodes": nodes})
    part = text(visitor(*CHANGE).post(f"{PAGE}check/", {"definition": definition}))
    assert "500 nodes are too many to draw" in part
    assert "n499" in part


def test_an_older_version_is_shown_and_can_be_edited_from(version):
    Workflow.objects.publish("example", BETTER)
    olga = visitor(*ALL)
    page = text(olga.get(f"{PAGE}versions/1/"))
    assert "v1 is not the newest version; v2 is." in page
    assert "readonly" in page
    assert f"{RUN}?version=1" in page
    page = text(olga.get(f"{PAGE}?from=1"))
    assert "This is the text of v1." in page
    assert "&quot;second&quot;" in page
    assert 'name="base" value="2"' in page


def test_versions_are_paged(version):
    for number in range(25):
        Workflow.objects.publish("example", {"nodes": [executor_node(f"n{number}")]})
    olga = visitor(*ALL)
    page = text(olga.get(PAGE))
    assert page.count("/versions/26/") == 2
    assert "/versions/6/" not in page
    assert 'href="?before=7#versions"' in page
    assert "/versions/6/" in text(olga.get(f"{PAGE}?before=7"))


@pytest.mark.parametrize("count", [2, 12])
def test_the_page_takes_the_same_queries_however_many_versions(
    version, count, django_assert_num_queries
):
    author = User.objects.create_user("author")
    for number in range(count):
        Workflow.objects.publish("example", {"nodes": [executor_node(f"n{number}")]}, by=author)
    olga = visitor(*ALL)
    # Session, person, permissions (2), workflow, newest version, versions, notes, badge (4).
    with django_assert_num_queries(12):
        assert olga.get(PAGE).status_code == 200


def test_the_admin_finds_a_workflow_by_its_number(version):
    path = f"/admin/runs/workflow/{version.workflow_id}/change/"
    assert visitor(VIEW).get(path).headers["Location"] == PAGE


@pytest.mark.parametrize("path", [PAGE, NEW])
def test_a_definition_is_formatted_and_nothing_is_saved(version, path):
    olga = visitor(*ALL)
    sent = {"definition": json.dumps(BETTER), "base": "1", "slug": "fresh", "format": "1"}
    answer = olga.post(f"{path}check/", sent)
    assert answer.headers["Content-Type"] == "text/plain; charset=utf-8"
    assert json.loads(text(answer)) == BETTER
    assert text(answer).startswith('{\n  "nodes": [\n')
    page = olga.post(path, sent)
    assert page.status_code == 200
    assert "{\n  &quot;nodes&quot;: [\n" in text(page)
    assert WorkflowVersion.objects.count() == 1
    broken = olga.post(f"{path}check/", {**sent, "definition": "{"})
    assert (broken.status_code, "can be formatted once" in text(broken)) == (422, True)
    assert "is expected here" in text(olga.post(path, {**sent, "definition": "{"}))


def test_every_node_that_can_be_inserted_passes_the_checks(version):
    offered = workflow_snippets.snippets()
    assert len(offered) == len(graph.KINDS)
    for item in offered:
        node = json.loads(item.text)
        graph.parse({"nodes": [node]}, registry.names())
        assert '"id": "step"' in item.text
        assert '"needs": []' in item.text
    for doc in workflow_snippets.executors():
        graph.parse({"nodes": [json.loads(doc.snippet)]}, registry.names())


def test_executors_are_listed_with_what_they_take_and_do(version):
    page = text(visitor(*ALL).get(PAGE))
    assert "samples.schedule_payment" in page
    assert "(fields, supplier)" in page
    assert "On the due date, or the working day before it." in page
    assert "samples.schedule_payment" not in text(visitor(VIEW, name="viewer").get(PAGE))


# -- Two versions compared, and one made the newest again -----------------------------------------


def test_a_note_says_what_is_new_in_a_version(version):
    olga = visitor(*CHANGE)
    note = "Looks\n twice, “<b>” "
    olga.post(PAGE, {"definition": json.dumps(BETTER), "base": "1", "note": note})
    assert AuditEntry.objects.get(action="publish").reason == "Looks twice, “<b>”"
    said = "Looks twice, “&lt;b&gt;”"
    for path in (PAGE, f"{PAGE}versions/2/", f"{PAGE}compare/"):
        assert said in text(olga.get(path))


def test_a_note_is_not_lost_where_the_definition_is_refused(version):
    page = text(visitor(*CHANGE).post(PAGE, {"definition": "{", "base": "1", "note": "mine"}))
    assert 'value="mine"' in page


def test_two_versions_are_compared(version):
    Workflow.objects.publish("example", BETTER)
    olga = visitor(*ALL)
    for query in ("", "?from=1&to=2", "?from=1"):
        page = text(olga.get(f"{PAGE}compare/{query}"))
        assert "v1 → v2" in page
        assert "1 node added, 1 removed" in page
        assert '<tr data-sign="+">' in page
    page = text(olga.get(f"{PAGE}compare/?from=2&to=1"))
    assert "v2 → v1" in page
    assert "nothing differs" in text(olga.get(f"{PAGE}compare/?from=2&to=2"))
    assert olga.get(f"{PAGE}compare/?from=1&to=9").status_code == 404
    assert olga.get(f"{PAGE}compare/?from=x").status_code == 404


def test_what_stands_in_definitions_is_escaped_where_they_are_compared(version):
    Workflow.objects.publish("example", {**BETTER, "description": "<script>alert(1)</script>"})
    page = text(visitor(VIEW).get(f"{PAGE}compare/"))
    assert "&lt;script&gt;" in page
    assert "<script>alert" not in page


def test_an_older_version_is_made_the_newest_again(version):
    Workflow.objects.publish("example", BETTER)
    olga = visitor(*CHANGE)
    restore = f"{PAGE}versions/1/restore/"
    assert restore in text(olga.get(f"{PAGE}versions/1/"))
    assert "Save v1 as v3" in text(olga.get(restore))
    olga.post(restore, {"base": "2", "note": "v1 again"})
    newest = WorkflowVersion.objects.get(number=3)
    assert newest.definition == version.definition
    assert (newest.created_by.username, WorkflowVersion.objects.count()) == ("olga", 3)
    assert AuditEntry.objects.get(action="publish").reason == "v1 again"
    assert "v3 is v1 again, and the newest." in text(olga.get(PAGE))
    assert "there is nothing to do" in text(olga.get(restore))


def test_a_version_saved_meanwhile_is_not_replaced_unseen(version):
    Workflow.objects.publish("example", BETTER)
    answer = visitor(*CHANGE).post(f"{PAGE}versions/1/restore/", {"base": "1"})
    assert answer.status_code == 409
    assert "v2 was saved meanwhile" in text(answer)
    assert WorkflowVersion.objects.count() == 2


def test_a_version_that_todays_rules_refuse_is_not_made_the_newest(version):
    broken = {"nodes": [executor_node("first", needs=["gone"])]}
    Workflow.objects.publish("example", broken)
    Workflow.objects.publish("example", BETTER)
    answer = visitor(*CHANGE).post(f"{PAGE}versions/2/restore/", {"base": "3"})
    assert answer.status_code == 422
    assert "does not pass today&#x27;s rules" in text(answer) or "today's rules" in text(answer)
    assert WorkflowVersion.objects.count() == 3


def test_a_run_of_an_older_version_leads_to_what_has_changed_since(version):
    run = lifecycle.start(version, {}, trigger="manual", by=ANNA)
    olga = visitor(*ALL)
    path = f"/admin/runs/run/{run.public_id}/"
    assert "newest is" not in text(olga.get(path))
    Workflow.objects.publish("example", BETTER)
    page = text(olga.get(path))
    assert "newest is v2" in page
    assert f"{PAGE}compare/?from=1&amp;to=2" in page


# -- A new workflow ----------------------------------------------------------------------------


def test_a_new_workflow_begins_with_an_example_that_works(db):
    graph.parse(example(), registry.names())
    page = text(visitor(*ALL).get(NEW))
    assert "&quot;nodes&quot;: [" in page
    assert "No problems" in page


def test_the_example_names_an_executor_that_is_there(monkeypatch):
    monkeypatch.setattr(registry, "names", lambda: frozenset({"probe.noop"}))
    graph.parse(example(), {"probe.noop"})


def test_a_new_workflow_is_saved_as_version_1(db):
    olga = visitor(*ALL)
    answer = olga.post(NEW, {"slug": "fresh", "definition": json.dumps(BETTER)})
    assert answer.headers["Location"] == "/admin/runs/workflow/fresh/"
    version = WorkflowVersion.objects.get()
    assert (version.workflow.slug, version.number) == ("fresh", 1)
    assert "Saved as v1." in text(olga.get(answer.headers["Location"]))


@pytest.mark.parametrize(
    ("slug", "said"),
    [
        ("", "needs a name"),
        ("example", "already"),
        ("Has Spaces", "small letters"),
        ("1st", "Begin with a letter"),
        ("x" * 65, "at most 64"),
        ("add", "taken by this page"),
        ("../up", "small letters"),
    ],
)
def test_a_name_that_will_not_do_is_said_at_the_field(version, slug, said):
    answer = visitor(*ALL).post(NEW, {"slug": slug, "definition": json.dumps(BETTER)})
    assert answer.status_code == 422
    page = text(answer)
    assert said in page.split('id="slug-error"')[1][:300]
    assert "&quot;third&quot;" in page
    assert WorkflowVersion.objects.count() == 1


def test_a_new_workflow_that_is_not_sound_is_not_stored(db):
    answer = visitor(*ALL).post(NEW, {"slug": "fresh", "definition": "{"})
    assert answer.status_code == 422
    assert not Workflow.objects.exists()


# -- Run ---------------------------------------------------------------------------------------


def test_the_form_begins_with_the_defaults_of_the_schema(invoices):
    page = text(visitor(*EXECUTE).get(RUN))
    assert 'name="value.document" value="a.pdf"' in page
    assert "required" in page
    assert "Does not fit" not in page


def test_a_run_is_started_by_the_form(invoices):
    olga = visitor(*EXECUTE)
    fields = {"mode": "form", "input": "{}", "version": "1", "drawn": "1"}
    answer = olga.post(RUN, {**fields, "value.document": "b.pdf", "value.pages": "x"})
    assert answer.status_code == 422
    page = text(answer)
    assert "Not started." in page
    assert 'name="value.pages" value="x"' in page
    assert "Give a whole number." in page.split('id="field-1-error"')[1][:80]
    assert not Run.objects.exists()
    answer = olga.post(RUN, {**fields, "value.document": "b.pdf", "value.pages": "3"})
    assert answer.status_code == 302
    assert Event.objects.get(seq=1).data["input"] == {"document": "b.pdf", "pages": 3}


def test_the_switch_shows_what_was_typed_the_other_way_and_starts_nothing(invoices):
    olga = visitor(*EXECUTE)
    fields = {"mode": "form", "input": "{}", "version": "1", "drawn": "1", "value.document": "ü"}
    for path in (RUN, f"{RUN}check/"):
        page = text(olga.post(path, {**fields, "switch": "json"}))
        assert "{\n  &quot;document&quot;: &quot;ü&quot;\n}" in page
        given = {"mode": "json", "input": '{"document": "ü"}', "version": "1", "switch": "form"}
        assert 'name="value.document" value="ü"' in text(olga.post(path, given))
    assert not Run.objects.exists()


def test_a_check_of_the_form_says_nothing_of_what_is_still_empty(invoices):
    fields = {"mode": "form", "input": "{}", "version": "1", "drawn": "1"}
    sent = {**fields, "value.document": "", "value.pages": "many"}
    part = text(visitor(*EXECUTE).post(f"{RUN}check/", sent))
    assert "Give a whole number." in part
    assert "This is needed." not in part


def test_another_version_draws_its_own_form_with_what_was_typed(invoices):
    form = {"type": "object", "properties": {"document": {"type": "string"}, "to": {"enum": [1]}}}
    Workflow.objects.publish("example", {**BETTER, "input_schema": form})
    fields = {"mode": "form", "input": "{}", "version": "2", "drawn": "1", "redraw": "1"}
    part = text(visitor(*EXECUTE).post(f"{RUN}check/", {**fields, "value.document": "z.pdf"}))
    assert 'name="value.document" value="z.pdf"' in part
    assert 'name="value.to"' in part
    assert 'name="drawn" value="2"' in part


@pytest.mark.parametrize(
    ("ref_type", "ref_id", "said"),
    [
        ("order", "4711", ""),
        ("", "4711", "Say what the id belongs to."),
        ("User", "x", "is the portal&#x27;s own word"),
        ("x" * 65, "1", "At most 64 characters"),
        ("a\0b", "1", "no NUL characters"),
    ],
)
def test_a_run_may_be_given_a_reference(version, ref_type, ref_id, said):
    sent = {"input": "{}", "version": "1", "ref_type": ref_type, "ref_id": ref_id}
    answer = visitor(*EXECUTE).post(RUN, sent)
    assert answer.status_code == (422 if said else 302)
    if said:
        assert said in text(answer)
        assert not Run.objects.exists()
    else:
        run = Run.objects.get()
        assert (run.ref_type, run.ref_id) == (ref_type, ref_id)


def test_a_run_is_started_by_hand(invoices):
    olga = visitor(*EXECUTE)
    answer = olga.post(RUN, {"input": '{"document": "b.pdf"}', "version": "1"})
    run = Run.objects.get()
    assert answer.headers["Location"] == f"/admin/runs/run/{run.public_id}/"
    assert (run.trigger, run.triggered_by, run.version) == ("manual", "olga", invoices)
    assert (run.ref_type, run.ref_id) == ("user", User.objects.get(username="olga").public_id)
    assert Event.objects.get(run=run, seq=1).data["input"] == {"document": "b.pdf"}


def test_an_older_version_is_run_on_its_own_schema(invoices):
    Workflow.objects.publish("example", {**BETTER, "input_schema": {"type": "array"}})
    olga = visitor(*EXECUTE)
    assert "v2 (newest)" in text(olga.get(RUN))
    assert "&quot;a.pdf&quot;" in text(olga.get(f"{RUN}?version=1"))
    olga.post(RUN, {"input": '{"document": "b.pdf"}', "version": "1"})
    assert Run.objects.get().version == invoices


def test_an_old_version_is_offered_where_it_is_asked_for(version, monkeypatch):
    from runs.views import workflow_run

    monkeypatch.setattr(workflow_run, "VERSIONS_OFFERED", 2)
    for number in range(4):
        Workflow.objects.publish("example", {"nodes": [executor_node(f"n{number}")]})
    olga = visitor(*EXECUTE)
    assert '<option value="1"' not in text(olga.get(RUN))
    assert '<option value="1" selected>' in text(olga.get(f"{RUN}?version=1"))


LIMIT = settings.ENGINE_PAYLOAD_BYTES


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("", "The input is not JSON: a value is expected here."),
        ('{"document": }', "line 1, column 14"),
        ('{"document": NaN}', "NaN is not JSON"),
        ('{"document": 5}', "must be text, not a number"),
        ('{"pages": 1}', "</b> is missing"),
        (json.dumps({"document": "x" * LIMIT}), f"the limit is {LIMIT:,}"),
        ("[" * 101 + "]" * 101, "nested more than 100 levels deep"),
        (json.dumps({"document": "x" * 2 * LIMIT}), f"the limit of {LIMIT:,} bytes"),
    ],
)
def test_an_input_that_will_not_do_starts_nothing_and_is_one_line_in_the_log(
    invoices, given, said, caplog
):
    olga = visitor(*EXECUTE)
    with caplog.at_level(logging.INFO):
        answer = olga.post(RUN, {"input": given, "version": "1"})
    assert answer.status_code == 422
    assert said in text(answer).replace("&#x27;", "'")
    assert not Run.objects.exists()
    assert not AuditEntry.objects.exists()
    lines = [r for r in caplog.records if r.name == "runs.views.workflow_run"]
    assert len(lines) == 1
    assert "example v1 by olga" in lines[0].getMessage()
    assert len(lines[0].getMessage()) < 300


def test_every_violation_is_said_at_its_field(invoices):
    given = '{"document": 5, "pages": "x"}'
    page = text(visitor(*EXECUTE).post(RUN, {"input": given, "version": "1"}))
    assert '<b class="op-mono">document</b>' in page
    assert '<b class="op-mono">pages</b>' in page


def test_a_check_of_the_input_says_the_same_and_starts_nothing(invoices):
    olga = visitor(*EXECUTE)
    part = text(olga.post(f"{RUN}check/", {"input": '{"document": 5}', "version": "1"}))
    assert "Does not fit v1" in part
    assert "<html" not in part
    assert "Does not fit" not in text(
        olga.post(f"{RUN}check/", {"input": '{"document": "x"}', "version": "1"})
    )
    assert not Run.objects.exists()


def test_run_again_begins_with_the_input_of_the_run(invoices):
    run = lifecycle.start(invoices, {"document": "<old>.pdf"}, trigger="manual", by=ANNA)
    olga = visitor(*EXECUTE)
    assert olga.get(f"{PAGE}?run={run.public_id}").headers["Location"] == (
        f"{RUN}?run={run.public_id}"
    )
    page = text(olga.get(f"{RUN}?run={run.public_id}"))
    assert "&lt;old&gt;.pdf" in page
    assert f"/admin/runs/run/{run.public_id}/" in page


def test_run_again_with_an_input_that_no_longer_fits_says_so_at_once(version):
    run = lifecycle.start(version, {"anything": 1}, trigger="manual", by=ANNA)
    Workflow.objects.publish("example", {**BETTER, "input_schema": SCHEMA})
    page = text(visitor(*EXECUTE).get(f"{RUN}?run={run.public_id}"))
    assert "Does not fit v2" in page
    assert "&quot;anything&quot;" in page


@pytest.mark.parametrize("asked", ["run_nonsense", "run_01kb2x7v9zeq3t8m4r2wd0m1fh", "<b>"])
def test_run_again_of_a_run_that_is_not_there_says_so(invoices, asked):
    page = text(visitor(*EXECUTE).get(RUN, {"run": asked}))
    assert "The run whose input was asked for is not there." in page
    assert "&quot;a.pdf&quot;" in page


def test_run_again_of_another_workflows_run_says_so(invoices, publish):
    other = publish(executor_node("a"), slug="other")
    run = lifecycle.start(other, {"secret": 1}, trigger="manual", by=ANNA)
    page = text(visitor(*EXECUTE).get(f"{RUN}?run={run.public_id}"))
    assert "is a run of another workflow" in page
    assert "secret" not in page


def test_who_may_not_see_runs_does_not_see_their_inputs(invoices):
    run = lifecycle.start(invoices, {"document": "secret.pdf"}, trigger="manual", by=ANNA)
    olga = visitor(VIEW, "runs.execute_workflow")
    assert "secret.pdf" not in text(olga.get(f"{RUN}?run={run.public_id}"))
    # They may start one all the same, and stay where they may be.
    answer = olga.post(RUN, {"input": '{"document": "b.pdf"}', "version": "1"})
    assert answer.headers["Location"] == PAGE


def test_a_version_that_todays_rules_refuse_is_shown_but_not_run(version):
    broken = {"nodes": [executor_node("first", needs=["gone"])]}
    Workflow.objects.publish("example", broken)
    olga = visitor(*ALL)
    assert "needs the unknown node “gone”" in text(olga.get(PAGE))
    answer = olga.get(RUN, follow=True)
    assert "This version can no longer be run." in text(answer)
    olga.post(RUN, {"input": "{}", "version": "2"})
    assert not Run.objects.exists()
