"""``manage.py backup FOLDER``: the database as it is at one instant, while the portal goes on."""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from runs import backups


class Command(BaseCommand):
    help = "Backs the database up into a new folder, with a manifest of what it holds."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("folder", type=Path)
        parser.add_argument("--jobs", type=int, default=backups.JOBS, help="tables at a time")

    def handle(self, *args: Any, **options: Any) -> None:  # noqa: ARG002
        folder, jobs = options["folder"], options["jobs"]
        try:
            manifest = backups.backup(folder, now=timezone.now(), say=self.stdout.write, jobs=jobs)
        except backups.FAILURES as error:
            raise CommandError(str(error)) from None
        rows = sum(table["rows"] for table in manifest["tables"].values())
        self.stdout.write(f"{folder}: {rows:,} rows of {len(manifest['tables'])} tables.")
