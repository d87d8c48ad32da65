"""Where nodes, and what is wrong with them, stand in a definition's text."""

import json

import pytest

from runs import drafts
from runs.definition_places import places

TEXT = """{
  "input_schema": {"nodes": [{"id": "a"}]},
  "output": {"x": "$.nodes.gone.output"},
  "nodes": [
    {"kind": "executor",
     "input": {"id": "other"},
     "id" : "a"}, {"id": "b",
     "needs": ["c"]},
    {
     "id": "a"}
  ],
  "colour": 1
}"""


def test_nodes_are_found_where_they_say_their_ids():
    found = places(TEXT, json.loads(TEXT))
    assert (found.line("a"), found.line("b"), found.line("c")) == (7, 7, None)


@pytest.mark.parametrize(
    ("node", "message", "line"),
    [
        ("a", "stands twice", 10),
        ("a", "“input” maps names to paths or values", 6),
        ("b", "needs the unknown node “c”", 8),
        ("b", "needs an “executor”", 7),
        ("", "unknown field colour", 12),
        ("", "node 3 needs an “id” of small letters", 9),
        ("", "“output” maps names to paths", 3),
        ("", "“input_schema” is not a JSON Schema", 2),
        ("", "more than 1,000 nodes", None),
        ("gone", "whatever", None),
    ],
)
def test_a_complaint_leads_to_the_line_it_is_about(node, message, line):
    assert places(TEXT, json.loads(TEXT)).line_of(node, message) == line


@pytest.mark.parametrize("text", ["[]", "1", '{"nodes": 1}', '{"nodes": []}', '{"nodes": [1, {}]}'])
def test_any_text_may_be_asked(text):
    assert places(text, json.loads(text)).line_of("x", "“y”") is None


def test_all_that_is_wrong_with_a_definition_has_its_line():
    text = """{
  "nodes": [
    {"id": "a", "kind": "executor", "executor": "probe.noop",
     "needs": ["b"]},
    {"id": "b", "kind": "branch", "needs": ["a"],
     "paths": [{"name": "x", "when": {"value": "$.data.x", "more_than": 1},
                "to": ["a"]}]},
    {"id": "c", "kind": "human", "colour": 1,
     "assigned_to": []}
  ]
}"""
    said = {finding.line: finding.message for finding in drafts.read(text).findings}
    assert "path 1" in said[6]
    assert "unknown field colour" in said[8]
    assert "assigned_to" in said[9]
    assert any("cycle" in finding.message for finding in drafts.read(text).findings)
