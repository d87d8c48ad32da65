"""Requests that may be sent again: `Idempotency-Key`."""

from __future__ import annotations

from drf_spectacular.utils import OpenApiParameter
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request

from runs.models.idempotency import KEY_LENGTH

KEY_HEADER = "Idempotency-Key"

KEY = OpenApiParameter(
    KEY_HEADER,
    location=OpenApiParameter.HEADER,
    description=(
        "A word of yours for this request, 255 characters at most. Sent again within 24 hours with"
        " the same body it starts nothing and gives the same answer; with another body it is"
        " refused."
    ),
)
REPEATED = OpenApiParameter(
    "Idempotency-Replayed", bool, OpenApiParameter.HEADER, response=[201, 202],
    description="true: this is the answer to an earlier request with the same key.",
)  # fmt: skip


def key_of(request: Request) -> str | None:
    key = request.headers.get(KEY_HEADER)
    if key is None:
        return None
    if not (1 <= len(key) <= KEY_LENGTH and key.isascii() and key.isprintable()):
        said = f"1 to {KEY_LENGTH} printable ASCII characters."
        raise ValidationError({KEY_HEADER: [said]})
    return key
