"""Runs told event by event, at given seconds: what the tests of the run's page look at."""

from datetime import UTC, datetime, timedelta

from django.db import transaction
from django.utils import timezone

from runs import archiving, ids, lifecycle, recorder
from runs.actors import Actor
from runs.models import Lease, ReadyNode, Run, Workflow
from runs.rows import NewEvent
from runs.states import Kind
from runs.stuck.tasks import find_stuck

LONG_AGO = datetime(2026, 3, 2, 13, 54, 7, 112_000, tzinfo=UTC)


def node(key, *needs, **fields):
    return {
        "id": key,
        "kind": "executor",
        "executor": fields.pop("executor", f"probe.{key}"),
        "needs": list(needs),
        **fields,
    }


def publish(*nodes, slug="invoice_processing", **fields):
    return Workflow.objects.publish(slug, {"nodes": list(nodes), **fields})


class Story:
    """A run that is recorded as it is told; `at(3)` moves its clock to three seconds after 0."""

    def __init__(self, version, *, zero=LONG_AGO, data=None, by="maria", retry_of=None, **created):
        self.zero, self.version = zero, version
        self.clock = zero
        self.id = ids.new_id()
        first = {
            "input": {"document": "inv-88213.pdf"} if data is None else data,
            "workflow": version.workflow.slug,
            "version": version.number,
            "trigger": "manual",
        }
        if retry_of is not None:
            first["retry_of"] = retry_of.public_id
        new = recorder.NewRun(
            id=self.id,
            workflow_id=version.workflow_id,
            version_id=version.pk,
            trigger="manual",
            triggered_by=by,
            ref_type=created.get("ref_type", "user"),
            ref_id=created.get("ref_id", "user_01k9f4r2m8c6v0e5t7q3x1k3m9"),
            events=[NewEvent(Kind.RUN_CREATED, actor=by, data=first)],
            nodes=[
                (each["id"], each["kind"], each.get("executor", ""))
                for each in version.definition["nodes"]
            ],
            retry_of=retry_of.pk if retry_of else None,
            first=(retry_of.first_id or retry_of.pk) if retry_of else None,
        )
        recorder.create([new], now=zero)

    @property
    def run(self):
        return Run.objects.select_related("workflow", "version").get(pk=self.id)

    @property
    def public_id(self):
        return ids.encode("run", self.id)

    def at(self, seconds):
        self.clock = self.zero + timedelta(seconds=seconds)
        return self

    def tell(self, *events):
        # Nobody executes these runs: a portal that is up must neither begin their nodes nor
        # look for the workers that have them.
        with transaction.atomic():
            recorder.record({self.id: events}, now=self.clock)
            ReadyNode.objects.filter(run=self.id).delete()
            Lease.objects.filter(run=self.id).delete()
        return self

    def state(self, before, after, *, actor="", **data):
        data = {"from": before, "to": after, **data}
        return self.tell(NewEvent(Kind.STATE_CHANGED, actor=actor, data=data))

    def active(self):
        return self.state("created", "active")

    def queue(self, *keys):
        return self.tell(*(NewEvent(Kind.NODE_QUEUED, node=key) for key in keys))

    def start(self, key, attempt=1, *, worker="worker-2", data=None):
        told = {"worker": worker, "input": data or {"key": key}, "timeout_seconds": 300}
        return self.tell(NewEvent(Kind.NODE_STARTED, node=key, attempt=attempt, data=told))

    def complete(self, key, attempt=1, output=None):
        told = {"output": {"text": f"{key} done"} if output is None else output}
        return self.tell(NewEvent(Kind.NODE_COMPLETED, node=key, attempt=attempt, data=told))

    def fail(self, key, attempt=1, *, kind="Boom", message="it broke", again=None, **data):
        trace = "finance/checks.py:88  check_totals\n  compare_totals(lines, doc.total)"
        data["error"] = {"kind": kind, "message": message, "trace": trace}
        if again is not None:
            data["retry_at"] = (self.clock + timedelta(seconds=again)).isoformat()
        return self.tell(NewEvent(Kind.NODE_FAILED, node=key, attempt=attempt, data=data))

    def skip(self, reason, *keys):
        return self.tell(
            *(NewEvent(Kind.NODE_SKIPPED, node=key, data={"reason": reason}) for key in keys)
        )

    def found(self):
        """What is stuck is looked for, as every 15 seconds."""
        find_stuck()
        return self

    def log(self, key, message, attempt=1, level="info"):
        told = {"level": level, "message": message}
        return self.tell(NewEvent(Kind.LOG, node=key, attempt=attempt, data=told))

    def lines(self, key, count):
        """Many log lines at once."""
        for first in range(0, count, 5_000):
            numbers = range(first, min(first + 5_000, count))
            told = [{"level": "info", "message": f"line {number}"} for number in numbers]
            self.tell(*(NewEvent(Kind.LOG, node=key, attempt=1, data=data) for data in told))
        return self

    def call(self, key, attempt=1, cost="0.0184", tokens=(11_402, 1_830, 0)):
        told = {
            "model": "gpt-4.1-mini",
            "input_tokens": tokens[0],
            "output_tokens": tokens[1],
            "cached_tokens": tokens[2],
            "cost": cost,
        }
        return self.tell(NewEvent(Kind.LLM_CALL, node=key, attempt=attempt, data=told))

    def late(self, key, attempt=1, outcome="completed"):
        told = {"outcome": outcome, "output": {"text": "too late"}}
        return self.tell(NewEvent(Kind.LATE_RESULT, node=key, attempt=attempt, data=told))

    def fail_run(self, error):
        return self.state("active", "failed", reason=f"{error['node']} failed", error=error)

    def terminate(self, reason="wrong month", by="maria"):
        return self.state("active", "terminated", actor=by, reason=reason)

    def archive(self):
        """Its log, in the storage of the settings."""
        assert archiving.archive([self.id]).archived
        return self

    def delete(self, reason="test data"):
        by = Actor(name="maria", ref_type="user", ref_id="user_maria")
        lifecycle.delete(Run.objects.filter(pk=self.id), by=by, reason=reason)


# The mock-up's run: seven nodes, one with a retry, one that fails for good.
INVOICE = (
    node("extract_text", executor="ocr.extract_text"),
    node("classify", "extract_text", executor="model.classify"),
    node("extract_fields", "extract_text", executor="model.extract_fields", retries=2),
    node("human_review", "classify", "extract_fields", executor="desk.review"),
    node("check_totals", "human_review", executor="finance.check_totals", retries=2),
    node("route", "check_totals", executor="finance.route"),
    node("write_result", "route", executor="erp.write_result"),
)


def failed_invoice(zero=LONG_AGO, **options):
    """Fails at check_totals after three attempts, 132.2 s after it was created."""
    told = Story(publish(*INVOICE), zero=zero, **options)
    told.at(0.2).queue("extract_text").at(4.182).active().start("extract_text")
    told.at(9).log("extract_text", "page 1 of 3 has text").log("extract_text", "page 2 is a scan")
    told.at(21.8).complete("extract_text", output={"text": "INVOICE " * 2_000, "pages": 3})
    told.queue("classify", "extract_fields").at(23).start("extract_fields", worker="worker-1")
    told.at(25).start("classify").at(30.9).log("classify", "no stamp found", level="warning")
    told.at(31).fail("extract_fields", kind="RateLimited", message="429 from model server", again=6)
    told.at(32).call("classify", tokens=(2_778, 46, 0), cost="0.0061")
    told.at(33.1).complete("classify").at(37).start("extract_fields", 2, worker="worker-1")
    told.at(58.5).call("extract_fields", 2, tokens=(11_402, 1_830, 2_048))
    told.at(58.9).complete("extract_fields", 2).queue("human_review")
    told.at(60).start("human_review").at(99).complete("human_review").queue("check_totals")
    error = {
        "kind": "TotalsMismatch",
        "message": "line items sum to 1,204.50, document says 1,240.50",
    }
    told.at(99.2).start("check_totals").at(103.6).fail("check_totals", **error, again=8)
    told.at(111.6).start("check_totals", 2).at(115.9).fail("check_totals", 2, **error, again=11)
    told.at(127.6).start("check_totals", 3).at(132.2).fail("check_totals", 3, **error)
    told.skip("check_totals failed", "route", "write_result")
    reason = "check_totals failed after 3 attempts"
    return told.state("active", "failed", reason=reason, error={"node": "check_totals", **error})


def slow_scan(slug="scan_and_read"):
    """Reads for 30 s, where five runs before it took 4 s."""
    version = publish(node("scan"), node("read", "scan"), slug=slug)
    for minute, seconds in enumerate((4, 4, 4, 4, 4, 30)):
        told = Story(version, zero=LONG_AGO + timedelta(minutes=minute)).at(1).active()
        told.queue("scan").start("scan").at(4).complete("scan").queue("read").start("read")
        told.call("read", cost="0.0042").at(4 + seconds).complete("read")
        told.state("active", "completed")
    return told


def ago(seconds):
    return timezone.now() - timedelta(seconds=seconds)


def active_invoice(seconds=70):
    """Began `seconds` ago: two nodes done, one in its second attempt, one running."""
    told = Story(publish(*INVOICE), zero=ago(seconds))
    told.at(0.1).queue("extract_text").at(2).active().start("extract_text")
    told.at(18).complete("extract_text").queue("classify", "extract_fields")
    told.at(20).start("extract_fields", worker="worker-1").at(21).start("classify")
    told.at(26).fail("extract_fields", kind="RateLimited", message="429", again=6)
    told.at(30).call("classify").complete("classify").at(33).start("extract_fields", 2)
    told.at(35).log("extract_fields", "asking the model for 14 fields", 2)
    progress = NewEvent(Kind.PROGRESS, "extract_fields", 2, data={"done": 6, "total": 14})
    return told.tell(progress)


def queued_invoice():
    return Story(publish(*INVOICE), zero=ago(3)).queue("extract_text")


def draining_invoice(seconds=70, since=12):
    """Terminated `since` seconds ago while two nodes were in flight."""
    version = publish(
        node("fetch"), node("scan", "fetch"), node("read", "fetch"), node("join", "scan", "read"),
        slug="monthly_import",
    )  # fmt: skip
    told = Story(version, zero=ago(seconds), by="erp-sync")
    told.queue("fetch").at(1).active().start("fetch").at(9).complete("fetch").queue("scan", "read")
    told.at(10).start("scan").at(14).start("read", worker="worker-1")
    return told.at(seconds - since).terminate("imported the wrong month")


def completed_run(zero=LONG_AGO):
    version = publish(node("load"), node("sum", "load"), slug="nightly_report")
    told = Story(version, zero=zero, by="scheduler", ref_type="schedule", ref_id="nightly")
    told.queue("load").at(0.4).active().start("load").at(1.1).complete("load").queue("sum")
    told.at(1.15).start("sum").at(1.9).complete("sum", output={"rows": 1_204, "total": "93.10"})
    return told.state("active", "completed")


def refused_run(zero=LONG_AGO):
    """Its input did not fit the workflow's schema."""
    told = Story(publish(*INVOICE), zero=zero, data={"document": 7})
    keys = [each["id"] for each in INVOICE]
    error = {"node": "", "kind": "InputInvalid", "message": "document must be text, not a number"}
    told.skip("not started", *keys)
    return told.state("created", "failed", reason=error["message"], error=error)


HOSTILE = "<script>window.pwned = 1</script><img src=x onerror='window.pwned = 1'>"


def hostile_run():
    """Markup, templates and text from right to left wherever a sender can put text."""
    version = publish(node("show"), node("next", "show"), slug="hostile")
    told = Story(version, zero=ago(60), data={HOSTILE: HOSTILE}, by=HOSTILE, ref_id=HOSTILE)
    told.queue("show").at(1).active().start("show", worker=HOSTILE, data={"x": f"</pre>{HOSTILE}"})
    for message in (HOSTILE, "\u202egnp.exe \u2066 left open", "שלום עולם 123", "{{ 7 * 7 }} ${1}"):
        told.log("show", message)
    told.at(3).fail("show", kind=HOSTILE, message=HOSTILE).skip(HOSTILE, "next")
    error = {"node": "show", "kind": HOSTILE, "message": HOSTILE}
    return told.state("active", "failed", reason=HOSTILE, error=error)


def long_run(lines=50_000):
    told = Story(publish(node("read"), slug="long"), zero=ago(60))
    return told.queue("read").active().start("read").lines("read", lines)


def large_run(output=60_000):
    """Its output is too large to stand in a page."""
    told = Story(publish(node("make"), slug="large"), zero=ago(60)).queue("make").active()
    rows = [{"id": number, "name": f"row {number}"} for number in range(output // 30)]
    return told.start("make").complete("make", output={"rows": rows}).state("active", "completed")


def wide_run(count=1_000):
    """Many nodes, of which every hundredth has run."""
    keys = [f"n{number:03}" for number in range(count)]
    told = Story(publish(*(node(key) for key in keys), slug="wide"), zero=ago(600))
    told.queue(*keys).at(1).active()
    for number, key in enumerate(keys[::100]):
        told.at(1 + number).start(key).at(3 + number).complete(key)
    return told


def queued_run(slug="claims_intake", seconds=0, by="maria"):
    """Created `seconds` ago, with nothing to do for a worker."""
    return Story(
        publish(node("first"), node("second", "first"), slug=slug), zero=ago(seconds), by=by
    )


def failed_runs(slug, count):
    """So many; gives the newest."""
    version = publish(node("first"), slug=slug)
    for seconds in range(count, 0, -1):
        story = Story(version, zero=ago(seconds)).active()
        story.start("first")
        story.fail("first")
        story.fail_run({"node": "first", "kind": "Boom", "message": "it broke"})
    return story


def silent_run(minutes=30):
    """A worker has its first node for so long, renews its lease, and tells nothing."""
    zero = timezone.now() - timedelta(minutes=minutes)
    version = publish(
        node("collect", executor="samples.collect_runs", input={"day": "$.data.day"}),
        slug="silent_work",
    )
    told = Story(version, zero=zero, data={"day": "2026-03-02"})
    told.queue("collect").active().at(1).start("collect")
    own = told.run.nodes.get(key="collect")
    Lease.objects.create(
        node=own, run_id=told.id, attempt=1, worker="worker-2", renewed_at=timezone.now(),
        expires_at=timezone.now() + timedelta(hours=1),
        deadline=zero + timedelta(minutes=minutes + 1),
    )  # fmt: skip
    return told


def unserved_run(queue="gpu-large", minutes=9):
    """Its node waits in a queue that no worker takes from."""
    told = Story(publish(node("embed"), slug="embedding"))
    told.zero = told.clock = timezone.now() - timedelta(minutes=minutes)
    recorder.record({told.id: [NewEvent(Kind.NODE_QUEUED, node="embed")]}, now=told.clock)
    ReadyNode.objects.filter(run=told.id).update(queue=queue)
    return told


def losing_run():
    """Two workers ended at the same node; it is to be given to a third."""
    told = Story(publish(node("render"), slug="rendering"), zero=timezone.now())
    told.queue("render").active()
    for number in (1, 2):
        told.start("render", number, worker=f"gpu-host-{number}")
        told.fail(
            "render", number, kind="WorkerLost", again=3_600, lost=True,
            message=f"worker gpu-host-{number} was ended by SIGKILL",
        )  # fmt: skip
    again = told.clock + timedelta(hours=1)
    ReadyNode.objects.create(node=told.run.nodes.get(key="render"), run_id=told.id, ready_at=again)
    return told
