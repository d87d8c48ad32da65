"""What the portal needs to run: whether each part is up, since when, and how the last day went."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.conf import settings
from django.core.validators import RegexValidator, URLValidator
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from runs.models.source import check_without_password

# So long a service's minutes are kept: the page shows a day.
MINUTES_KEPT = timedelta(hours=25)
# So long what is gone is kept, with its day: a worker that is started again goes on with it.
GONE_KEPT = timedelta(hours=1)


class Status(models.TextChoices):
    """In the order of how bad it is."""

    UP = "up", "Up"
    # Nobody can tell: what would tell is away itself.
    UNKNOWN = "unknown", "Unknown"
    DEGRADED = "degraded", "Degraded"
    DOWN = "down", "Down"


SEVERITY = {status: rank for rank, status in enumerate(Status)}


class Kind(models.TextChoices):
    """In the order of the page."""

    DATABASE = "database", "Database"
    BROKER = "broker", "Broker"
    STORAGE = "storage", "Object storage"
    WORKER = "worker", "Worker"
    BEAT = "beat", "Beat"
    STREAMS = "streams", "Streams"
    QUEUE = "queue", "Queue"
    OUTBOX = "outbox", "Change feed"
    ARCHIVE = "archive", "Archive"
    SOURCE = "source", "Source"
    BACKEND = "backend", "Backend"


class ServiceQuerySet(models.QuerySet["Service"]):
    def present(self) -> ServiceQuerySet:
        """Those that the last look found: the others are gone, and kept for when they come back."""
        newest = Service.objects.order_by().aggregate(at=models.Max("checked_at"))["at"]
        return self.filter(checked_at=newest)


class Service(models.Model):
    """A part as it was found last. Only `runs.services.record` writes here."""

    key = models.CharField(max_length=200, unique=True)
    kind = models.CharField(max_length=10, choices=Kind)
    name = models.CharField(max_length=200)
    status = models.CharField(max_length=8, choices=Status)
    since = models.DateTimeField()
    checked_at = models.DateTimeField()
    latency_ms = models.FloatField(null=True)
    words = models.CharField(max_length=500, blank=True)
    # What a person can do about it.
    act = models.CharField(max_length=500, blank=True)
    # {"facts": [[label, words], …], "tasks": […], "link": [label, address, permission] or null}
    details = models.JSONField(default=dict)

    objects = ServiceQuerySet.as_manager()

    class Meta:
        db_table = "services"
        default_permissions = ("view",)
        ordering = ["key"]
        constraints = [
            models.CheckConstraint(condition=Q(kind__in=Kind.values), name="services_kind"),
            models.CheckConstraint(condition=Q(status__in=Status.values), name="services_status"),
        ]

    def __str__(self) -> str:
        return self.name


class ServiceMinute(models.Model):
    """The worst that was found of a service within a minute, and its longest latency."""

    service = models.ForeignKey(
        Service, on_delete=models.CASCADE, related_name="minutes", db_index=False
    )
    minute = models.DateTimeField()
    severity = models.SmallIntegerField()
    latency_ms = models.FloatField(null=True)

    class Meta:
        db_table = "service_minutes"
        default_permissions = ()
        constraints = [
            models.UniqueConstraint(fields=["service", "minute"], name="service_minutes_of"),
        ]
        indexes = [models.Index(fields=["minute"], name="service_minutes_age")]

    def __str__(self) -> str:
        return f"{self.service_id} {self.minute}"


class Preset(models.TextChoices):
    """How a backend is asked."""

    HTTP = "http", "HTTP health"
    MARIE = "marie", "Marie-AI gateway"


class Backend(models.Model):
    """A system outside that runs depend on, asked by its address."""

    name = models.CharField(max_length=100, unique=True)
    url = models.CharField(
        "address", max_length=500, validators=[URLValidator(schemes=["http", "https"])],
        help_text="Of its health page; of a Marie-AI gateway, the address of the gateway alone,"
        " such as https://marie.example.",
    )  # fmt: skip
    preset = models.CharField("kind", max_length=10, choices=Preset, default=Preset.HTTP)
    secret = models.CharField(
        max_length=64, blank=True,
        validators=[RegexValidator(r"^[A-Za-z_][A-Za-z0-9_]*\Z", "The name of a secret.")],
        help_text="The name of a secret that is sent as its bearer token: MARIE stands for the"
        " value of NODE_SECRET_MARIE.",
    )  # fmt: skip
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, editable=False,
        related_name="+",
    )  # fmt: skip

    class Meta:
        db_table = "backends"
        ordering = ["name"]
        constraints = [
            models.CheckConstraint(condition=Q(preset__in=Preset.values), name="backends_preset"),
        ]

    def __str__(self) -> str:
        return self.name

    def clean(self) -> None:
        check_without_password("url", self.url)


def minute_of(moment: datetime) -> datetime:
    return moment.replace(second=0, microsecond=0)
