"""The diagnostic bundle: a zip of what somebody needs to find out what went wrong with a run.

It says about the portal only what is named here: no setting or variable gets in by being there.
"""

from __future__ import annotations

import io
import os
import platform
import zipfile
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import datetime
from importlib import metadata
from typing import Any

from asgiref.sync import sync_to_async
from django.conf import settings
from django.db import connection
from django.utils.module_loading import import_string

from runs.context import context_of, job_of, stamp
from runs.models import Archive, Run, WorkflowVersion
from runs.views.event_words import pretty
from runs.views.run_download import compact, completeness, history, told
from runs.whole_log import WholeLog

# Settings whose values say nothing secret.
SETTINGS = (
    "LOCAL",
    "DEMO",
    "DEBUG",
    "TIME_ZONE",
    "LANGUAGE_CODE",
    "RUNS_SCHEMA",
    "ENGINE_LEASE_SECONDS",
    "ENGINE_WINDOW",
    "ENGINE_REDISPATCH_SECONDS",
    "ENGINE_PAYLOAD_BYTES",
    "DATA_UPLOAD_MAX_MEMORY_SIZE",
    "CELERY_WORKER_PREFETCH_MULTIPLIER",
)
# Variables of which the bundle says whether they are set, and not to what.
VARIABLES = (
    "DATABASE_URL",
    "DATABASE_POOL",
    "REDIS_URL",
    "S3_BUCKET",
    "S3_ENDPOINT_URL",
    "S3_REGION",
    "S3_ACCESS_KEY_ID",
    "S3_SECRET_ACCESS_KEY",
    "SECRET_KEY",
    "ALLOWED_HOSTS",
    "CSRF_TRUSTED_ORIGINS",
    "BEHIND_PROXY",
    "EXTRA_APPS",
    "SUPPORT_URL",
    "LOG_LEVEL",
)
LIBRARIES = (
    "Django",
    "djangorestframework",
    "django-filter",
    "django-unfold",
    "django-eventstream",
    "django-celery-beat",
    "django-pgtrigger",
    "django-storages",
    "celery",
    "kombu",
    "redis",
    "psycopg",
    "psycopg-pool",
    "uvicorn",
    "whitenoise",
)
_README = """\
Diagnostic bundle of {run_id}, made {exported_at}.

job.json         the scheduler's record of the run
context.json     what went into and came out of each node
history.ndjson   every event of the run, one a line, in order
completeness.json  how many events those are, and how many are missing
definition.json  the workflow's definition in the version that the run executes
archive.json     where its log is, and what its archive is known by
versions.json    the portal's Python, database and libraries
health.json      what /healthz said when the bundle was made
settings.json    chosen settings, and which variables are set; no value that could be secret

The first four hold what the workflow was given and gave: see what is in them before you pass
them on.
"""


class _Buffer(io.RawIOBase):
    """What the zip writes, until it is taken away: so that it needs no file."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self._parts.append(bytes(data))
        return len(data)

    def take(self) -> bytes:
        taken = b"".join(self._parts)
        self._parts.clear()
        return taken


async def bundle(run: Run, now: datetime, log: WholeLog) -> AsyncIterator[bytes]:
    """The zip's bytes, in parts."""
    buffer, root = _Buffer(), run.public_id
    texts: dict[str, Callable[[], Awaitable[str]]] = {
        "README.txt": lambda: _ready(_README.format(**told(run, now))),
        "job.json": lambda: _ready(pretty(job_of(run))),
        "context.json": lambda: _in_thread(lambda: context_of(run, log)),
        "definition.json": lambda: _in_thread(lambda: _definition(run)),
        "archive.json": lambda: _in_thread(lambda: _archive(run, log)),
        "versions.json": lambda: _in_thread(versions),
        "health.json": _health,
        "settings.json": lambda: _ready(pretty(portal_settings())),
    }
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in texts.items():
            archive.writestr(_entry(f"{root}/{name}", now), await text())
            yield buffer.take()
        with archive.open(_entry(f"{root}/history.ndjson", now), "w", force_zip64=True) as file:
            count = 0
            async for page in history(log):
                file.write("".join(f"{compact(event)}\n" for event in page).encode())
                count += len(page)
                yield buffer.take()
        found = completeness(run, log, count)
        archive.writestr(_entry(f"{root}/completeness.json", now), pretty(found))
    yield buffer.take()


async def _ready(text: str) -> str:
    return text


async def _in_thread(read: Callable[[], Any]) -> str:
    return pretty(await sync_to_async(read)())


def _entry(name: str, now: datetime) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(name, now.timetuple()[:6])
    entry.compress_type = zipfile.ZIP_DEFLATED
    entry.external_attr = 0o644 << 16
    return entry


def _archive(run: Run, log: WholeLog) -> dict[str, Any]:
    found = Archive.objects.filter(pk=run.pk).defer("senders").first()
    archive = found and {
        "name": found.name,
        "last_seq": found.last_seq,
        "bytes": found.bytes,
        "unpacked_bytes": found.unpacked,
        "sha256": found.sha256,
        "archived_at": stamp(found.archived_at),
        "verified_at": stamp(found.verified_at),
        "restored_at": stamp(found.restored_at),
        "expires_at": stamp(found.expires_at),
        "problem": log.problem or found.problem or None,
    }
    return {"logs": run.logs, "archive": archive}


def _definition(run: Run) -> Any:
    return WorkflowVersion.objects.values_list("definition", flat=True).get(pk=run.version_id)


async def _health() -> str:
    # The portal's own health is put together by who puts the portal together.
    findings = import_string(settings.HEALTH_FINDINGS)
    return pretty(await findings())


def versions() -> dict[str, Any]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT version()")
        database = cursor.fetchone()[0]
    return {
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "database": database,
        "libraries": {name: _version(name) for name in LIBRARIES},
    }


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def portal_settings() -> dict[str, Any]:
    return {
        "settings": {name: getattr(settings, name, None) for name in SETTINGS},
        "variables": {name: "set" if os.environ.get(name) else "unset" for name in VARIABLES},
        "executors_from": [
            app for app in settings.INSTALLED_APPS if not app.startswith(("django.", "unfold"))
        ],
    }
