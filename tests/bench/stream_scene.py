"""What is listened to, and who may listen: runs and a session, on a stage that stands."""

from __future__ import annotations

import uuid

NODE = {"id": "first", "kind": "executor", "executor": "probe.noop"}


def make_runs(count: int) -> list[uuid.UUID]:
    from django.utils import timezone

    from runs import ids, recorder
    from runs.models import Workflow
    from runs.rows import NewEvent
    from runs.states import Kind

    version = Workflow.objects.publish("bench", {"nodes": [NODE]})
    new = [
        recorder.NewRun(
            id=ids.new_id(),
            workflow_id=version.workflow_id,
            version_id=version.pk,
            trigger="manual",
            triggered_by="bench",
            ref_type="user",
            ref_id="bench",
            events=[NewEvent(Kind.RUN_CREATED, actor="bench", data={"input": {}})],
            nodes=[("first", "executor", "probe.noop")],
        )
        for _ in range(count)
    ]
    recorder.create(new, now=timezone.now())
    return [run.id for run in new]


def cookie() -> str:
    from django.conf import settings
    from django.test import Client

    from runs.models import User

    user, _ = User.objects.get_or_create(username="bench", is_staff=True, is_superuser=True)
    client = Client()
    client.force_login(user)
    name = settings.SESSION_COOKIE_NAME
    return f"{name}={client.cookies[name].value}"
