"""What failed alike, also of runs that failed before; and what deleted runs were counted with."""

import uuid

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models

from runs.arrays import literal
from runs.fingerprint import fingerprint

BATCH = 5_000
# By key, so that no row is looked at twice.
READ = """
SELECT id, error_kind, error_message, error_node FROM jobs
WHERE id > %s AND state = 'failed' AND error_group IS NULL ORDER BY id LIMIT %s
"""
WRITE = """
UPDATE jobs SET error_group = given.error_group
FROM unnest(%s::uuid[], %s::bigint[]) AS given(id, error_group) WHERE jobs.id = given.id
"""


def give_groups(apps, schema_editor):
    """Batch by batch, each a transaction of its own: there may be millions."""
    last = uuid.UUID(int=0)
    with schema_editor.connection.cursor() as cursor:
        while True:
            cursor.execute(READ, [last, BATCH])
            rows = cursor.fetchall()
            if not rows:
                return
            last = rows[-1][0]
            groups = [fingerprint(kind, message, node) for _, kind, message, node in rows]
            cursor.execute(WRITE, [literal(row[0] for row in rows), literal(groups)])


class Migration(migrations.Migration):
    # An index that is built beside other transactions takes none of its own.
    atomic = False

    dependencies = [
        ('runs', '0020_bulk_times'),
    ]

    operations = [
        migrations.AddField(
            model_name='deletedrun',
            name='created_at',
            field=models.DateTimeField(null=True),
        ),
        migrations.AddField(
            model_name='deletedrun',
            name='workflow_id',
            field=models.BigIntegerField(null=True),
        ),
        migrations.AddField(
            model_name='run',
            name='error_group',
            field=models.BigIntegerField(null=True),
        ),
        AddIndexConcurrently(
            model_name='run',
            index=models.Index(condition=models.Q(('state', 'failed')), fields=['error_group', 'created_at', 'id'], name='jobs_error_group'),
        ),
        migrations.RunPython(give_groups, migrations.RunPython.noop, atomic=False),
    ]
