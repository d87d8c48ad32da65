"""A trigger: what it waits for and does, its last firings, and what may be done to it."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse

from runs import ids, json_text
from runs.models import Firing, Run, Trigger
from runs.models.trigger import FIRINGS_KEPT, FiringStatus
from runs.triggers import changes, cron, signatures
from runs.triggers.rule import Rule, RuleError, Schedule, Webhook, parse
from runs.views.automation import words
from runs.views.automation.base import TriggerView

PAGE_SIZE = 50
_LOOKS = {
    FiringStatus.STARTED: "completed",
    FiringStatus.SKIPPED: "skipped",
    FiringStatus.REFUSED: "terminated",
    FiringStatus.FAILED: "failed",
}


@dataclass(frozen=True, slots=True)
class Shown:
    firing: Firing
    look: str
    # (what was to be done, the run's id, its state, why not).
    outcomes: list[tuple[str, str, str, str]]
    cause: str
    payload: str


class TriggerPage(TriggerView):
    http_method_names = ["get", "head", "options", "post"]

    def get(self, request: HttpRequest, trigger_id: int) -> HttpResponse:
        trigger = self.trigger(trigger_id)
        rule, problem = _rule(trigger)
        status = request.GET.get("status", "")
        firings = trigger.firings.order_by("-id")
        if status in FiringStatus.values:
            firings = firings.filter(status=status)
        before = request.GET.get("before", "")
        if before.isascii() and before.isdecimal() and len(before) < 19:
            firings = firings.filter(pk__lt=int(before))
        found = list(firings[: PAGE_SIZE + 1])
        listed = found[:PAGE_SIZE]
        context: dict[str, Any] = {
            "title": trigger.name,
            "trigger": trigger,
            "rule": rule,
            "problem": problem,
            "rule_text": json_text.write(trigger.rule),
            "firings": shown(listed),
            "statuses": FiringStatus.choices,
            "status": status if status in FiringStatus.values else "",
            "older": listed[-1].pk if len(found) > PAGE_SIZE else None,
            "is_paged": bool(before),
            "kept_days": FIRINGS_KEPT.days,
            **self._when(trigger, rule),
        }
        if rule is not None:
            context["when_words"] = words.when_words(rule)
            context["combined"], context["conditions"] = words.condition_lines(rule.condition)
            context["targets"] = [
                (words.target_words(target), target, json_text.write(target.input))
                for target in rule.targets
            ]
        return self.page("runs/automation/page.html", context)

    def post(self, request: HttpRequest, trigger_id: int) -> HttpResponse:
        trigger = self.trigger(trigger_id)
        act = request.POST.get("act", "")
        needed = "change_trigger" if act == "new_secret" else "fire_trigger"
        if act not in ("on", "off", "new_secret"):
            messages.error(request, "That cannot be done to a trigger.")
        elif not self.may(needed):
            return self.handle_no_permission()
        elif act == "new_secret":
            changes.renew_secret(self.user, trigger)
            messages.success(
                request,
                "It has a new secret. Calls that are signed with the old one are refused from now.",
            )
        else:
            done = changes.switch(self.user, trigger, act == "on", now=self.now)
            said = f"is now {act}" if done else f"was {act} already"
            messages.success(request, f"{trigger.name} {said}.")
        return redirect(_back(request, trigger))

    def _when(self, trigger: Trigger, rule: Rule | None) -> dict[str, Any]:
        if rule is None:
            return {}
        if isinstance(rule.when, Schedule):
            return {
                "schedule": rule.when,
                "upcoming": cron.upcoming(rule.when.cron, rule.when.zone, self.now),
            }
        if isinstance(rule.when, Webhook):
            url = self.request.build_absolute_uri(f"/api/hooks/{trigger.hook}")
            may_see = self.may("change_trigger")
            return {
                "webhook": rule.when,
                "hook_url": url,
                "secret": signatures.secret_of(trigger) if may_see else "",
            }
        return {}


def shown(firings: Iterable[Firing]) -> list[Shown]:
    """With the states that their runs are in now."""
    rows = list(firings)
    keys = {
        key
        for firing in rows
        for outcome in firing.outcomes
        if (key := ids.decode("run", outcome.get("run", "")))
    }
    states: dict[uuid.UUID, str] = dict(Run.objects.filter(pk__in=keys).values_list("pk", "state"))
    return [
        Shown(
            firing,
            _LOOKS[FiringStatus(firing.status)],
            [
                (
                    outcome["target"],
                    outcome["run"],
                    states.get(ids.decode("run", outcome["run"]) or uuid.UUID(int=0), ""),
                    outcome["why"],
                )
                for outcome in firing.outcomes
            ],
            ids.encode("run", firing.cause) if firing.cause else "",
            json_text.write(firing.payload) if firing.payload is not None else "",
        )
        for firing in rows
    ]


def _rule(trigger: Trigger) -> tuple[Rule | None, str]:
    try:
        return parse(trigger.kind, trigger.rule), ""
    except RuleError as error:
        return None, str(error)


def _back(request: HttpRequest, trigger: Trigger) -> str:
    if request.POST.get("from") == "list":
        return reverse("automation")
    return reverse("trigger", args=[trigger.pk])
