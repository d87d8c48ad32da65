"""What in a migration would hold up a portal that goes on beside it, on tables that are large.

Judged is the SQL that Django makes of each migration, statement by statement, with the tables that
the same migration makes new left aside: nobody waits for these. What is Python is judged by a
person, who writes the reason into ALLOWED.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any

from django.db import connection
from django.db.migrations import RunPython
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.operations.special import SeparateDatabaseAndState

# The last of each app that was made before this was checked: with them a portal is installed.
BASELINE = {
    "runs": "0023_services",
    "retention": "0002_executions",
    "analytics": "0005_newest_first",
}
# (app, migration) → why what is found there may be. Say how many rows, and how long it was seen to
# take.
ALLOWED: dict[tuple[str, str], str] = {}
# Of an installation's size a few rows, whatever it does: nothing is long on them.
SMALL = frozenset({
    "workflows", "triggers", "sources", "bulk_operations", "outbox_cursors",
    "executor_limits", "services", "backends", "views", "retention_policy",
    "retention_workflow_policy", "django_content_type", "auth_permission", "auth_group",
    "auth_group_permissions",
})  # fmt: skip

_NAME = r'"?(?:\w+"?\."?)?(\w+)"?'
_RULES: tuple[tuple[str, str], ...] = (
    (
        rf"CREATE (?:UNIQUE )?INDEX (?!CONCURRENTLY).*? ON (?:ONLY )?{_NAME}",
        "an index that is not built CONCURRENTLY: nobody writes meanwhile",
    ),
    (
        rf"DROP INDEX (?!CONCURRENTLY)(?:IF EXISTS )?{_NAME}",
        "an index that is not dropped CONCURRENTLY: everybody waits for it",
    ),
    (
        rf"ALTER TABLE (?:ONLY )?{_NAME} .*ALTER COLUMN .* TYPE ",
        "a column of another type: the table is written anew, most often",
    ),
    (
        rf"ALTER TABLE (?:ONLY )?{_NAME} .*SET NOT NULL",
        "NOT NULL: the whole table is read under a lock. Add a CHECK (… IS NOT NULL) NOT VALID,"
        " and validate it in another migration, before",
    ),
    (
        rf"ALTER TABLE (?:ONLY )?{_NAME} .*ADD CONSTRAINT (?!.*NOT VALID).*(?:CHECK|FOREIGN KEY)",
        "a constraint that is not NOT VALID: the whole table is read under a lock",
    ),
    (
        rf"ALTER TABLE (?:ONLY )?{_NAME} .*ADD CONSTRAINT \S+ "
        r"(?:UNIQUE|PRIMARY KEY|EXCLUDE)(?! USING INDEX)",
        "a unique constraint builds its index under a lock: build it CONCURRENTLY before",
    ),
    (
        rf"ALTER TABLE (?:ONLY )?{_NAME} .*ADD COLUMN .*(?:GENERATED|SERIAL|IDENTITY"
        r"|DEFAULT [^,;]*(?:random|uuid|clock_timestamp|nextval)\w*\()",
        "a column whose value differs from row to row: the table is written anew",
    ),
    (
        rf"ALTER TABLE (?:ONLY )?{_NAME} .*ADD COLUMN .*(?:REFERENCES|UNIQUE|CHECK)",
        "a column with a constraint of its own: the whole table is read under a lock",
    ),
    (rf"(?:UPDATE|DELETE FROM) (?:ONLY )?{_NAME}", "all rows in one transaction: do it in batches"),
    (rf"INSERT INTO .*SELECT .*FROM {_NAME}", "all rows in one transaction: do it in batches"),
    (rf"(?:VACUUM FULL|CLUSTER|REINDEX TABLE|REINDEX INDEX) {_NAME}", "it locks the table"),
    (rf"LOCK TABLE {_NAME}", "it locks the table"),
)
_CREATED = re.compile(rf"CREATE TABLE (?:IF NOT EXISTS )?{_NAME}", re.I)
_RENAMED = re.compile(rf"ALTER TABLE {_NAME} RENAME (?:COLUMN|TO)", re.I)
_VALIDATES = re.compile(rf"ALTER TABLE {_NAME} VALIDATE CONSTRAINT", re.I)


def problems_of(statements: Iterable[str], *, atomic: bool = True) -> list[str]:
    """What is wrong with a migration that sends these."""
    listed = [" ".join(statement.split()) for statement in statements]
    new = {match[1] for text in listed for match in _CREATED.finditer(text)}
    found = []
    for text in listed:
        for pattern, problem in _RULES:
            match = re.match(pattern, text, re.I)
            if match and match[1] not in new | SMALL:
                found.append(f"{match[1]}: {problem}: {text[:160]}")
        if match := _RENAMED.match(text):
            found.append(f"{match[1]}: a new name: processes of the release before break: {text}")
        if re.match(r"ALTER TABLE .* DROP COLUMN ", text, re.I):
            found.append(f"a dropped column: processes of the release before break: {text[:160]}")
        if "CONCURRENTLY" in text.upper() and atomic:
            found.append(f"CONCURRENTLY within a transaction; set atomic = False: {text[:160]}")
        if (match := _VALIDATES.match(text)) and atomic and len(listed) > 1:
            found.append(f"{match[1]}: VALIDATE beside others keeps their locks: {text[:160]}")
    return found


def after_baseline() -> Iterator[Any]:
    """The migrations that are to be judged, in their order."""
    loader = MigrationLoader(connection)
    for app, name in loader.graph.leaf_nodes():
        if app not in BASELINE:
            continue
        for key in loader.graph.forwards_plan((app, name)):
            if key[0] == app and key not in loader.graph.forwards_plan((app, BASELINE[app])):
                yield loader.graph.nodes[key]


def judge(migration: Any) -> list[str]:
    """What is wrong with it, by its SQL and by what is not SQL."""
    found = [
        f"RunPython({each.code.__name__}): what it does to how many rows is for a person to judge"
        for each in _flat(migration.operations)
        if isinstance(each, RunPython) and each.code is not RunPython.noop
    ]
    return found + problems_of(statements_of(migration), atomic=migration.atomic)


def statements_of(migration: Any) -> list[str]:
    loader = MigrationLoader(connection)
    state = loader.project_state((migration.app_label, migration.name), at_end=False)
    with connection.schema_editor(collect_sql=True, atomic=False) as editor:
        migration.apply(state, editor, collect_sql=True)
    return [line.rstrip(";") for line in editor.collected_sql if not line.startswith("--")]


def _flat(operations: Iterable[Any]) -> Iterator[Any]:
    for each in operations:
        if isinstance(each, SeparateDatabaseAndState):
            yield from _flat(each.database_operations)
        else:
            yield each
