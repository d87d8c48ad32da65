"""Saved views: private or shared, one a person's default, changed by whom they belong to."""

import re

import pytest

from runs.models import SavedView, User
from tests.runs.stories import Story, node, publish
from tests.runs.visitors import visitor

pytestmark = pytest.mark.django_db

LIST = "/admin/runs/run/"
VIEWS = f"{LIST}views/"
NEW = f"{VIEWS}new/"


@pytest.fixture
def olga():
    return visitor("runs.view_run")


@pytest.fixture
def zoe():
    return visitor("runs.view_run", name="zoe")


def save(client, name, query="?state=failed&created=24h", **more):
    answer = client.post(NEW, {"name": name, "query": query, **more})
    assert answer.status_code == 302, answer.content
    return SavedView.objects.get(name=name)


def names_in_menu(client):
    html = client.get(f"{LIST}?view=all").content.decode()
    return re.findall(r'<span class="op-cut">([^<]*)<', html)


def test_a_saved_view_leads_to_the_address_that_it_names(olga):
    saved = save(olga, "Today's failures", "?created=24h&state=failed&sort=cost&columns=cost")

    answer = olga.get(LIST, {"view": saved.public_id})

    wanted = f"{LIST}?state=failed&created=24h&sort=cost&columns=cost"
    assert answer["Location"] == wanted
    menu = olga.get(wanted).content.decode()
    assert 'aria-label="Views: Today&#x27;s failures"' in menu


def test_a_view_keeps_the_person_s_columns(olga):
    olga.post(f"{LIST}columns/", {"column": ["cost"], "back": ""})
    assert save(olga, "Costs").query == "?state=failed&created=24h&columns=cost"


def test_a_private_view_is_nobody_else_s_and_a_shared_one_everybody_s(olga, zoe):
    private, shared = save(olga, "Mine"), save(olga, "Ours", shared="on")

    assert names_in_menu(olga) == ["Mine", "Ours"]
    assert names_in_menu(zoe) == ["Ours"]
    assert zoe.get(LIST, {"view": shared.public_id}).status_code == 302
    answer = zoe.get(LIST, {"view": private.public_id})
    assert answer.status_code == 400
    assert b"There is no such view" in answer.content


def test_a_default_is_opened_by_the_bare_link_and_there_is_a_way_back(olga, zoe):
    Story(publish(node("a")))
    save(olga, "Mine", "?state=queued", default="on")

    assert olga.get(LIST)["Location"] == f"{LIST}?state=queued"
    assert zoe.get(LIST).status_code == 200
    every = olga.get(LIST, {"view": "all"})
    assert every.status_code == 200
    html = olga.get(f"{LIST}?state=queued").content.decode()
    assert 'href="?view=all"' in html

    mine = SavedView.objects.get()
    olga.post(VIEWS, {"act": "no_default", "view": mine.public_id})
    assert olga.get(LIST).status_code == 200


def test_deleting_a_default_view_opens_all_runs_again(olga):
    saved = save(olga, "Mine", default="on")
    olga.post(VIEWS, {"act": "delete", "view": saved.public_id})
    assert not SavedView.objects.exists()
    assert olga.get(LIST).status_code == 200


def test_saving_again_can_take_another_view_s_place(olga):
    saved = save(olga, "Mine")
    olga.post(NEW, {"query": "?state=running", "replace": saved.public_id})
    saved.refresh_from_db()
    assert (saved.name, saved.query) == ("Mine", "?state=running")


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ({"name": "", "query": "?"}, "Give the view a name."),
        ({"name": "Mine", "query": "?"}, "You have a view “Mine” already."),
        ({"name": "x", "query": "?state=bad"}, "There is no state “bad”"),
        ({"name": "x" * 81, "query": "?"}, "80"),
        ({"name": "x", "query": "?", "replace": "view_x"}, "Select a valid choice"),
    ],
)
def test_what_cannot_be_saved_is_said(olga, data, said):
    save(olga, "Mine")
    answer = olga.post(NEW, data)
    assert answer.status_code == 422
    if "Select" not in said:
        assert said in answer.content.decode()
    assert SavedView.objects.count() == 1


def test_a_shared_view_is_changed_by_its_owner_or_an_administrator_only(olga, zoe):
    saved = save(olga, "Ours", shared="on")
    head = visitor("runs.view_run", "runs.change_savedview", name="head")

    for act in ("rename", "unshare", "delete"):
        answer = zoe.post(VIEWS, {"act": act, "view": saved.public_id, "name": "Zoe's"})
        assert answer.status_code == 403
    saved.refresh_from_db()
    assert (saved.name, saved.is_shared) == ("Ours", True)
    assert b"Rename" not in zoe.get(VIEWS).content
    assert zoe.post(NEW, {"query": "?", "replace": saved.public_id}).status_code == 422

    head.post(VIEWS, {"act": "rename", "view": saved.public_id, "name": "Everybody's"})
    saved.refresh_from_db()
    assert saved.name == "Everybody's"
    olga.post(VIEWS, {"act": "unshare", "view": saved.public_id})
    assert names_in_menu(zoe) == []
    # Private now, it is no administrator's business.
    head.post(VIEWS, {"act": "delete", "view": saved.public_id})
    assert SavedView.objects.exists()


def test_a_shared_view_can_be_anybody_s_default(olga, zoe):
    saved = save(olga, "Ours", shared="on")
    zoe.post(VIEWS, {"act": "default", "view": saved.public_id})
    assert User.objects.get(username="zoe").default_view == saved
    assert zoe.get(LIST)["Location"] == LIST + saved.query
    # Shared no longer, it is as if there were none.
    olga.post(VIEWS, {"act": "unshare", "view": saved.public_id})
    assert zoe.get(LIST).status_code == 200


def test_two_views_of_one_person_cannot_have_one_name(olga):
    save(olga, "One")
    two = save(olga, "Two")
    answer = olga.post(VIEWS, {"act": "rename", "view": two.public_id, "name": "One"})
    assert answer.status_code == 422
    assert "There is a view “One” already" in answer.content.decode()


def test_names_are_escaped(olga):
    save(olga, "<script>x</script>", shared="on")
    for page in (f"{LIST}?view=all", VIEWS, NEW):
        assert b"<script>x" not in olga.get(page).content


def test_who_may_not_see_runs_has_no_views():
    nina = visitor(name="nina")
    assert nina.get(VIEWS).status_code == 403
    assert nina.post(NEW, {"name": "x", "query": "?"}).status_code == 403
    assert nina.post(f"{LIST}columns/", {"column": "cost"}).status_code == 403


def test_sharing_a_view_touches_no_other(olga, zoe):
    mine, other = save(olga, "Mine"), save(olga, "Other")
    ours = save(zoe, "Ours", shared="on")
    olga.post(VIEWS, {"act": "share", "view": mine.public_id})
    olga.post(VIEWS, {"act": "unshare", "view": mine.public_id})
    for saved, shared in ((mine, False), (other, False), (ours, True)):
        saved.refresh_from_db()
        assert saved.is_shared == shared


def test_a_view_of_all_runs_can_be_the_default(olga):
    saved = save(olga, "Everything", "?", default="on")
    for address in (LIST, f"{LIST}?view={saved.public_id}"):
        answer = olga.get(address, follow=True)
        assert answer.status_code == 200
        assert len(answer.redirect_chain) == 1


def test_a_shared_view_stays_shared_when_it_is_replaced(olga, zoe):
    saved = save(olga, "Ours", shared="on")
    olga.post(NEW, {"query": "?state=completed", "replace": saved.public_id})
    saved.refresh_from_db()
    assert (saved.query, saved.is_shared) == ("?state=completed", True)
