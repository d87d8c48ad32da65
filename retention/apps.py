from django.apps import AppConfig


class RetentionConfig(AppConfig):
    name = "retention"
    verbose_name = "Retention"

    def ready(self) -> None:
        from retention.terms import current
        from runs import restore_days

        restore_days.provide(lambda: current().restore_days)
