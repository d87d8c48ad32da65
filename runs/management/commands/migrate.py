"""Django's ``migrate``, beside a portal that goes on: see ``runs.migrating``."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandParser
from django.core.management.commands import migrate

from runs import migrating


class Command(migrate.Command):
    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument(
            "--lock-seconds", type=float, default=migrating.LOCK_SECONDS,
            help="that a statement waits for a lock before it lets others through"
            f" (default: {migrating.LOCK_SECONDS:g})",
        )  # fmt: skip
        parser.add_argument(
            "--patience", type=float, default=migrating.PATIENCE,
            help=f"seconds for which a migration is tried (default: {migrating.PATIENCE:g})",
        )  # fmt: skip

    def handle(self, *args: Any, **options: Any) -> None:
        lock_seconds, patience = options.pop("lock_seconds"), options.pop("patience")
        with migrating.patient_executor(
            migrate,
            lock_seconds=lock_seconds,
            pause=min(migrating.PAUSE, max(0.1, lock_seconds)),
            patience=patience,
            say=staticmethod(self.stdout.write),
        ):
            super().handle(*args, **options)
