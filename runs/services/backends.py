"""Backends outside of the portal, asked by their address.

An http backend is up where it answers with a status below 400. JSON may say more: `status`, and
`capacity`. A Marie-AI gateway is asked for its health (`/check`) and its slots (`/api/capacity`).
"""

from __future__ import annotations

import json
import time
from typing import Any

from django.urls import reverse

from runs import outbound, secret_values
from runs.models.service import Preset
from runs.secret_values import SecretMissing, masked
from runs.services.finding import Finding, Kind, Status

SECONDS = 1.5
SLOW_MS = 1000.0
MOST = 200_000
# What a health page calls itself.
GOOD = frozenset({"ok", "up", "healthy", "pass", "passing", "alive", "ready", "serving", "true"})
WEAK = frozenset({"degraded", "warn", "warning", "starting", "busy"})
MOST_SLOTS = 30


class Backend:
    """One of them; `look` raises nothing that its own request raises."""

    def __init__(self, key: int, name: str, url: str, preset: str, secret: str) -> None:
        self.key, self.name, self.url = key, name, url
        self._preset, self._secret = preset, secret

    @property
    def question(self) -> str:
        return f"backend:{self.key}"

    def look(self) -> Finding:
        begun = time.monotonic()
        found = self._finding(Status.UP)
        try:
            if self._preset == Preset.MARIE:
                self._ask_marie(found)
            else:
                self._ask_http(found)
        except SecretMissing as error:
            found.status, found.words = Status.DOWN, str(error)
            found.act = "Set the secret for the processes of the portal, or change the backend."
        except outbound.Refused as error:
            found.status, found.words = Status.DOWN, str(error)
            found.act = "Change its address, or allow it by PRIVATE_HOSTS."
        except outbound.OutboundError as error:
            found.status, found.words = Status.DOWN, str(error)
            found.act = "See whether it runs and whether the portal reaches it."
        else:
            found.latency_ms = (time.monotonic() - begun) * 1000
            if found.status == Status.UP and found.latency_ms > SLOW_MS:
                found.status, found.words = Status.DEGRADED, "Answers slowly"
        found.words = str(masked(found.words))[:400]
        return found

    def silent(self) -> Finding:
        found = self._finding(Status.DOWN)
        found.words = "No answer in time"
        found.act = "See whether it runs and whether the portal reaches it."
        return found

    def _finding(self, status: Status) -> Finding:
        found = Finding(self.question, Kind.BACKEND, self.name, status)
        where = reverse("admin:runs_backend_change", args=[self.key])
        found.link = ("Its settings", where, "runs.view_backend")
        found.facts = [("Address", self.url), ("Kind", Preset(self._preset).label)]
        return found

    def _ask_http(self, found: Finding) -> None:
        status, value = self._get(self.url)
        found.facts.append(("Answer", f"status {status}"))
        found.words = f"Answers {status}"
        if status >= 400:
            found.status = Status.DOWN
            found.act = "Its own health page says why, or its log does."
        if isinstance(value, dict):
            _read_health(value, found)

    def _ask_marie(self, found: Finding) -> None:
        base = self.url.rstrip("/")
        status, _ = self._get(f"{base}/check?text=portal")
        if status >= 400:
            found.status, found.words = Status.DOWN, f"Its /check answers {status}"
            found.act = "Look at the gateway's log."
            return
        status, value = self._get(f"{base}/api/capacity")
        result = value.get("result") if isinstance(value, dict) else None
        if status >= 400 or not isinstance(result, dict):
            found.status = Status.DEGRADED
            found.words = f"Up, but its /api/capacity answers {status} without slots"
            found.act = "The gateway's scheduler may be starting, or its etcd is away."
            return
        _read_slots(result, found)

    def _get(self, url: str) -> tuple[int, Any]:
        headers = {"Accept": "application/json"}
        if self._secret:
            headers["Authorization"] = f"Bearer {secret_values.value_of(self._secret, url)}"
        with outbound.request("GET", url, headers=headers, seconds=SECONDS) as answer:
            content = answer.read(MOST)
        try:
            return answer.status, json.loads(content)
        except ValueError:
            return answer.status, None


def _read_health(value: dict[str, Any], found: Finding) -> None:
    said = value.get("status", value.get("state"))
    if isinstance(said, str | bool):
        word = str(said).lower()
        found.words = f"Says “{str(said)[:40]}”"
        if found.status == Status.UP and word not in GOOD:
            found.status = Status.DEGRADED if word in WEAK else Status.DOWN
            found.act = "Its own health page says why, or its log does."
    capacity = value.get("capacity")
    if isinstance(capacity, dict):
        pairs = ((k, v) for k, v in capacity.items() if isinstance(v, int | float | str))
        found.facts += [(f"Capacity, {str(k)[:40]}", str(v)[:80]) for k, v in list(pairs)[:10]]
    elif isinstance(capacity, int | float | str):
        found.facts.append(("Capacity", str(capacity)[:80]))


def _read_slots(result: dict[str, Any], found: Finding) -> None:
    slots = [slot for slot in result.get("slots") or () if isinstance(slot, dict)]
    capacity = sum(_whole(slot.get("capacity")) for slot in slots)
    used = sum(_whole(slot.get("used")) for slot in slots)
    found.words = f"{used} of {capacity} slots in use"
    for slot in slots[:MOST_SLOTS]:
        figures = f"{_whole(slot.get('used'))} of {_whole(slot.get('capacity'))} in use"
        found.facts.append((f"Slot {str(slot.get('name'))[:60]}", figures))
    if not capacity:
        found.status, found.words = Status.DEGRADED, "Up, with no slot to run anything in"
        found.act = "No executor is connected to the gateway: start one."


def _whole(value: Any) -> int:
    return int(value) if isinstance(value, int | float) else 0
