"""``manage.py restore FOLDER``: a backup, into the new database that DATABASE_URL names."""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from runs import backups


class Command(BaseCommand):
    help = "Restores a backup into an empty database, and proves that all of it is there."
    # There is nothing to check before there are tables.
    requires_migrations_checks = False

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("folder", type=Path)
        parser.add_argument("--jobs", type=int, default=backups.JOBS, help="tables at a time")

    def handle(self, *args: Any, **options: Any) -> None:  # noqa: ARG002
        folder, jobs = options["folder"], options["jobs"]
        try:
            manifest = backups.restore(folder, now=timezone.now(), say=self.stdout.write, jobs=jobs)
        except backups.FAILURES as error:
            raise CommandError(str(error)) from None
        rows = sum(table["rows"] for table in manifest["tables"].values())
        self.stdout.write(
            f"All {rows:,} rows of {len(manifest['tables'])} tables are there, of"
            f" {manifest['made_at']}. Now run migrate, and start the portal."
        )
