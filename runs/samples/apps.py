from importlib import import_module

from django.apps import AppConfig

EXECUTORS = (
    "pdf", "invoices", "items", "suppliers", "currencies", "decisions", "report", "bank",
    "month_end",
)  # fmt: skip


class SamplesConfig(AppConfig):
    name = "runs.samples"
    label = "samples"

    def ready(self) -> None:
        for module in EXECUTORS:
            import_module(f"{self.name}.{module}")
