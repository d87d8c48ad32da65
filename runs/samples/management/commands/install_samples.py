from typing import Any

from django.core.management.base import BaseCommand

from runs.samples.install import install


class Command(BaseCommand):
    help = "Publish the sample workflows and put their documents into storage."

    def handle(self, *args: Any, **options: Any) -> None:  # noqa: ARG002
        installed = install()
        self.stdout.write(
            f"{', '.join(installed.workflows)}; {installed.documents} documents, "
            f"{installed.placed} of them new"
        )
