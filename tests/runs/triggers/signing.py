"""Calls as senders sign them: by the open library, and by hand from what is specified."""

import base64
import hashlib
import hmac
import json
from datetime import timedelta

from django.utils import timezone
from standardwebhooks import Webhook


def standard(secret, body, call_id="msg_1", ago=0):
    """Headers of Standard Webhooks, made by the library of that name."""
    at = timezone.now() - timedelta(seconds=ago)
    return {
        "webhook-id": call_id,
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": Webhook(secret).sign(call_id, at, body.decode()),
    }


def by_hand(secret, body, call_id="msg_1", ago=0):
    """The same from the specification: whatever bytes the body has."""
    stamp = str(int((timezone.now() - timedelta(seconds=ago)).timestamp()))
    key = base64.b64decode(secret.removeprefix("whsec_"))
    signed = b".".join((call_id.encode(), stamp.encode(), body))
    made = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    return {
        "webhook-id": call_id,
        "webhook-timestamp": stamp,
        "webhook-signature": f"v1,{made}",
    }


def github(secret, body):
    made = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    return {"X-Hub-Signature-256": f"sha256={made}"}


def written(value):
    return json.dumps(value).encode()
