"""Runs that do not get on: what was found of them last; and bulk operations that help them."""

import django.db.models.deletion
from django.db import migrations, models

KINDS = [('lock', 'Database lock'), ('crash', 'Worker lost'), ('network', 'Network time-out'), ('executor', 'Executor silent'), ('queue', 'Queue'), ('broken', 'Nothing under way'), ('source', 'Source silent'), ('limit', 'Limit'), ('paused', 'Workflow paused'), ('person', 'Person')]
RESCUES = [('rerun', 'Run it again'), ('hint', 'Offer it again'), ('settle', 'Go on'), ('resume', 'Resume'), ('decide', 'Decide'), ('close', 'Close it here'), ('', '–')]
BULK_KINDS = [('retry', 'Retry'), ('terminate', 'Terminate'), ('delete', 'Delete'), ('export', 'Export'), ('hold', 'Legal hold'), ('release', 'End of legal hold'), ('restore', 'Restore logs'), ('rescue', 'Rescue')]


class Migration(migrations.Migration):

    dependencies = [
        ('runs', '0023_services'),
    ]

    operations = [
        migrations.CreateModel(
            name='StuckRun',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('run', models.ForeignKey(db_constraint=False, db_index=False, on_delete=django.db.models.deletion.DO_NOTHING, related_name='stuck', to='runs.run')),
                ('node', models.CharField(blank=True, max_length=64)),
                ('workflow', models.ForeignKey(db_constraint=False, db_index=False, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', to='runs.workflow')),
                ('kind', models.CharField(choices=KINDS, max_length=8, verbose_name='class')),
                ('since', models.DateTimeField()),
                ('found_at', models.DateTimeField()),
                ('checked_at', models.DateTimeField()),
                ('words', models.CharField(max_length=500)),
                ('act', models.CharField(blank=True, max_length=500)),
                ('rescue', models.CharField(blank=True, choices=RESCUES, max_length=8)),
                ('details', models.JSONField(default=dict)),
            ],
            options={
                'db_table': 'stuck_runs',
                'ordering': ['since', 'id'],
                'default_permissions': (),
                'constraints': [
                    models.UniqueConstraint(fields=('run', 'node'), name='stuck_runs_of'),
                    models.CheckConstraint(condition=models.Q(('kind__in', [kind for kind, _ in KINDS])), name='stuck_runs_kind'),
                    models.CheckConstraint(condition=models.Q(('rescue__in', [rescue for rescue, _ in RESCUES])), name='stuck_runs_rescue'),
                ],
                'indexes': [
                    models.Index(fields=['since', 'id'], name='stuck_runs_since'),
                    models.Index(fields=['kind', 'since', 'id'], name='stuck_runs_class'),
                    models.Index(fields=['workflow', 'since', 'id'], name='stuck_runs_workflow'),
                ],
            },
        ),
        migrations.RemoveConstraint(
            model_name='bulkoperation',
            name='bulk_kind',
        ),
        migrations.AlterField(
            model_name='bulkoperation',
            name='kind',
            field=models.CharField(choices=BULK_KINDS, max_length=12),
        ),
        migrations.AddConstraint(
            model_name='bulkoperation',
            constraint=models.CheckConstraint(condition=models.Q(('kind__in', [kind for kind, _ in BULK_KINDS])), name='bulk_kind'),
        ),
    ]
