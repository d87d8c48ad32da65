"""Backups of the database: a folder with a dump, and a manifest of what the dump must hold.

The manifest is counted in the very snapshot that is dumped, while the portal goes on: of each table
the rows and a checksum over them. After a restore they are counted again, before anything else
touches the database. Objects in storage are no part of it; see docs/operations.md for their order.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
from django.conf import settings
from django.db import connection, transaction
from django.db.models.functions import Greatest
from psycopg import sql

from runs import outbox, postgres_programs
from runs.apps import prepare_schema
from runs.models import AuditEntry, DoomedObject
from runs.postgres_programs import ProgramError

FORMAT = "runs-backup"
VERSION = 1
MANIFEST, DUMP = "manifest.json", "database"
# What is asked of pg_dump and pg_restore at a time.
JOBS = 2
# So long after a restore nothing is deleted from storage that the restored database does not name:
# a later backup may name it.
KEPT = timedelta(days=30)
RESTORED = "restore database"
_NOTE = """
INSERT INTO audit
    (actor, ref_type, ref_id, via, action, target_type, target_id, reason, filter, count)
VALUES ('restore', 'command', 'restore', '', %(action)s, 'database', %(name)s, %(reason)s,
    %(filter)s, 1)
"""

Say = Callable[[str], None]


class BackupError(Exception):
    """The words are for the person at the command line."""


# What a backup or a restore ends with, such as a full disk or a database that goes away.
FAILURES = (BackupError, OSError, psycopg.Error)


@dataclass(frozen=True, slots=True)
class Difference:
    what: str
    wanted: Any
    found: Any

    def __str__(self) -> str:
        return f"{self.what}: {self.wanted} in the backup, {self.found} in the database"


# -- Making one ------------------------------------------------------------------------------


def backup(folder: Path, *, now: datetime, say: Say, jobs: int = JOBS) -> dict[str, Any]:
    """Write a backup into `folder`, which must not be there yet; gives its manifest."""
    if folder.exists():
        raise BackupError(f"{folder} is there already; nothing is written over.")
    draft = folder.with_name(f"{folder.name}.unfinished")
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir(mode=0o700, parents=True)
    with _own_connection() as own:
        own.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        (snapshot,) = _row(own, "SELECT pg_export_snapshot()")
        server = own.info.server_version // 10_000
        program, version = _program("pg_dump", server)
        say(f"Dumping with pg_dump {version} of a PostgreSQL {server}.")
        _dump(program, draft / DUMP, snapshot, jobs)
        say("Counting what the dump must hold.")
        manifest = {
            "format": FORMAT,
            "version": VERSION,
            "made_at": now.isoformat(),
            "server": server,
            "program": version,
            "schema": settings.RUNS_SCHEMA,
            "migrations": _migrations(own),
            "tables": _tables(own),
            "sequences": _sequences(own),
            "helpers": _helpers(own),
            "files": _files(draft / DUMP),
        }
    (draft / MANIFEST).write_text(json.dumps(manifest, indent=1, sort_keys=True))
    draft.rename(folder)
    return manifest


def _dump(program: Path, target: Path, snapshot: str, jobs: int) -> None:
    command: list[str | Path] = [
        program, "--format=directory", f"--jobs={jobs}", f"--snapshot={snapshot}",
        f"--schema={settings.RUNS_SCHEMA}", "--extension=pg_trgm", f"--file={target}",
        # A table that is being altered is not waited for for ever.
        "--lock-wait-timeout=60s",
    ]  # fmt: skip
    _run(command)


# -- Bringing one back -----------------------------------------------------------------------


def restore(folder: Path, *, now: datetime, say: Say, jobs: int = JOBS) -> dict[str, Any]:
    """Load the backup into the database of the settings, which must be without a portal's tables,
    and prove that all of it is there; gives its manifest."""
    manifest = _manifest(folder)
    _check_files(folder, manifest)
    with _own_connection() as own:
        server = own.info.server_version // 10_000
        _check_empty(own)
    if server < manifest["program"]:
        raise BackupError(
            f"The dump was made by pg_dump {manifest['program']}, and the server is PostgreSQL"
            f" {server}, which may not understand it. Restore into a {manifest['program']}."
        )
    program, version = _program("pg_restore", max(server, manifest["program"]))
    say(f"Restoring with pg_restore {version} into a PostgreSQL {server}.")
    with connection.cursor() as cursor:
        for helper in manifest["helpers"]:
            cursor.execute(helper)
    with tempfile.NamedTemporaryFile("w", suffix=".list") as wanted:
        # The extension may be there, and be somebody else's: then its comment is refused.
        listed = _run([program, "--list", folder / DUMP]).splitlines(keepends=True)
        wanted.writelines(line for line in listed if " COMMENT - EXTENSION " not in line)
        wanted.flush()
        command: list[str | Path] = [
            program, "--format=directory", f"--jobs={jobs}", "--exit-on-error", "--no-owner",
            "--no-privileges", f"--use-list={wanted.name}",
            f"--dbname={_parameters()['dbname']}", folder / DUMP,
        ]  # fmt: skip
        _run(command)
    say("Counting what is there.")
    if differences := verify(folder):
        words = "\n".join(f"  {each}" for each in differences)
        raise BackupError(f"The restored database is not what was backed up:\n{words}")
    after_restore(folder.name, now=now)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
    return manifest


def verify(folder: Path) -> list[Difference]:
    """How the database differs from the backup; only right after a restore is that nothing."""
    manifest = _manifest(folder)
    with _own_connection() as own:
        tables, sequences = _tables(own), _sequences(own)
    found = [
        Difference(f"{table} ({what})", told.get(what), tables.get(table, {}).get(what))
        for table, told in manifest["tables"].items()
        for what in ("rows", "checksum")
        if told.get(what) != tables.get(table, {}).get(what)
    ]
    found += [
        Difference(f"{table} (a table of its own)", None, f"{told['rows']} rows")
        for table, told in tables.items()
        if table not in manifest["tables"]
    ]
    # A number that was handed out while the dump was made may be in it or not.
    found += [
        Difference(f"{name} (its next number)", number, sequences.get(name))
        for name, number in manifest["sequences"].items()
        if sequences.get(name, 0) < number
    ]
    return found


def after_restore(name: str, *, now: datetime) -> None:
    """What must be done to a database that came from elsewhere, before any process of the portal
    works on it. Safe to do again."""
    prepare_schema(connection.alias)
    outbox.mend_after_restore()
    until = now + KEPT
    with transaction.atomic(), connection.cursor() as cursor:
        # Objects that were doomed then may be named by what came later.
        DoomedObject.objects.update(due_at=Greatest("due_at", until))
        # By hand: the tables may be those of an earlier release.
        cursor.execute(
            _NOTE,
            {
                "action": RESTORED,
                "name": name[:200],
                "reason": f"nothing is swept from storage until {until:%Y-%m-%d}",
                "filter": json.dumps({"objects_kept_until": until.isoformat()}),
            },
        )


def objects_kept_until() -> datetime | None:
    """Until when storage may have objects that a later backup names, after a restore."""
    last = AuditEntry.objects.filter(action=RESTORED).order_by("-at", "-id").first()
    told = (last.filter or {}).get("objects_kept_until") if last else None
    return datetime.fromisoformat(told) if told else None


# -- What a database holds -------------------------------------------------------------------


def _tables(own: psycopg.Connection[Any]) -> dict[str, dict[str, Any]]:
    """Of each table the rows, and the sum of a hash of each: whatever order they come in."""
    names = own.execute(
        "SELECT c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
        " WHERE n.nspname = %s AND c.relkind = 'r' ORDER BY 1",
        [settings.RUNS_SCHEMA],
    ).fetchall()
    # As text, a row depends on these.
    own.execute("SET LOCAL timezone = 'UTC'")
    own.execute("SET LOCAL datestyle = 'ISO'")
    own.execute("SET LOCAL intervalstyle = 'postgres'")
    own.execute("SET LOCAL extra_float_digits = 1")
    own.execute("SET LOCAL bytea_output = 'hex'")
    found = {}
    for (name,) in names:
        table = sql.Identifier(settings.RUNS_SCHEMA, name)
        counted = sql.SQL(
            "SELECT count(*), coalesce(sum(hashtextextended(t::text, 0)::numeric), 0)::text"
            " FROM {} AS t"
        ).format(table)
        rows, checksum = _row(own, counted)
        found[name] = {"rows": rows, "checksum": checksum}
    return found


def _sequences(own: psycopg.Connection[Any]) -> dict[str, int]:
    return dict(
        own.execute(
            "SELECT sequencename::text, coalesce(last_value, 0) FROM pg_sequences"
            " WHERE schemaname = %s ORDER BY 1",
            [settings.RUNS_SCHEMA],
        ).fetchall()
    )


def _helpers(own: psycopg.Connection[Any]) -> list[str]:
    """Functions that the tables' triggers call, and that stand in another schema than theirs."""
    rows = own.execute(
        "SELECT pg_get_functiondef(p.oid) FROM pg_proc p JOIN pg_namespace n"
        " ON n.oid = p.pronamespace WHERE n.nspname <> %s AND starts_with(p.proname, '_pgtrigger_')"
        " ORDER BY 1",
        [settings.RUNS_SCHEMA],
    )
    return [text for (text,) in rows]


def _migrations(own: psycopg.Connection[Any]) -> list[str]:
    table = sql.Identifier(settings.RUNS_SCHEMA, "django_migrations")
    rows = own.execute(sql.SQL("SELECT app || '.' || name FROM {} ORDER BY id").format(table))
    return [name for (name,) in rows]


def _check_empty(own: psycopg.Connection[Any]) -> None:
    found = own.execute(
        "SELECT count(*) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
        " WHERE n.nspname = %s",
        [settings.RUNS_SCHEMA],
    ).fetchone()
    assert found is not None
    if found[0]:
        raise BackupError(
            f"The database has tables in the schema {settings.RUNS_SCHEMA} already. Restore into a"
            " new one: CREATE DATABASE …, and name it in DATABASE_URL."
        )
    # Even an empty one is in pg_restore's way.
    own.execute(sql.SQL("DROP SCHEMA IF EXISTS {}").format(sql.Identifier(settings.RUNS_SCHEMA)))


# -- Files -----------------------------------------------------------------------------------


def _manifest(folder: Path) -> dict[str, Any]:
    try:
        manifest: dict[str, Any] = json.loads((folder / MANIFEST).read_text())
    except FileNotFoundError:
        raise BackupError(f"{folder} is no backup: it has no {MANIFEST}.") from None
    except ValueError:
        raise BackupError(f"{folder / MANIFEST} is damaged.") from None
    if (manifest.get("format"), manifest.get("version")) != (FORMAT, VERSION):
        raise BackupError(f"{folder} is no backup that this release can read.")
    if manifest["schema"] != settings.RUNS_SCHEMA:
        raise BackupError(
            f"The backup is of the schema {manifest['schema']}: set RUNS_SCHEMA to that."
        )
    return manifest


def _check_files(folder: Path, manifest: dict[str, Any]) -> None:
    found = _files(folder / DUMP)
    wrong = [name for name, told in manifest["files"].items() if found.get(name) != told]
    if wrong:
        raise BackupError(f"The backup is damaged: {', '.join(sorted(wrong)[:5])}")


def _files(folder: Path) -> dict[str, str]:
    found = {}
    for path in sorted(folder.iterdir()):
        with path.open("rb") as file:
            found[path.name] = hashlib.file_digest(file, "sha256").hexdigest()
    return found


# -- Programs and connections ----------------------------------------------------------------


def _run(command: list[str | Path]) -> str:
    before = os.umask(0o077)
    try:
        return postgres_programs.run(command, postgres_programs.environment(_parameters()))
    except ProgramError as error:
        raise BackupError(str(error)) from None
    finally:
        os.umask(before)


def _program(name: str, server: int) -> tuple[Path, int]:
    try:
        return postgres_programs.find(name, server)
    except ProgramError as error:
        raise BackupError(str(error)) from None


def _parameters() -> dict[str, Any]:
    parameters = dict(connection.get_connection_params())
    for name in ("context", "cursor_factory", "prepare_threshold"):
        parameters.pop(name, None)
    return parameters


def _own_connection() -> psycopg.Connection[Any]:
    """Apart from Django's: its transaction stays open as long as it takes to dump and count."""
    own = psycopg.connect(**_parameters())
    # An operator's limits for all others; pg_dump lifts them for itself too.
    limits = ["statement_timeout", "idle_in_transaction_session_timeout"]
    if own.info.server_version >= 170_000:
        limits.append("transaction_timeout")
    for limit in limits:
        own.execute(sql.SQL("SET LOCAL {} = 0").format(sql.Identifier(limit)))
    return own


def _row(own: psycopg.Connection[Any], query: Any) -> tuple[Any, ...]:
    row = own.execute(query).fetchone()
    assert row is not None
    return tuple(row)
