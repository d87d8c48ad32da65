"""``manage.py trpc_types``: the procedures of ``/api/trpc`` as TypeScript."""

from typing import Any

from django.core.management.base import BaseCommand

from runs.api.trpc.typescript import document


class Command(BaseCommand):
    help = "Writes what /api/trpc takes and gives as TypeScript, for the official client."
    requires_system_checks = []

    def handle(self, *args: Any, **options: Any) -> None:  # noqa: ARG002
        self.stdout.write(document(), ending="")
