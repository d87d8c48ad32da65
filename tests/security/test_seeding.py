"""What the pages are looked at with is what it says: a workflow that can be published, and one of
everything."""

import pytest

from runs.graph import parse
from tests.security.payloads import Hostile, Plain
from tests.security.seeding import definition, seed

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.mark.parametrize("words", [Plain(), Hostile()])
def test_there_is_one_of_everything(words):
    made = seed(words)
    assert all(made.values()), made


def test_hostile_texts_stand_where_a_workflow_takes_texts():
    parse(definition(Hostile()))
