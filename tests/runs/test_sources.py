"""MANAGE → Sources: who reports runs that are executed elsewhere."""

import pytest

from runs.models import AuditEntry, Source
from tests.runs.visitors import visitor

pytestmark = pytest.mark.django_db
LIST = "/admin/runs/source/"


def page_of(source):
    return f"{LIST}{source.pk}/change/"


def test_a_source_is_made_changed_and_audited():
    client = visitor("runs.view_source", "runs.add_source", "runs.change_source", name="olga")
    form = {"name": "airflow", "retry_url": "https://a.example/retry", "terminate_url": ""}
    assert client.post(f"{LIST}add/", form).status_code == 302
    source = Source.objects.get()
    assert (source.retry_url, source.created_by.username) == ("https://a.example/retry", "olga")
    assert "airflow" in client.get(LIST).content.decode()
    form |= {"name": "renamed", "retry_url": ""}
    assert client.post(page_of(source), form).status_code == 302
    source.refresh_from_db()
    assert (source.name, source.retry_url) == ("airflow", "")
    entries = AuditEntry.objects.filter(target_type="source", target_id="airflow").order_by("id")
    assert [(e.action, e.actor) for e in entries] == [("create", "olga"), ("change", "olga")]


def test_without_a_source_the_page_says_what_one_is_and_how_to_report():
    client = visitor("runs.view_source", "runs.add_source", name="olga")
    page = client.get(LIST).content.decode()
    assert "No sources yet" in page
    assert f'href="{LIST}add/"' in page
    assert "http://testserver/api/events --data-binary" in page
    assert "from runs_client import Client" in page
    only_looks = visitor("runs.view_source", name="ben")
    assert f'href="{LIST}add/"' not in only_looks.get(LIST).content.decode()
    Source.objects.create(name="airflow")
    assert "No sources yet" not in client.get(LIST).content.decode()


@pytest.mark.parametrize("name", ["", "Airflow", "user", "token", ".x", "a b", "x" * 65])
def test_names_that_are_none(name):
    client = visitor("runs.view_source", "runs.add_source")
    answer = client.post(f"{LIST}add/", {"name": name})
    assert answer.status_code == 200
    assert not Source.objects.exists()


@pytest.mark.parametrize("url", ["ftp://a.example/", "javascript:alert(1)", "not an address"])
def test_addresses_that_are_none(url):
    client = visitor("runs.view_source", "runs.add_source")
    assert client.post(f"{LIST}add/", {"name": "a", "retry_url": url}).status_code == 200
    assert not Source.objects.exists()


def test_who_only_sees_them_changes_nothing():
    source = Source.objects.create(name="airflow")
    client = visitor("runs.view_source")
    assert client.get(page_of(source)).status_code == 200
    assert client.post(page_of(source), {"retry_url": "https://a.example/"}).status_code == 403
    assert client.post(f"{page_of(source)[:-7]}delete/", {"post": "yes"}).status_code == 403
    assert visitor("runs.view_run", name="other").get(LIST).status_code == 403
