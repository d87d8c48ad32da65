"""The triggers there are, with when each fires and what came of it last."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlencode

from django.db.models import OuterRef, Q, QuerySet, Subquery
from django.http import HttpRequest, HttpResponse

from runs.models import Firing, Trigger
from runs.models.trigger import TriggerKind
from runs.triggers.rule import RuleError, parse
from runs.views.automation import words
from runs.views.automation.base import TriggerView

PAGE_SIZE = 50
# What each kind is for, to who makes one.
KINDS = (
    (TriggerKind.SCHEDULE, "At set times, by a cron expression in a time zone."),
    (TriggerKind.WEBHOOK, "When another system calls an address of its own, signed."),
    (TriggerKind.EVENT, "When a run ends, or something happens in one, start or retry a run."),
    (TriggerKind.AUTOMATION, "A rule: when, if, then; with conditions and several things to do."),
)


@dataclass(frozen=True, slots=True)
class Row:
    trigger: Trigger
    when: str
    then: str
    problem: str
    last: Firing | None


class Triggers(TriggerView):
    http_method_names = ["get", "head", "options"]

    def get(self, request: HttpRequest) -> HttpResponse:
        searched, kind, workflow, after = (
            request.GET.get(name, "").replace("\0", "").strip()[:100]
            for name in ("q", "kind", "workflow", "after")
        )
        triggers: QuerySet[Trigger] = Trigger.objects.order_by("name")
        if searched:
            triggers = triggers.filter(
                Q(name__icontains=searched) | Q(description__icontains=searched)
            )
        if kind:
            triggers = triggers.filter(kind=kind)
        if workflow:
            triggers = triggers & Trigger.objects.about(workflow)
        chosen = {"q": searched, "kind": kind, "workflow": workflow}
        if after:
            triggers = triggers.filter(name__gt=after)
        found = list(_with_last(triggers)[: PAGE_SIZE + 1])
        shown = found[:PAGE_SIZE]
        more = {**chosen, "after": shown[-1].name} if len(found) > PAGE_SIZE else {}
        context = {
            "title": "Automation",
            "rows": _rows(shown),
            "kinds": KINDS,
            "chosen": chosen,
            "is_filtered": any(chosen.values()) or bool(after),
            "after": after,
            "first": _query(chosen),
            "next": _query(more),
            "tabs": [
                (value, label, _query({**chosen, "kind": value}))
                for value, label in (("", "All"), *TriggerKind.choices)
            ],
            "without_workflow": _query({**chosen, "workflow": ""}),
        }
        return self.page("runs/automation/list.html", context)


def _with_last(triggers: QuerySet[Trigger]) -> QuerySet[Trigger]:
    newest = Firing.objects.filter(trigger=OuterRef("pk")).order_by("-id")
    return triggers.annotate(last_firing=Subquery(newest.values("pk")[:1]))


def _rows(triggers: list[Trigger]) -> list[Row]:
    lasts = Firing.objects.defer("payload", "outcomes").in_bulk(
        [pk for each in triggers if (pk := getattr(each, "last_firing", None))]
    )
    rows = []
    for trigger in triggers:
        when = then = problem = ""
        try:
            rule = parse(trigger.kind, trigger.rule)
            when, then = words.when_words(rule), words.then_words(rule)
        except RuleError as error:
            problem = str(error)
        last = lasts.get(getattr(trigger, "last_firing", None) or 0)
        rows.append(Row(trigger, when, then, problem, last))
    return rows


def _query(chosen: dict[str, str]) -> str:
    return "?" + urlencode({name: text for name, text in chosen.items() if text})
