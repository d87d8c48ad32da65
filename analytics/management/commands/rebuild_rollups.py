"""Counts every rollup anew, from the runs themselves."""

import time
from typing import Any

from django.core.management.base import BaseCommand
from django.utils import timezone

from analytics import upkeep


class Command(BaseCommand):
    help = "Count the figures of the analysis anew, from runs, nodes, attempts and model calls."

    def handle(self, **options: Any) -> None:  # noqa: ARG002
        begun = time.monotonic()
        counted = upkeep.rebuild(timezone.now())
        print(f"{counted:,} hours and days were counted, in {time.monotonic() - begun:,.0f} s.")
