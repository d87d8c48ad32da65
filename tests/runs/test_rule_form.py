"""A rule survives its form."""

from django.http import QueryDict
from hypothesis import given
from hypothesis import strategies as st

from runs.states import FINAL_STATES
from runs.triggers.rule import parse
from runs.views.automation.rule_form import OPERATORS, RuleForm, read_value, write_value

WORDS = st.text(st.characters(codec="utf-8", exclude_characters="\0", exclude_categories=["Cc"]))
PLAIN = st.none() | st.booleans() | st.integers(-(10**9), 10**9) | WORDS.map(str.strip)
VALUES = st.recursive(
    PLAIN, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=3)
)
PATHS = st.sampled_from(["$.run.id", "$.data.total", "$.nodes.ask.output.value", "$.output.x"])
NAMES = st.from_regex(r"[a-z][a-z_]{0,7}", fullmatch=True)


@st.composite
def comparisons(draw):
    operator = draw(st.sampled_from(OPERATORS))
    bound = draw(
        st.booleans() if operator == "exists"
        else st.lists(st.integers() | NAMES, min_size=1, max_size=3) if operator == "in"
        else PLAIN
    )  # fmt: skip
    return {"value": draw(PATHS), operator: bound}


CONDITIONS = st.recursive(
    comparisons(),
    lambda inner: st.builds(
        lambda word, parts: {word: parts},
        st.sampled_from(["all", "any"]),
        st.lists(inner, min_size=2, max_size=3),
    ),
    max_leaves=5,
)
TARGETS = st.lists(
    st.fixed_dictionaries(
        {"start": NAMES, "input": st.dictionaries(NAMES, VALUES | PATHS, max_size=4) | PATHS},
        optional={"version": st.integers(1, 9), "ref": st.just({"type": "run", "id": "$.run.id"})},
    )
    | st.fixed_dictionaries({"retry": PATHS}, optional={"input": PATHS}),
    min_size=1,
    max_size=3,
)
ENDS = st.fixed_dictionaries(
    {"states": st.lists(st.sampled_from(FINAL_STATES), min_size=1, unique=True).map(
        lambda states: [state for state in FINAL_STATES if state in states]
    )},
    optional={"workflow": NAMES},
)  # fmt: skip


def posted(form: RuleForm) -> QueryDict:
    """As a browser sends the form's fields."""
    post = QueryDict(mutable=True)
    post.update({"on": form.on, "workflow": form.workflow, "node": form.node, "match": form.match})
    post.setlist("states", form.states)
    if form.condition_text is not None:
        post["condition"] = form.condition_text
    post.setlist("c-path", [row.path for row in form.conditions])
    post.setlist("c-op", [row.operator for row in form.conditions])
    post.setlist("c-value", [row.value for row in form.conditions])
    post.setlist("t-act", [row.act for row in form.targets])
    for number, row in enumerate(form.targets):
        fields = {
            "workflow": row.workflow, "version": row.version, "mode": row.mode, "was": row.mode,
            "input": row.text, "ref_type": row.ref_type, "ref_id": row.ref_id, "run": row.run,
        }  # fmt: skip
        if row.has_input:
            fields["has_input"] = "on"
        for name, value in fields.items():
            post[f"t-{number}-{name}"] = value
        post.setlist(f"t-{number}-in-name", [each.name for each in row.inputs])
        post.setlist(f"t-{number}-in-value", [each.value for each in row.inputs])
    return post


@given(VALUES | PATHS)
def test_a_value_is_read_as_it_was_written(value):
    assert read_value(write_value(value)) == value


@given(
    st.fixed_dictionaries(
        {"when": ENDS.map(lambda ends: {"run_ends": ends}), "then": TARGETS},
        optional={"if": CONDITIONS},
    )
)
def test_a_rule_is_the_same_after_its_form_was_sent(rule):
    parse("automation", rule)
    form = RuleForm.of_rule("automation", rule)
    again, problems = RuleForm.of_post("automation", posted(form)).rule()
    assert problems == []
    assert again == rule
