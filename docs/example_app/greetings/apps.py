from django.apps import AppConfig


class GreetingsConfig(AppConfig):
    name = "greetings"

    def ready(self):
        from greetings import executors  # noqa: F401 (registers them)
