"""Runs that ended when a test says."""

from datetime import timedelta

from django.utils import timezone

from runs import recorder
from runs.rows import NewEvent
from runs.states import Kind
from tests.runs.stories import Story


def ended(version, state, at, lines=0):
    """A run that ended in `state` at `at`; gives its id."""
    story = Story(version, zero=at - timedelta(seconds=10))
    story.at(1).active()
    if lines:
        story.lines("ocr", lines)
    story.at(10).state("active", state, reason="as told")
    return story.id


def late(run_id):
    line = NewEvent(Kind.LOG, node="ocr", data={"level": "info", "message": "late"})
    recorder.record({run_id: [line]}, now=timezone.now())
