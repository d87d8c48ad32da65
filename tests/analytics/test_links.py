"""Each figure of the analysis is what the runs behind its link come to, of random stores."""

import random
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest
from django.db.models import Max, Q, Sum
from django.http import QueryDict

from analytics import documents
from analytics.costs import costs
from analytics.durations import durations
from analytics.failures import failures
from analytics.figures import per
from analytics.scope import scope_of
from runs import lifecycle
from runs.filters import RunFilter
from runs.models import Attempt, LLMCall, Node, Run
from runs.rows import NewEvent
from runs.states import Kind
from tests.analytics.test_upkeep import ANNA, ZERO, begun, end, fail, settled, work
from tests.runs.stories import Story, node, publish

pytestmark = pytest.mark.django_db(transaction=True)
NOW = ZERO + timedelta(days=2, seconds=7, milliseconds=137)
KEYS = ("ocr", "extract", "check")
FOR_NOTHING = ("failed", "lost", "late")
# What is asked beside all of it; the first two are answered from rollups.
FILTERS = (
    {},
    {"workflow": "claims"},
    {"triggered_by": "maria"},
    {"state": "failed"},
    {"state": "completed"},
    {"node": "extract"},
    {"node": "ocr", "node_status": "failed"},
    {"model": "small"},
    {"spent": "failed"},
    {"is_retry": "yes"},
    {"is_retry": "no", "workflow": "claims"},
    {"retried": "yes"},
    {"retried": "recovered"},
    {"retried": "no"},
    {"timed": "yes"},
)


@pytest.fixture(params=[1, 2])
def store(db, request):
    """Runs of every fate, some made of others; nodes that fail, are tried again or are reused."""
    dice = random.Random(request.param)
    first = publish(*(node(key, executor="probe.echo") for key in KEYS))
    other = publish(node("ocr", executor="probe.echo"), slug="claims")
    failed = []
    for number in range(26):
        retried = dice.choice(failed) if failed and dice.random() < 0.4 else None
        version = retried.version if retried else dice.choice([first, first, other])
        # Also at the very edges of hours.
        zero = ZERO + timedelta(minutes=dice.choice([20, 37, 80, 140]) * number / 2)
        story = _tell(version, zero, dice, retried)
        if story.run.state == "failed":
            failed.append(story)
    # Of some that nobody has retried yet; what had completed in them is reused.
    unmended = Run.objects.filter(pk__in=[story.id for story in failed[1::2]])
    assert lifecycle.retry_from(unmended, by=ANNA, now=ZERO + timedelta(hours=9)).done
    settled()


def _tell(version, zero, dice, retried):
    by = dice.choice(["maria", "ben"])
    if dice.random() < 0.1:
        story = Story(version, zero=zero, by=by, retry_of=retried and retried.run)
        if dice.random() < 0.5:
            # It never started.
            story.at(2).state("created", "failed", error=_error("InputInvalid", "no document"))
        return story
    story = begun(version, zero=zero, by=by, retry_of=retried and retried.run)
    keys = [each["id"] for each in version.definition["nodes"]]
    at = 2
    for key in keys[: dice.randrange(len(keys) + 1)]:
        attempt = 1
        while dice.random() < 0.35 and attempt < 3:
            _begin(story, key, at, attempt)
            _calls(story, key, at, attempt, dice)
            told = {"error": _error("Torn", f"page {dice.randrange(9)}", key)}
            again = (zero + timedelta(seconds=at + 3)).isoformat()
            story.at(at + 2).tell(
                NewEvent(
                    Kind.NODE_FAILED, node=key, attempt=attempt, data={**told, "retry_at": again}
                )
            )
            attempt, at = attempt + 1, at + 3
        work(story, key, dice.randrange(5), at=at, attempt=attempt)
        _calls(story, key, at, attempt, dice)
        at += 5
    fate = dice.random()
    if fate < 0.4 and keys:
        left = [key for key in keys if not story.run.nodes.get(key=key).started_at]
        if left and dice.random() < 0.7:
            _begin(story, left[0], at, 1)
            _calls(story, left[0], at, 1, dice)
            told = {"error": _error("Torn", f"page {dice.randrange(9)}", left[0])}
            story.at(at + 1).tell(NewEvent(Kind.NODE_FAILED, node=left[0], attempt=1, data=told))
        fail(story, f"page {dice.randrange(9)} is {dice.choice(['torn', 'empty'])}", at=at + 2)
    elif fate < 0.9:
        end(story, dice.choice(["completed", "completed", "terminated"]), after=at + 2)
    return story


def _error(kind, message, key=""):
    return {"node": key, "kind": kind, "message": message}


def _begin(story, key, at, attempt):
    told = {"worker": "w", "input": {}, "timeout_seconds": 5}
    story.at(at).tell(NewEvent(Kind.NODE_STARTED, node=key, attempt=attempt, data=told))


def _calls(story, key, at, attempt, dice):
    for _ in range(dice.randrange(3)):
        told = {
            "model": dice.choice(["small", "large"]), "input_tokens": 9, "output_tokens": 3,
            "cost": dice.choice(["0", "0.0000000001", "0.1234567891", "2.5"]),
        }  # fmt: skip
        story.at(at).tell(NewEvent(Kind.LLM_CALL, node=key, attempt=attempt, data=told))


def listed(link):
    """The runs that the list shows, as its address is read there."""
    wanted, errors = RunFilter.parse(QueryDict(link.partition("?")[2]))
    assert not errors, (link, errors)
    return wanted.apply(Run.objects.all(), NOW)


def cost_of(calls):
    return calls.aggregate(sum=Sum("cost"))["sum"] or Decimal(0)


def calls_in(runs, **more):
    return LLMCall.objects.filter(run__in=runs.values("pk"), **more)


def for_nothing(runs):
    """What the calls of failed attempts cost, by run."""
    attempts = Attempt.objects.filter(status__in=FOR_NOTHING).values_list(
        "run_id", "node__key", "number"
    )
    lost = set(attempts)
    found: dict = {}
    for each in calls_in(runs).values("run_id", "node", "attempt", "cost"):
        if (each["run_id"], each["node"], each["attempt"]) in lost and each["cost"]:
            found[each["run_id"]] = found.get(each["run_id"], 0) + each["cost"]
    return found


def check_failures(scope):
    found = failures(scope, None)
    failed, rate, retries, _ = found.figures
    if not failed.link:
        assert failed.value == 0
        return
    assert failed.value == listed(failed.link).count()
    assert all(run.state == "failed" for run in listed(failed.link))
    if rate.value is not None:
        ended = listed(scope.link()).finished().count()
        assert rate.value == pytest.approx(listed(rate.link).count() / ended)
    recovered = listed(retries.link).count() if retries.link else 0
    retried = listed(scope.link(state="failed", retried="yes") or "?workflow=none").count()
    assert (retries.value or 0) == pytest.approx(recovered / retried if retried else 0)
    assert sum(group.runs for group in found.groups) == failed.value
    for group in found.groups:
        assert group.runs == listed(group.link).count()
        told = [(group.retried, group.retried_link), (group.recovered, group.recovered_link)]
        for count, link in told:
            assert count == (listed(link).count() if link else 0)


def check_costs(scope):
    found = costs(scope, None)
    total, each, lost, again = found.figures
    runs = listed(total.link)
    assert total.value == sum((run.cost for run in runs), Decimal(0)) == cost_of(calls_in(runs))
    assert each.value == per(total.value, runs.count())
    spent = for_nothing(runs)
    assert lost.value == sum(spent.values())
    assert {run.pk for run in listed(lost.link)} == set(spent)
    if again.link:
        assert again.value == sum((run.cost for run in listed(again.link)), Decimal(0))
    else:
        assert again.value == 0
    lines = {each.name: each.lines for each in found.breakdowns}
    for line in (*lines["workflows"], *lines["people"]):
        assert line.cost == cost_of(calls_in(listed(line.link))), line.name
    for name in ("node", "model"):
        for line in lines[f"{name}s"]:
            # One field cannot name two nodes.
            if not line.link:
                assert getattr(scope.filter, name) not in ("", line.name)
                continue
            calls = calls_in(listed(line.link), **{name: line.name})
            assert (line.cost, line.count) == (cost_of(calls), calls.count())
            # A node may have been executed without a call.
            if name == "model":
                assert set(calls.values_list("run", flat=True)) == {
                    run.pk for run in listed(line.link)
                }


def check_durations(scope):
    found = durations(scope, None)
    median, most, longest, waited = found.figures
    for figure in (median, most, longest):
        runs = listed(figure.link)
        assert found.timed == runs.count()
        assert all(run.started_at and run.completed_at for run in runs)
    took = [(run.completed_at - run.started_at) / timedelta(milliseconds=1) for run in runs]
    assert (longest.value or 0) == max(took, default=0)
    assert waited.link == scope.link()
    for each in found.nodes:
        if not each.link:
            assert scope.filter.node not in ("", each.node)
            continue
        executed = Q(key=each.node, started_at__isnull=False, reused_from=None)
        rows = Node.objects.filter(executed, run__in=listed(each.link).values("pk"))
        assert each.executed == listed(each.link).count() == rows.count()
        failed = rows.filter(status="failed").count()
        assert each.failed == (listed(each.failed_link).count() if each.failed_link else failed)


def test_each_figure_is_what_its_runs_come_to(store):
    asked = 0
    for given in FILTERS:
        wanted = RunFilter(created_from=ZERO - timedelta(hours=1, seconds=3), **given)
        scope = scope_of(wanted, NOW)
        assert scope.rolled is (given in FILTERS[:2])
        check_failures(scope)
        check_costs(scope)
        check_durations(scope)
        if given in FILTERS[1:3]:
            check_bars(scope)
        asked += listed(scope.link()).exists()
    # Hardly any of them finds nothing, which would be right at once.
    assert asked == len(FILTERS)
    assert Node.objects.filter(reused_from__isnull=False).exists()
    assert Run.objects.aggregate(most=Max("cost"))["most"]
    check_plans()
    # The same for whom a part of the time is asked.
    part = replace(wanted, created_from=ZERO + timedelta(hours=3), created_to=NOW, timed="")
    check_costs(scope_of(part.with_(triggered_by="ben"), NOW))


def check_bars(scope):
    """Of a shorter time: there are many."""
    scope = scope_of(scope.filter.with_(created_to=ZERO + timedelta(hours=12)), NOW)
    found = failures(scope, None)
    bars = documents.failures(found)["trend"]
    assert all(bar["failed"] == listed(bar["link"]).count() for bar in bars)
    assert sum(bar["failed"] for bar in bars) == found.figures[0].value
    for bar in documents.costs(costs(scope, None))["trend"]:
        assert bar["cost"] == cost_of(calls_in(listed(bar["link"])))
    times = durations(scope, None)
    bars = documents.durations(times)["trend"]
    assert sum(listed(bar["link"]).count() for bar in bars) == times.timed
    assert all((bar["p50_ms"] is not None) == listed(bar["link"]).exists() for bar in bars)


def check_plans():
    """What is in runs is looked for in one after the other, never in all that there is."""
    for given in (
        {"node": "ocr"}, {"model": "large"}, {"spent": "failed"}, {"retried": "yes"},
        {"retried": "no"},
    ):  # fmt: skip
        runs = listed(RunFilter(created_from=ZERO, **given).query()).newest_first()
        plan = runs[:51].explain()
        assert "SubPlan" in plan, plan
        assert "hashed SubPlan" not in plan, plan
        assert "Join" not in plan.partition("SubPlan")[0], plan
