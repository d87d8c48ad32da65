"""Who asks for operations: by the API, with a token, and again until there is an answer."""

from __future__ import annotations

import http.client
import json
import random
import time
import uuid
from collections.abc import Callable, Mapping
from typing import Any

from django.utils import timezone

from runs import ids, tokens
from runs.filters import RunFilter
from runs.models import User
from tests.chaos.processes import Failed

PATIENCE = 90.0


class Operator:
    def __init__(self, port: int, dice: random.Random) -> None:
        self._port, self._dice = port, dice
        self._token = _token()
        # What befalls the portal while an answer is waited for; calls that were sent again.
        self.meanwhile: Callable[[], None] = lambda: None
        self.repeated = 0

    def ask(self, kind: str, wanted: RunFilter, options: Mapping[str, Any]) -> uuid.UUID:
        """Begin an operation; gives its id. There is one of it, however often this was sent."""
        told = {
            "kind": kind, "filter": dict(wanted.pairs()), "reason": "soak",
            **({"options": options} if options else {}),
            **({"expected_at_most": 10**6} if kind == "delete" else {}),
        }  # fmt: skip
        key = f"soak-{self._dice.getrandbits(64):x}"
        status, body = self._until_answered("POST", "/api/bulk/", json.dumps(told).encode(), key)
        if status != 202:
            raise Failed(f"asked for {told}, answered with {status}: {body[:500]!r}")
        found = ids.decode("bulk", json.loads(body)["id"])
        assert found is not None
        return found

    def progress(self, operation: uuid.UUID) -> dict[str, Any] | None:
        """What its page shows; None where there is no answer just now."""
        try:
            path = f"/api/bulk/{ids.encode('bulk', operation)}/"
            status, body = self._call("GET", path, b"", "")
        except (OSError, http.client.HTTPException):
            return None
        if status >= 500:
            return None
        if status != 200:
            raise Failed(f"{path}: answered with {status}: {body[:500]!r}")
        return json.loads(body)

    def download(self, operation: uuid.UUID) -> tuple[int, bytes]:
        path = f"/api/bulk/{ids.encode('bulk', operation)}/download/"
        return self._until_answered("GET", path, b"", "")

    def _until_answered(self, method: str, path: str, body: bytes, key: str) -> tuple[int, bytes]:
        deadline = time.monotonic() + PATIENCE
        tries = 0
        while time.monotonic() < deadline:
            try:
                status, answer = self._call(method, path, body, key)
            except (OSError, http.client.HTTPException):
                status, answer = 0, b""
            # 409: the first of the two is still at it.
            if status and status < 500 and status != 409:
                return status, answer
            tries += 1
            self.repeated += 1
            self.meanwhile()
            time.sleep(0.2)
        raise Failed(f"{method} {path}: no answer, last {status} {answer[:300]!r}")

    def _call(self, method: str, path: str, body: bytes, key: str) -> tuple[int, bytes]:
        headers = {"Authorization": f"Bearer {self._token}", "Content-Type": "application/json"}
        if key:
            headers["Idempotency-Key"] = key
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=30)
        try:
            connection.request(method, path, body or None, headers)
            # Now and then it hangs up and asks again: what it had asked may be done by then.
            if method == "POST" and self._dice.random() < 0.3:
                return 0, b""
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()


def _token() -> str:
    user, _ = User.objects.get_or_create(username="carla", is_staff=True, is_superuser=True)
    scopes = ["view", "retry", "terminate", "delete", "hold", "export"]
    made = tokens.make(
        user, name="soak", scopes=scopes, days=9, by=user.as_actor(), now=timezone.now()
    )
    return made[1]
