"""SQL expressions that an index and the reads which use it must write alike."""

from django.db import models
from django.db.models import F, Func
from django.db.models.functions import Coalesce, Now


class IdEnd(Func):
    """The last five bytes of a UUID: what the last eight characters of a public id say."""

    template = "substr(uuid_send(%(expressions)s), 12)"
    output_field = models.BinaryField()


class Words(Func):
    """Columns that are never null, joined by spaces. Concat would provide for nulls."""

    template = "(%(expressions)s)"
    arg_joiner = " || ' ' || "
    output_field = models.TextField()


class Difference(Func):
    template = "(%(expressions)s)"
    arg_joiner = " - "
    output_field = models.DurationField()


def error_words() -> Words:
    return Words("error_node", "error_kind", "error_message")


def elapsed() -> Difference:
    """From a run's start to its end or, while it is active, to the present; null before."""
    return Difference(Coalesce(F("completed_at"), Now()), F("started_at"))
