from django.apps import AppConfig


class ProbeConfig(AppConfig):
    name = "tests.probe"
    label = "probe"

    def ready(self) -> None:
        from tests.probe import clock, executors, unruly  # noqa: F401

        clock.install()
