"""ANALYZE → Failures: the figures are those of the runs, and lead to them."""

import csv
import io
from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from analytics import upkeep
from analytics.models import FailureGroup
from runs.filters import RunFilter
from runs.models import AuditEntry, Run
from tests.analytics.pages import chart, figures, person, text
from tests.analytics.test_upkeep import ZERO, begun, end, fail, settled, work
from tests.runs.stories import node, publish

pytestmark = pytest.mark.django_db(transaction=True)
SEEN = {"created_from": "2026-03-02T00:00Z", "created_to": "2026-03-03T06:00Z"}


@pytest.fixture
def client_of_ben(client):
    client.force_login(person("ben", "runs.view_run", "runs.retry_run"))
    return client


@pytest.fixture
def told(db):
    """Six runs of the first version, of which two fail alike; of the second, one fails anew."""
    first = publish(node("ocr"), node("extract", "ocr"))
    settled()
    failed = []
    for number in range(6):
        story = begun(first, zero=ZERO + timedelta(minutes=5 * number))
        work(story)
        if number < 2:
            fail(story, f"totals differ on page {number}", at=30)
            failed.append(story)
        else:
            end(story, after=20)
    end(begun(first, zero=ZERO + timedelta(hours=1), retry_of=failed[0].run))
    second = publish(node("ocr"), node("extract", "ocr"), title="newer")
    fail(begun(second, zero=ZERO + timedelta(hours=2)), "no such model", at=9)
    settled()
    return first, second


@pytest.fixture
def url():
    return reverse("analysis_failures")


def listed(link):
    """The runs that the list shows behind a link."""
    from django.http import QueryDict

    wanted, errors = RunFilter.parse(QueryDict(link.partition("?")[2]))
    assert not errors
    return wanted.apply(Run.objects.all(), ZERO + timedelta(days=9))


def test_the_figures_are_those_of_the_runs(told, client_of_ben, url):
    answer = client_of_ben.get(url, SEEN)
    found = figures(answer)
    assert found["Failed runs"][0] == "3"
    # Of eight that have ended.
    assert found["Failure rate"][0] == "38 %"
    assert found["Retries that succeeded"][0] == "100 %"
    assert listed(found["Failed runs"][1]).count() == 3
    assert listed(found["Failure rate"][1]).count() == 3
    assert listed(found["Retries that succeeded"][1]).count() == 1


def test_each_group_leads_to_its_runs(told, client_of_ben, url):
    answer = client_of_ben.get(url, SEEN)
    page = text(answer)
    assert "ValueError: totals differ on page #" in page
    assert "ValueError: no such model" in page
    for group in FailureGroup.objects.all():
        link = RunFilter(state="failed", group=group.public_id).query()
        assert {run.error_message for run in listed(link)} <= {
            "totals differ on page 0", "totals differ on page 1", "no such model",
        }  # fmt: skip
    totals = FailureGroup.objects.get(message="totals differ on page #")
    assert listed(RunFilter(state="failed", group=totals.public_id).query()).count() == 2


def test_a_group_tells_the_version_that_introduced_it(told, client_of_ben, url):
    found = client_of_ben.get(url, {**SEEN, "as": "json"}).json()
    since = {each["message"]: (each["since"], each["is_new"]) for each in found["groups"]}
    assert since == {"totals differ on page #": ("v1", True), "no such model": ("v2", True)}


def test_the_chart_and_its_table_say_the_same(told, client_of_ben, url):
    answer = client_of_ben.get(url, SEEN)
    drawn = chart(answer, "failures-trend")
    assert sum(sum(each["values"]) for each in drawn["series"]) == 3
    assert len(drawn["labels"]) == 30
    assert all(len(each["values"]) == 30 for each in drawn["series"])


def test_csv_and_json_have_the_groups(told, client_of_ben, url):
    answer = client_of_ben.get(url, {**SEEN, "as": "csv"})
    rows = list(csv.DictReader(io.StringIO(answer.content.decode())))
    assert [(row["message"], row["runs"], row["retried"]) for row in rows] == [
        ("totals differ on page #", "2", "1"),
        ("no such model", "1", "0"),
    ]
    found = client_of_ben.get(url, {**SEEN, "as": "json"}).json()
    assert sum(bar["failed"] for bar in found["trend"]) == 3
    assert found["figures"][0]["value"] == 3


def test_the_table_is_sorted_by_what_is_asked(told, client_of_ben, url):
    def order(sort):
        found = client_of_ben.get(url, {**SEEN, "as": "json", "sort": sort}).json()
        return [each["message"] for each in found["groups"]]

    assert order("runs") == ["totals differ on page #", "no such model"]
    assert order("first_seen") == ["no such model", "totals differ on page #"]
    assert client_of_ben.get(url, {"sort": "luck"}).status_code == 400


def test_a_version_is_looked_at_alone_and_compared(told, client_of_ben, url):
    asked = {**SEEN, "workflow": "invoice_processing", "version": 2, "compare": "v1"}
    found = client_of_ben.get(url, {**asked, "as": "json"}).json()
    failed, rate = found["figures"][:2]
    assert (failed["value"], failed["before"]) == (1, 2)
    assert (rate["value"], rate["before"]) == (1, pytest.approx(2 / 7))
    link = figures(client_of_ben.get(url, asked))["Failed runs"][1]
    assert [run.version_id for run in listed(link)] == [told[1].pk]


def test_any_other_filter_is_answered_from_the_runs(told, client_of_ben, url):
    found = client_of_ben.get(url, {**SEEN, "triggered_by": "maria", "as": "json"}).json()
    assert found["figures"][0]["value"] == 3
    none = client_of_ben.get(url, {**SEEN, "triggered_by": "nobody"})
    assert "No run failed" in text(none)


def test_what_is_too_wide_says_how_to_narrow_it(told, client_of_ben, url):
    answer = client_of_ben.get(url, {"created": "30d", "trigger": "api"})
    assert answer.status_code == 400
    assert "seven days" in text(answer)
    assert "Last 24 hours" in text(answer)


def test_retrying_a_group_asks_for_its_runs(told, client_of_ben, url):
    totals = FailureGroup.objects.get(message="totals differ on page #")
    page = client_of_ben.get(url, SEEN).content.decode()
    assert "Retry these 2" in page
    wanted = RunFilter(state="failed", group=totals.public_id).query()
    posted = {"act": "retry", "all": "1", "filter": wanted}
    answer = client_of_ben.post(reverse("admin:runs_run_act"), posted)
    assert "Retry 2 runs?" in text(answer)


def test_what_is_yet_to_be_counted_does_not_look_like_nothing(db, client_of_ben, url):
    settled()
    fail(begun(publish(node("ocr"))))
    upkeep.hear(timezone.now() - timedelta(minutes=2))
    for page in (client_of_ben.get(url, SEEN), client_of_ben.get(reverse("admin:index"))):
        said = text(page)
        assert "not complete yet" in said
        assert "Not counted yet" in said
        assert "No run failed" not in said
    while upkeep.count_next(timezone.now()):
        pass
    assert "not complete yet" not in text(client_of_ben.get(url, SEEN))


def test_marks_are_kept_audited_and_need_a_permission(told, client_of_ben, client, url):
    group = FailureGroup.objects.get(message="no such model")
    address = reverse("analysis_mark", args=[group.public_id])
    assert client_of_ben.post(address, {"mark": "known"}).status_code == 403
    assert "Mark this group" not in client_of_ben.get(url, SEEN).content.decode()
    client.force_login(person("eve", "runs.view_run", "analytics.mark_failuregroup"))
    assert "Mark this group" in client.get(url, SEEN).content.decode()
    posted = {"mark": "resolved", "note": "key renewed", "back": "?created=24h"}
    answer = client.post(address, posted)
    assert answer.url == f"{url}?created=24h"
    group.refresh_from_db()
    assert (group.mark, group.note, group.marked_by) == ("resolved", "key renewed", "eve")
    entry = AuditEntry.objects.get(target_type="failure group")
    assert (entry.action, entry.target_id, entry.reason) == (
        "mark as resolved", group.public_id, "key renewed",
    )  # fmt: skip
    assert "resolved" in text(client.get(url, SEEN))
    assert client.post(address, {"mark": "odd"}).status_code == 404


def test_a_resolved_group_that_came_back_says_so(told, client_of_ben, url):
    FailureGroup.objects.filter(message="no such model").update(
        mark="resolved", marked_at=ZERO + timedelta(hours=3)
    )
    fail(begun(told[1], zero=ZERO + timedelta(hours=4)), "no such model", at=9)
    settled()
    answer = client_of_ben.get(url, SEEN)
    assert "It was resolved, and came back" in answer.content.decode()


def test_who_may_not_see_runs_sees_no_page(told, client, url):
    client.force_login(person("kim"))
    assert client.get(url).status_code == 403


def test_how_many_questions_a_page_asks_does_not_grow(
    told, client_of_ben, url, django_assert_max_num_queries
):
    with django_assert_max_num_queries(60):
        client_of_ben.get(url, SEEN)


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"workflow": "nope"}, "There is none that is called “nope”"),
        ({"workflow": "tested", "version": "9"}, "“tested” has no version 9"),
    ],
)
@pytest.mark.parametrize("name", ["analysis_failures", "analysis_cost", "analysis_duration"])
def test_what_is_mistyped_is_said_to_be_unknown(client_of_ben, told, name, asked, said):
    slug = told[0].workflow.slug
    asked = {key: value.replace("tested", slug) for key, value in asked.items()}
    said = said.replace("tested", slug)
    answer = client_of_ben.get(reverse(name), asked)
    assert answer.status_code == 404
    assert said in answer.content.decode()
