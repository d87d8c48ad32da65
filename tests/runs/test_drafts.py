"""A definition in the editor: every fault is said, and publishing loses nobody's work."""

import json
import threading

import pytest
from django.db import connection
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from runs import drafts
from runs.drafts import Outdated, SlugTaken
from runs.models import AuditEntry, Workflow
from tests.runs.conftest import executor_node
from tests.runs.visitors import account

ONE = {"nodes": [executor_node("first")]}
TWO = {"nodes": [executor_node("first"), executor_node("second", needs=["first"])]}


def read(value):
    return drafts.read(json.dumps(value, indent=1))


def test_a_sound_definition_has_no_findings():
    draft = read(TWO)
    assert draft.is_sound
    assert draft.definition == TWO


def test_every_finding_names_its_node_and_line():
    draft = read({"nodes": [executor_node("first", "ghost.run"), executor_node("b", needs=["c"])]})
    found = [(f.node, f.message, f.line) for f in draft.findings]
    assert found == [
        ("first", "unknown executor “ghost.run”", 6),
        ("b", "needs the unknown node “c”", 13),
    ]
    assert draft.bad_nodes == {"first", "b"}


def test_text_that_is_no_json_has_the_place_of_the_mistake():
    draft = drafts.read('{"nodes": [\n}')
    (finding,) = draft.findings
    assert (finding.line, finding.column, draft.definition) == (2, 1, None)
    assert finding.message.startswith("Not JSON: ")


def test_lines_are_counted_alike_however_the_browser_ends_them():
    assert drafts.read('{\r\n"nodes": [\r\n}').findings[0].line == 3


def test_a_definition_over_the_limit_is_not_even_parsed():
    draft = drafts.read('{"description": "' + "ä" * (drafts.LIMIT // 2) + '"}')
    assert draft.definition is None
    assert "the limit is 1,000,000" in draft.findings[0].message


def test_findings_are_bounded_and_their_number_is_known():
    draft = read({"nodes": [executor_node(f"n{n}", "ghost.run") for n in range(150)]})
    assert (len(draft.findings), draft.total) == (100, 150)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4)
    | st.dictionaries(
        st.sampled_from(
            ["id", "kind", "nodes", "needs", "input", "paths", "when", "default", "output",
             "input_schema", "$ref", "value", "to", "name", "retries", "executor", "all", "not"]
        ),
        inner,
        max_size=6,
    ),
    max_leaves=25,
)  # fmt: skip


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.fixed_dictionaries({"nodes": st.lists(JSON, max_size=4)}, optional={"input_schema": JSON})
)
def test_whatever_is_written_is_judged_never_an_error(definition):
    draft = read(definition)
    assert draft.is_sound == (draft.total == 0)


@pytest.mark.django_db
class TestPublishing:
    def test_a_new_workflow_begins_with_version_1_and_an_audit_line(self):
        anna = account(name="anna")
        version = drafts.create("fresh", read(ONE), by=anna)
        assert (version.workflow.slug, version.number, version.created_by) == ("fresh", 1, anna)
        entry = AuditEntry.objects.get()
        assert (entry.actor, entry.action, entry.target_id) == ("anna", "publish", "fresh v1")
        assert entry.ref_id == anna.public_id

    def test_a_taken_name_adds_no_version_to_the_other_workflow(self):
        anna = account()
        drafts.create("fresh", read(ONE), by=anna)
        with pytest.raises(SlugTaken):
            drafts.create("fresh", read(TWO), by=anna)
        assert Workflow.objects.get().versions.count() == 1
        assert AuditEntry.objects.count() == 1

    def test_an_unchanged_definition_makes_no_version(self):
        anna = account()
        workflow = drafts.create("fresh", read(ONE), by=anna).workflow
        version, is_new = drafts.publish(workflow, read(ONE), base=1, by=anna)
        assert (version.number, is_new) == (1, False)
        assert AuditEntry.objects.count() == 1

    def test_a_changed_definition_is_the_next_version(self):
        anna = account()
        workflow = drafts.create("fresh", read(ONE), by=anna).workflow
        version, is_new = drafts.publish(workflow, read(TWO), base=1, by=anna)
        assert (version.number, is_new) == (2, True)
        assert workflow.versions.get(number=1).definition == ONE

    def test_who_began_before_the_newest_version_is_told_and_nothing_is_stored(self):
        anna = account()
        workflow = drafts.create("fresh", read(ONE), by=anna).workflow
        drafts.publish(workflow, read(TWO), base=1, by=anna)
        with pytest.raises(Outdated) as caught:
            drafts.publish(workflow, read(ONE), base=1, by=anna)
        assert caught.value.newest.number == 2
        assert workflow.versions.count() == 2


@pytest.mark.django_db(transaction=True)
def test_of_two_who_save_at_once_one_is_told():
    anna = account()
    workflow = drafts.create("fresh", read(ONE), by=anna).workflow
    together = threading.Barrier(2)
    outcomes = []

    def save(definition):
        together.wait()
        try:
            version, _ = drafts.publish(workflow, read(definition), base=1, by=anna)
            outcomes.append(version.number)
        except Outdated:
            outcomes.append("told")
        finally:
            connection.close()

    other = {"nodes": [executor_node("other")]}
    threads = [threading.Thread(target=save, args=[d]) for d in (TWO, other)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes, key=str) == [2, "told"]
    assert workflow.versions.count() == 2
