"""A host whose clock is wrong: by the seconds that stand in a file, which may change."""

import os
from datetime import timedelta
from pathlib import Path

from django.utils import timezone


def install() -> None:
    """As the environment says; without a word of it the clock is right."""
    file = os.environ.get("PROBE_CLOCK")
    if not file:
        return
    right = timezone.now

    def now():
        return right() + timedelta(seconds=float(Path(file).read_text()))

    timezone.now = now
