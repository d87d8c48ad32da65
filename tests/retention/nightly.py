"""Runs of some age, and executions that are worked at until they end."""

from datetime import timedelta

from django.utils import timezone

from retention import executions, work
from retention.models import Execution, Policy
from runs.actors import Actor
from runs.models import Run
from runs.rows import NewEvent
from runs.states import Kind
from tests.runs.stories import Story, node, publish

ANNA = Actor(name="anna", ref_type="user", ref_id="user_anna")
FOLDER = "django.core.files.storage.FileSystemStorage"


class Killed(BaseException):
    """As SIGKILL: nothing of ours handles it."""


def storage_in(settings, path):
    settings.STORAGES = {
        **settings.STORAGES,
        "default": {"BACKEND": FOLDER, "OPTIONS": {"location": str(path)}},
    }


def ended(version, days, state="completed", lines=2):
    """A run that ended so many days ago; gives its id."""
    story = Story(version, zero=timezone.now() - timedelta(days=days, seconds=10))
    story.at(1).active()
    story.tell(
        *(
            NewEvent(Kind.LOG, node="ocr", data={"level": "info", "message": f"line {i}"})
            for i in range(lines)
        )
    )
    story.at(2).state("active", state)
    return story.id


def workflow(slug="invoice_processing"):
    return publish(node("ocr"), node("extract", "ocr"), slug=slug)


def policy(**fields):
    Policy.objects.update_or_create(pk=1, defaults={"nights_from": None, **fields})


def begin(kind="archive", **more):
    return executions.begin(kind, by=ANNA, now=timezone.now(), **more)


def until_ended(execution, most=200, seconds=0.0):
    """Slice after slice; a worker that was killed is not waited for."""
    for _ in range(most):
        work.work(execution.pk, seconds)
        execution.refresh_from_db()
        if not execution.is_running:
            return execution
        lease_is_over(execution)
    raise AssertionError(f"it does not end: {execution.cursor} {execution.trouble}")


def lease_is_over(execution):
    Execution.objects.filter(pk=execution.pk).update(taken_until=None, next_at=None)


def logs_of(run_ids):
    found = dict(Run.objects.filter(pk__in=run_ids).values_list("pk", "logs"))
    return [found.get(run_id) for run_id in run_ids]


def stored(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())
