"""Whether a call to a webhook comes from who knows its secret.

Two ways to sign are understood. ``standard`` is the open Standard Webhooks: headers
``webhook-id``, ``webhook-timestamp`` (Unix seconds) and ``webhook-signature`` (``v1,`` and the
base64 of an HMAC-SHA256 over “id.timestamp.body”, several with spaces between them). ``github`` is
what GitHub and many others send: ``X-Hub-Signature-256``, ``sha256=`` and the hexadecimal
HMAC-SHA256 of the body; it has no time, so the same body counts once.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import NamedTuple

from django.conf import settings

from runs.models import Trigger
from runs.triggers.rule import Webhook

PREFIX = "whsec_"
MAX_ID = 150


class SignatureError(ValueError):
    """Why the call is not believed; the message is fit for its sender."""


class TooOld(SignatureError):  # noqa: N818
    """It is true, and was sent too long ago, or by a clock that is ahead of ours."""


class Signed(NamedTuple):
    # By this a repeated call is known.
    key: str


def secret_of(trigger: Trigger) -> str:
    """As it is shown: ``whsec_…``. It is computed and stands nowhere in the database."""
    return PREFIX + base64.b64encode(_key(settings.SECRET_KEY, trigger)).decode()


def check(trigger: Trigger, when: Webhook, headers: Mapping[str, str], body: bytes,
          now: datetime) -> Signed:  # fmt: skip
    """Raises SignatureError. `headers` are looked up in small letters."""
    if when.scheme == "github":
        return _github(trigger, headers, body)
    return _standard(trigger, when, headers, body, now)


def _keys(trigger: Trigger) -> Iterable[bytes]:
    """Also of former values of SECRET_KEY, as long as the settings name them."""
    for key in (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS):
        yield _key(key, trigger)


def _key(secret_key: str | bytes, trigger: Trigger) -> bytes:
    base = secret_key if isinstance(secret_key, bytes) else secret_key.encode()
    return hmac.digest(base, f"runs.webhook:{trigger.hook}:{trigger.salt}".encode(), "sha256")


def _standard(
    trigger: Trigger, when: Webhook, headers: Mapping[str, str], body: bytes, now: datetime
) -> Signed:
    names = ("webhook-id", "webhook-timestamp", "webhook-signature")
    if missing := [name for name in names if not headers.get(name)]:
        raise SignatureError(f"no header {', '.join(missing)}")
    own_id, stamp, given = (headers[name] for name in names)
    if len(own_id) > MAX_ID or not (own_id.isascii() and own_id.isprintable()):
        raise SignatureError(f"webhook-id is at most {MAX_ID} printable ASCII characters")
    try:
        sent = datetime.fromtimestamp(int(stamp), UTC)
    except (ValueError, OverflowError, OSError):
        raise SignatureError("webhook-timestamp is no time in Unix seconds") from None
    # Whether it is true first: who cannot sign learns nothing of our clock.
    signed = b".".join((own_id.encode(), stamp.encode(), body))
    offered = [text.removeprefix("v1,") for text in given.split(" ")[:10] if text.startswith("v1,")]
    if not any(_is_true(key, signed, _unbased(text)) for key in _keys(trigger) for text in offered):
        raise SignatureError("the signature is not right")
    age = (now - sent).total_seconds()
    if abs(age) > when.window_seconds:
        raise TooOld(
            f"it was signed {abs(age):,.0f} s {'ago' if age > 0 else 'ahead of our time'};"
            f" at most {when.window_seconds:,} s are allowed"
        )
    return Signed(f"call:{own_id}")


def _github(trigger: Trigger, headers: Mapping[str, str], body: bytes) -> Signed:
    given = headers.get("x-hub-signature-256", "")
    if not given.startswith("sha256="):
        raise SignatureError("no header X-Hub-Signature-256 with “sha256=”")
    try:
        offered = bytes.fromhex(given.removeprefix("sha256="))
    except ValueError:
        offered = b""
    # What the page shows is the secret itself for these senders.
    shown = (PREFIX + base64.b64encode(key).decode() for key in _keys(trigger))
    if not any(_is_true(text.encode(), body, offered) for text in shown):
        raise SignatureError("the signature is not right")
    # The delivery's id is not signed: by the body a call that somebody recorded is known again.
    return Signed(f"body:{hashlib.sha256(body).hexdigest()}")


def _is_true(key: bytes, signed: bytes, offered: bytes) -> bool:
    return hmac.compare_digest(hmac.digest(key, signed, "sha256"), offered)


def _unbased(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return b""
