"""``manage.py after_restore NAME``: for a database that was brought back by other means, such as
pg_restore or a snapshot of the disk. ``manage.py restore`` does the same by itself."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand
from django.utils import timezone

from runs import backups


class Command(BaseCommand):
    help = "Makes a restored database ready for the portal, before it is started."
    requires_migrations_checks = False

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("name", help="what was restored, for the audit")

    def handle(self, *args: Any, **options: Any) -> None:  # noqa: ARG002
        backups.after_restore(options["name"], now=timezone.now())
        self.stdout.write("The database is ready. Now run migrate, and start the portal.")
