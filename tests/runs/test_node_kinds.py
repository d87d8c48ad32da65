"""The fields of http, llm and human nodes: what is refused in a definition, and how it is said."""

import pytest

from runs.graph import DefinitionError, parse

HTTP = {"id": "call", "kind": "http", "url": "https://shop.example/orders/{{ id }}",
        "input": {"id": "$.data.id"}}  # fmt: skip
LLM = {"id": "ask", "kind": "llm", "base_url": "https://models.example/v1/", "model": "tiny",
       "prompt": "Read {{ text }}", "input": {"text": "$.data.text"}}  # fmt: skip
HUMAN = {"id": "review", "kind": "human", "input": {"fields": "$.data.fields"},
         "form": {"type": "object"}}  # fmt: skip


def complaints(node, **changed):
    with pytest.raises(DefinitionError) as caught:
        parse({"nodes": [{**node, **changed}]})
    return [str(problem) for problem in caught.value.problems]


def spec(node, **changed):
    (found,) = parse({"nodes": [{**node, **changed}]}).nodes.values()
    return found


def test_what_a_definition_leaves_out_has_sound_values():
    found = spec(HTTP)
    assert (found.settings["method"], found.idempotent, found.retries) == ("GET", True, 0)
    assert spec(HTTP, method="POST").idempotent is False
    found = spec(LLM)
    assert (found.settings["base_url"], found.retries) == ("https://models.example/v1", 3)
    assert found.settings["messages"] == [{"role": "user", "content": "Read {{ text }}"}]
    found = spec(HUMAN)
    assert (found.settings["correct"], found.settings["on_timeout"]) == ("fields", None)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"url": "ftp://shop.example/"}, "begins with http:// or https://"),
        ({"url": "https://{{ id }}.example/"}, "the name of a host"),
        ({"url": "https://me:secret@shop.example/"}, "the name of a host"),
        ({"url": "https://[shop]/"}, "the name of a host"),
        ({"url": "https://shop.example/{{ nobody }}"}, "“{{nobody}}” is no input of this node"),
        ({"url": "https://shop.example/{{ secret.KEY }}"}, "secrets stand in headers only"),
        ({"url": ""}, "needs “url”"),
        ({"method": "TRACE"}, "“method” is one of GET"),
        ({"headers": {"Host": "other.example"}}, "is set by the request itself"),
        ({"headers": {"X Y": "1"}}, "is no name of a header"),
        ({"headers": {"X": "a\nY: b"}}, "stands in one line"),
        ({"headers": ["X"]}, "“headers” maps names to texts"),
        ({"body": {"a": ["{{ b }}"]}}, "“body”: “{{b}}” is no input"),
        ({"query": []}, "“query” maps names to values"),
        ({"executor": "x"}, "unknown field executor for a node of kind http"),
    ],
)
def test_an_http_node_that_cannot_be_called_is_refused(changed, said):
    (complaint,) = complaints(HTTP, **changed)
    assert complaint.startswith("call: ")
    assert said in complaint


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"prompt": ""}, "needs “prompt”"),
        ({"model": 7}, "“model” is a text"),
        ({"api_key": "sk-1234"}, "is the name of a secret in the portal's settings"),
        ({"messages": []}, "has “messages” or “prompt” and “system”, not both"),
        ({"response": "xml"}, "“response” is one of text, json"),
        ({"schema": {"type": "object"}}, "“schema” is for “response”"),
        ({"response": "json", "schema": {"type": 7}}, "is not a JSON Schema"),
        ({"options": {"stream": True}}, "“options”: “stream” cannot be given there"),
        ({"prices": {"input": 1}}, "“prices” has “input”, “output”"),
        ({"prices": {"input": "1", "output": 2}}, "“prices” has “input”, “output”"),
        ({"temperature": 3}, "“temperature” is a number from 0 to 2"),
        ({"max_tokens": 0}, "“max_tokens” is a whole number above 0"),
    ],
)
def test_an_llm_node_that_cannot_be_asked_is_refused(changed, said):
    found = complaints(LLM, **changed)
    assert any(said in complaint for complaint in found), found


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"form": {"type": 7}}, "is not a JSON Schema"),
        ({"correct": "total"}, "which the node does not have"),
        ({"input": {"a": 1, "b": 2}}, "“correct” says which input it corrects"),
        ({"timeout_seconds": 60}, "stand together"),
        ({"timeout_seconds": 60, "on_timeout": "wait"}, "“on_timeout” is one of approve"),
        ({"assigned_to": ["anna"]}, "“assigned_to” has “people”"),
        ({"assigned_to": {"people": "anna"}}, "is a list of names"),
        ({"title": "{{ other }}"}, "is no input of this node; it has fields"),
        ({"on_reject": "stop"}, "“on_reject” is one of continue, fail"),
        ({"retries": 1}, "unknown field retries"),
    ],
)
def test_a_human_node_that_nobody_could_answer_is_refused(changed, said):
    found = complaints(HUMAN, **changed)
    assert any(said in complaint for complaint in found), found


def test_a_branch_takes_the_first_path_or_all():
    branch = {"id": "b", "kind": "branch",
              "paths": [{"when": {"value": "$.data.x", "equals": 1}, "to": []}]}  # fmt: skip
    assert spec(branch).every is False
    assert spec(branch, mode="all").every is True
    assert "“mode” is one of first, all" in complaints(branch, mode="some")[0]
