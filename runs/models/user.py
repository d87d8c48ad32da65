"""The portal's accounts."""

import zoneinfo

from django.contrib.auth.models import AbstractUser
from django.contrib.postgres.fields import ArrayField
from django.core.exceptions import ValidationError
from django.db import models

from runs import ids
from runs.actors import Actor


def check_zone(name: str) -> None:
    if name not in zoneinfo.available_timezones():
        raise ValidationError(f"“{name}” is not a time zone; one is “Europe/Berlin”.")


class User(AbstractUser):
    id = models.UUIDField(primary_key=True, default=ids.new_id, editable=False)
    time_zone = models.CharField(
        max_length=64,
        default="UTC",
        validators=[check_zone],
        help_text="Every time on the portal's pages is shown in this zone.",
    )
    # The view that the bare link to the list opens, and the columns that it shows; none: all runs,
    # and the usual columns.
    default_view = models.ForeignKey(
        "runs.SavedView", on_delete=models.SET_NULL, null=True, blank=True, related_name="+"
    )
    list_columns = ArrayField(models.CharField(max_length=20), default=list, blank=True)

    # Where the request came from that this account makes, and by which API token: its prefix.
    address: str | None = None
    via: str = ""

    @property
    def public_id(self) -> str:
        return ids.encode("user", self.id)

    def as_actor(self) -> Actor:
        return Actor(
            name=self.get_username(),
            ref_type="token" if self.via else "user",
            ref_id=self.public_id,
            address=self.address,
            via=self.via,
        )
