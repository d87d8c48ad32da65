"""Trying a trigger with something that it might meet: first what it would do, then in earnest."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect

from runs import json_text
from runs.models import Trigger
from runs.models.trigger import FiringStatus
from runs.payload import PayloadError, bounded
from runs.triggers import changes, trial
from runs.triggers.rule import RuleError, parse
from runs.views.automation import words
from runs.views.automation.base import TriggerView

MAX_BYTES = 1_000_000


class TestTrigger(TriggerView):
    permission_required = ("runs.view_trigger", "runs.fire_trigger")
    http_method_names = ["get", "head", "options", "post"]

    def get(self, request: HttpRequest, trigger_id: int) -> HttpResponse:  # noqa: ARG002
        trigger = self.trigger(trigger_id)
        try:
            payload = trial.sample(trigger, self.now)
        except RuleError as error:
            return self._shown(trigger, "{}", f"Its rule no longer passes the checks: {error}")
        return self._shown(trigger, json_text.write(payload), payload=payload)

    def post(self, request: HttpRequest, trigger_id: int) -> HttpResponse:
        trigger = self.trigger(trigger_id)
        text = request.POST.get("payload", "")
        payload, refusal = _read(text)
        if payload is None:
            return self._shown(trigger, text, refusal, status=422)
        if request.POST.get("act") != "fire":
            return self._shown(trigger, text, payload=payload)
        try:
            fired = changes.test(self.user, trigger, payload, now=self.now)
        except (changes.NotAllowed, RuleError) as error:
            return self._shown(trigger, text, str(error), payload, status=422)
        if fired.status == FiringStatus.STARTED:
            count = len(fired.outcomes)
            messages.success(request, f"Fired: {count} run{'s' if count > 1 else ''} started.")
        else:
            messages.warning(request, f"{fired.get_status_display()}: {fired.reason}.")
        return redirect("trigger", trigger.pk)

    def _shown(
        self,
        trigger: Trigger,
        text: str,
        refusal: str = "",
        payload: dict[str, Any] | None = None,
        status: int = 200,
    ) -> HttpResponse:
        context: dict[str, Any] = {
            "title": f"Test {trigger.name}",
            "trigger": trigger,
            "text": text,
            "refusal": refusal,
        }
        if payload is not None:
            try:
                preview = trial.preview(parse(trigger.kind, trigger.rule), payload)
            except RuleError as error:
                context["refusal"] = f"Its rule no longer passes the checks: {error}"
            else:
                context["preview"] = preview
                context["trials"] = [
                    (words.target_words(each.target), each, json_text.write(each.input))
                    for each in preview.trials
                ]
        return self.page("runs/automation/test.html", context, status)


def _read(text: str) -> tuple[dict[str, Any] | None, str]:
    if len(text) > 2 * MAX_BYTES:
        return None, f"What happens is longer than {MAX_BYTES:,} bytes."
    try:
        payload = bounded(json_text.read(text), MAX_BYTES, "What happens")
    except json_text.JsonError as error:
        return None, f"This is not JSON: {error}."
    except PayloadError as error:
        return None, f"{error}."
    if not isinstance(payload, dict):
        return None, "What happens is a JSON object."
    return payload, ""
