"""One of everything that the portal shows, with a text of somebody's choice in every field that
takes one: what all pages and addresses are visited with.

As a program it seeds the portal of DATA_DIR, and then tells more as it is asked to.
"""

from __future__ import annotations

import json
import sys
from datetime import timedelta
from typing import Any


def definition(words: Any) -> dict[str, Any]:
    """A workflow that can be published, with texts wherever it takes some."""
    form = {
        "type": "object",
        "title": words.short(),
        "description": words.long(),
        "required": ["total"],
        "properties": {
            "total": {"type": "string", "title": words.short(), "description": words.long(),
                      "default": words.short()},
            "choice": {"enum": [words.short(), words.short(), words.long()[:200]]},
            "when": {"type": "string", "format": "date-time", "default": words.short()},
            "odd": {"type": "string", "format": words.short(), "examples": [words.short()]},
            words.short(): {"type": "boolean", "title": words.short()},
            "rows": {"type": "array", "items": {"type": "string"}, "default": [words.short()]},
            "inner": {"type": "object", "title": words.short(),
                      "properties": {words.short(): {"type": "number", "title": words.short()}}},
        },
    }  # fmt: skip
    return {
        "description": words.long()[:200],
        "input_schema": {**form, "required": []},
        "nodes": [
            {"id": "read", "kind": "executor", "executor": "probe.noop",
             "input": {"given": words.short(), words.short(): words.long()}},
            {"id": "ask", "kind": "llm", "needs": ["read"], "base_url": "https://models.example/v1",
             "model": words.short(), "prompt": words.long().replace("{{", "{ {"),
             "input": {"text": "$.nodes.read.output.text"}},
            {"id": "call", "kind": "http", "needs": ["read"], "method": "POST",
             "url": "https://erp.example/x", "body": {"words": words.short().replace("{{", "{ {")}},
            {"id": "route", "kind": "branch", "needs": ["ask"],
             "paths": [{"name": words.short(60), "to": ["review"],
                        "when": {"value": "$.nodes.ask.output.text", "equals": words.short()}}],
             "default": []},
            {"id": "review", "kind": "human", "needs": ["route"], "title": words.short(),
             "instructions": words.long().replace("{{", "{ {"), "form": form, "correct": "given",
             "input": {"given": "$.data"}, "assigned_to": {"people": [words.short()]}},
        ],
        "output": {"text": "$.nodes.read.output.text"},
    }  # fmt: skip


def seed(words: Any, begin: int = 0) -> dict[str, Any]:
    """Ids by what they are of. `begin` tells one seeding of a database from another."""
    from django.contrib.auth.models import Group, Permission
    from django.utils import timezone

    from analytics import upkeep
    from analytics.models import FailureGroup
    from retention.models import Execution
    from retention.models.execution import Finding
    from runs import tokens
    from runs.actors import Actor
    from runs.models import (
        AuditEntry,
        Backend,
        BulkOperation,
        BulkOutcome,
        Event,
        ExecutorLimit,
        Firing,
        LLMCall,
        Run,
        SavedView,
        Service,
        Source,
        Trigger,
        User,
        Workflow,
    )

    now = timezone.now()
    upkeep.hear(now)
    person = User.objects.create_user(
        words.short(150), is_staff=True, first_name=words.short(), last_name=words.short(),
        email="x@example.org",
    )  # fmt: skip
    group = Group.objects.create(name=words.short(150))
    person.groups.add(group)
    person.user_permissions.add(Permission.objects.get(codename="view_run"))
    by = Actor(name=words.short(150), ref_type=words.short(60), ref_id=words.short(200))

    version = Workflow.objects.publish("strange", definition(words), by=person)
    newer = Workflow.objects.publish("strange", definition(words), by=person)
    Workflow.objects.filter(slug="strange").update(
        description=words.short(200), paused_at=now, paused_by=words.short(150),
        pause_reason=words.long()[:500],
    )  # fmt: skip
    runs = {
        "failed": failed(version, words),
        "retried": failed(newer, words),
        "ended": ended(version, words),
        "waiting": waiting(newer, words),
        "going": going(newer, words),
        "elsewhere": elsewhere(words),
    }
    failed_run = runs["failed"].run
    Run.objects.filter(pk=runs["ended"].id).update(held_at=now, held_by=words.short(150))

    source = Source.objects.create(
        name=f"strange-{begin}", retry_url=f"https://e.example/?{words.short()}"
    )
    backend = Backend.objects.create(
        name=words.short(), url=f"http://127.0.0.1:9/{words.short()}", secret="X"
    )
    limit = ExecutorLimit.objects.create(executor=words.short(), most=3)
    token, _ = tokens.make(
        person, name=printable(words.short(80)), scopes=["view"], days=5, by=person.as_actor(),
        now=now,
    )  # fmt: skip
    view = SavedView.objects.create(
        owner=person, name=words.short(80), is_shared=True,
        query=f"?user={words.short()}&q=x{words.short()}",
    )  # fmt: skip
    trigger = Trigger.objects.create(
        name=words.short(100), description=words.short(300), kind="webhook", source="call",
        rule={"when": {"scheme": "standard"}, "if": {"value": "$.body.x", "equals": words.short()},
              "then": [{"start": "strange", "input": {words.short(): words.long()},
                        "ref": {"type": words.short(60), "id": words.short()}}]},
        enabled_at=now, hook=chr(ord("h") + begin) * 24, created_by=person,
    )  # fmt: skip
    firing = Firing.objects.create(
        trigger=trigger, key=words.short(200), fired_at=now, status="failed",
        reason=words.long()[:500],
        outcomes=[{"target": words.short(), "run": "", "why": words.short()}],
        payload={"body": {words.short(): words.long()}, "query": {"q": words.short()},
                 "headers": {"user-agent": words.short(), "x-odd": words.short()}},
    )  # fmt: skip
    bulk = BulkOperation.objects.create(
        kind="export", state="finished", reason=words.long()[:500], actor=words.short(150),
        ref_type="user", ref_id=words.short(200), via="x", created_at=now, bound=now, moved_at=now,
        ended_at=now, filter={"state": "failed", "user": words.short(), "q": words.short()},
        options={"format": "csv", "with_logs": True}, visited=2, skipped=1, failed=1, total=2,
        trouble=words.short(200),
    )  # fmt: skip
    for run, status in (("failed", "failed"), ("ended", "skipped")):
        BulkOutcome.objects.create(
            operation=bulk, run_id=runs[run].id, status=status, reason=words.short(200), at=now
        )
    execution = Execution.objects.create(
        kind="check", state="failed", started_by=words.short(150), reason=words.long()[:500],
        created_at=now, moved_at=now, ended_at=now, trouble=words.long()[:500], trouble_since=now,
        found=1,
    )  # fmt: skip
    Finding.objects.create(
        execution=execution, at=now, run_id=failed_run.pk, object_name=f"archive/{words.short()}",
        problem=words.long()[:500], act=words.short(200),
    )  # fmt: skip
    for kind in ("backend", "worker", "source"):
        facts = {"facts": [[words.short(), words.short()]], "tasks": [], "link": None}
        Service.objects.update_or_create(
            key=f"{kind}:{words.short()}",
            defaults={
                "kind": kind, "name": words.short(200), "status": "down", "since": now,
                "checked_at": now, "words": words.long()[:500], "act": words.short(200),
                "details": facts,
            },
        )  # fmt: skip
    strange = (words.short(30), words.short())
    for target in (("run", failed_run.public_id), ("workflow", "strange"), strange):
        AuditEntry.objects.note(by, words.short(30), target, words.long()[:500])
    upkeep.hear(timezone.now())
    for _ in range(50):
        if not upkeep.count_next(timezone.now() + timedelta(minutes=5)):
            break
    FailureGroup.objects.update(note=words.long()[:500], marked_by=words.short(150), mark="known")
    found = FailureGroup.objects.first()
    return {
        **{name: story.public_id for name, story in runs.items()},
        "workflow": "strange",
        "user": str(person.pk),
        "user_name": person.username,
        "group": group.pk,
        "failure_group": found.public_id if found else "",
        "token": token.public_id,
        "view": view.public_id,
        "trigger": trigger.pk,
        "firing": firing.pk,
        "bulk": bulk.public_id,
        "execution": execution.public_id,
        "source": source.pk,
        "backend": backend.pk,
        "limit": limit.pk,
        "event": Event.objects.filter(run=failed_run.pk).latest("seq").pk,
        "llmcall": LLMCall.objects.filter(run=failed_run.pk).latest("pk").pk,
        "audit": AuditEntry.objects.latest("pk").pk,
        "version": version.pk,
        "run_pk": str(failed_run.pk),
        "workflow_pk": version.workflow_id,
    }


def printable(text: str) -> str:
    """A token's name takes nothing else."""
    return "".join(letter for letter in text if letter.isprintable()).strip()


def begun(version: Any, words: Any) -> Any:
    from tests.runs import stories

    return stories.Story(
        version, zero=stories.ago(90), by=words.short(150), ref_type=words.short(60),
        ref_id=words.short(200), data={words.short(): words.long(), "document": words.short()},
    )  # fmt: skip


def worked(version: Any, words: Any) -> Any:
    """A run whose first node has told all that a node can."""
    from runs.rows import NewEvent
    from runs.states import Kind

    told = begun(version, words).queue("read").at(1).active()
    told.start("read", worker=words.short(), data={words.short(): words.long()})
    for level in ("info", "warning", "error", "debug"):
        told.log("read", words.long(), level=level).log("read", words.short(), level=level)
    told.tell(
        NewEvent(Kind.PROGRESS, "read", 1, data={"done": 1, "total": 2, "message": words.long()}),
        NewEvent(Kind.LLM_CALL, "read", 1, data={
            "model": words.short(), "input_tokens": 5, "output_tokens": 7, "cached_tokens": 0,
            "cost": "0.01", words.short(): words.short()}),
        NewEvent(Kind.HUMAN_ACTION, "read", actor=words.short(150), data={
            "action": words.short(), "comment": words.long(), words.short(): words.short()}),
        NewEvent(Kind.COST_UPDATE, "read", actor=words.short(150), data={"cost": "0.02"}),
        NewEvent(Kind.LOG, actor=words.short(150), data={
            "message": words.short(), "level": "info",
            words.short(): {words.short(): [words.long()]}}),
    )  # fmt: skip
    return told.at(3).complete("read", output={"text": words.long(), words.short(): words.short()})


def failed(version: Any, words: Any) -> Any:
    from runs.rows import NewEvent
    from runs.states import Kind

    told = worked(version, words).queue("ask").at(4).start("ask", worker=words.short())
    error = {"kind": words.short(), "message": words.long()}
    trace = f"a.py:1  f\n  {words.long()}\ncaused by {words.long()}\n  > {words.short()}"
    full = {**error, "trace": trace, words.short(): words.short()}
    told.at(6).tell(NewEvent(Kind.NODE_FAILED, "ask", 1, data={"error": full}))
    told.skip(words.long()[:500], "call", "route", "review")
    return told.state("active", "failed", actor=words.short(150), reason=words.long()[:500],
                      error={"node": "ask", **error})  # fmt: skip


def ended(version: Any, words: Any) -> Any:
    told = worked(version, words).skip(words.short(), "ask", "call", "route", "review")
    return told.state("active", "terminated", actor=words.short(150), reason=words.long()[:500])


def waiting(version: Any, words: Any) -> Any:
    from runs.rows import NewEvent
    from runs.states import Kind

    told = worked(version, words).queue("route").at(4).start("route")
    path = {"path": words.short(60), "selected": ["review"], words.short(): words.short()}
    told.tell(NewEvent(Kind.PATH_SELECTED, "route", 1, data=path))
    told.complete("route").queue("review")
    asked = {"action": "asked", "title": words.short(), "instructions": words.long(),
             "due_at": None,
             "input": {"given": {words.short(): words.long(), "total": words.short()}},
             "assigned_to": {"people": [words.short()], "groups": [words.short()]}}  # fmt: skip
    return told.tell(NewEvent(Kind.HUMAN_ACTION, "review", data=asked))


def going(version: Any, words: Any) -> Any:
    return worked(version, words).queue("ask").at(5).start("ask", worker=words.short())


def elsewhere(words: Any) -> Any:
    """One whose nodes somebody else named. No interface takes such names; pages stand them."""
    from runs.models import Workflow
    from tests.runs import stories

    version = Workflow.objects.elsewhere(["strange_elsewhere"])["strange_elsewhere"]
    keys = [words.short(64) for _ in range(6)]
    version.definition = {
        "nodes": [{"id": key, "kind": words.short(12)} for key in dict.fromkeys(keys)]
    }
    told = stories.Story(version, zero=stories.ago(60), by=words.short(150), data=words.long())
    told.active().queue(*dict.fromkeys(keys)).start(keys[0], worker=words.short())
    told.fail(keys[0], kind=words.short(), message=words.long())
    return told.skip(words.short(), *list(dict.fromkeys(keys))[1:])


def main() -> None:
    import django

    django.setup()
    from django.utils import timezone

    from tests.security.payloads import Hostile

    for line in sys.stdin:
        asked = json.loads(line)
        if asked["do"] == "seed":
            begin = asked.get("begin", 0)
            print(json.dumps(seed(Hostile(begin), begin)), flush=True)
        elif asked["do"] == "tell":
            print(json.dumps(tell_more(asked["run"], timezone.now())), flush=True)


def tell_more(public_id: str, now: Any) -> str:
    """Let a run that is looked at go on: its log, a failure, its end, and a new run beside it."""
    from runs import ids, recorder
    from runs.models import Run
    from runs.rows import NewEvent
    from runs.states import Kind
    from tests.security.payloads import Hostile

    words, run_id = Hostile(3), ids.decode("run", public_id)
    error = {"kind": words.short(), "message": words.long(), "trace": words.long()}
    recorder.record({run_id: [
        NewEvent(Kind.LOG, "ask", 1, data={"message": words.long(), "level": "error"}),
        NewEvent(Kind.LOG, "ask", 1, data={"message": f"told live {words.short()}"}),
        NewEvent(Kind.NODE_FAILED, "ask", 1, data={"error": error}),
        NewEvent(Kind.STATE_CHANGED, actor=words.short(), data={
            "from": "active", "to": "failed", "reason": words.long()[:500],
            "error": {"node": "ask", **error}}),
    ]}, now=now)  # fmt: skip
    version = Run.objects.select_related("version__workflow").get(pk=run_id).version
    return going(version, words).public_id


if __name__ == "__main__":
    main()
