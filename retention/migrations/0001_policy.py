"""The policy, and what is done by it."""

import django.core.validators
import django.db.models.deletion
import runs.ids
from django.db import migrations, models


def make_policy(apps, schema_editor):
    using = schema_editor.connection.alias
    apps.get_model("retention", "Policy").objects.using(using).get_or_create(pk=1)


class Migration(migrations.Migration):

    initial = True

    dependencies = [
        ('runs', '0018_archive_indexes'),
    ]

    operations = [
        migrations.CreateModel(
            name='WorkflowPolicy',
            fields=[
                ('workflow', models.OneToOneField(on_delete=django.db.models.deletion.CASCADE, primary_key=True, related_name='+', serialize=False, to='runs.workflow')),
                ('completed_days', models.PositiveIntegerField(blank=True, null=True, validators=[django.core.validators.MinValueValidator(1), django.core.validators.MaxValueValidator(36500)])),
                ('failed_days', models.PositiveIntegerField(blank=True, null=True, validators=[django.core.validators.MinValueValidator(1), django.core.validators.MaxValueValidator(36500)])),
                ('terminated_days', models.PositiveIntegerField(blank=True, null=True, validators=[django.core.validators.MinValueValidator(1), django.core.validators.MaxValueValidator(36500)])),
                ('delete_days', models.PositiveIntegerField(blank=True, null=True, validators=[django.core.validators.MinValueValidator(1), django.core.validators.MaxValueValidator(36500)])),
                ('never_deleted', models.BooleanField(db_default=False, default=False)),
                ('changed_at', models.DateTimeField(null=True)),
                ('changed_by', models.CharField(blank=True, db_default='', max_length=150)),
            ],
            options={
                'db_table': 'retention_workflow_policy',
                'default_permissions': (),
            },
        ),
        migrations.CreateModel(
            name='Execution',
            fields=[
                ('id', models.UUIDField(default=runs.ids.new_id, editable=False, primary_key=True, serialize=False)),
                ('kind', models.CharField(choices=[('archive', 'Archive'), ('sweep', 'Orphan sweep'), ('check', 'Integrity check')], max_length=10)),
                ('state', models.CharField(choices=[('running', 'Running'), ('finished', 'Finished'), ('aborted', 'Aborted'), ('failed', 'Failed')], default='running', max_length=10)),
                ('dry_run', models.BooleanField(default=False)),
                ('night', models.DateField(null=True)),
                ('started_by', models.CharField(max_length=150)),
                ('reason', models.CharField(blank=True, max_length=500)),
                ('options', models.JSONField(default=dict)),
                ('created_at', models.DateTimeField()),
                ('ended_at', models.DateTimeField(null=True)),
                ('moved_at', models.DateTimeField()),
                ('taken_until', models.DateTimeField(null=True)),
                ('cursor', models.JSONField(default=dict)),
                ('trouble', models.CharField(blank=True, max_length=500)),
                ('seen', models.BigIntegerField(default=0)),
                ('archived', models.BigIntegerField(default=0)),
                ('verified', models.BigIntegerField(default=0)),
                ('skipped', models.BigIntegerField(default=0)),
                ('errors', models.BigIntegerField(default=0)),
                ('events', models.BigIntegerField(default=0)),
                ('expired', models.BigIntegerField(default=0)),
                ('deleted_runs', models.BigIntegerField(default=0)),
                ('unpacked_bytes', models.BigIntegerField(default=0)),
                ('bytes', models.BigIntegerField(default=0)),
                ('expected', models.BigIntegerField(null=True)),
            ],
            options={
                'db_table': 'retention_executions',
                'ordering': ['-created_at', '-id'],
                'default_permissions': (),
                'indexes': [models.Index(fields=['-created_at', '-id'], name='retention_newest'), models.Index(condition=models.Q(('state', 'running')), fields=['moved_at'], name='retention_running')],
                'constraints': [models.UniqueConstraint(condition=models.Q(('night__isnull', False)), fields=('night',), name='retention_night'), models.CheckConstraint(condition=models.Q(('kind__in', ['archive', 'sweep', 'check'])), name='retention_kind'), models.CheckConstraint(condition=models.Q(('state__in', ['running', 'finished', 'aborted', 'failed'])), name='retention_state')],
            },
        ),
        migrations.CreateModel(
            name='Policy',
            fields=[
                ('id', models.SmallIntegerField(default=1, primary_key=True, serialize=False)),
                ('completed_days', models.PositiveIntegerField(db_default=90, default=90, validators=[django.core.validators.MinValueValidator(1), django.core.validators.MaxValueValidator(36500)])),
                ('failed_days', models.PositiveIntegerField(db_default=180, default=180, validators=[django.core.validators.MinValueValidator(1), django.core.validators.MaxValueValidator(36500)])),
                ('terminated_days', models.PositiveIntegerField(db_default=30, default=30, validators=[django.core.validators.MinValueValidator(1), django.core.validators.MaxValueValidator(36500)])),
                ('delete_days', models.PositiveIntegerField(blank=True, null=True, validators=[django.core.validators.MinValueValidator(1), django.core.validators.MaxValueValidator(36500)])),
                ('restore_days', models.PositiveIntegerField(db_default=7, default=7, validators=[django.core.validators.MinValueValidator(1), django.core.validators.MaxValueValidator(36500)])),
                ('hour', models.PositiveSmallIntegerField(db_default=2, default=2)),
                ('zone', models.CharField(db_default='UTC', default='UTC', max_length=64)),
                ('is_on', models.BooleanField(db_default=True, default=True)),
                ('changed_at', models.DateTimeField(null=True)),
                ('changed_by', models.CharField(blank=True, db_default='', max_length=150)),
            ],
            options={
                'db_table': 'retention_policy',
                'default_permissions': (),
                'constraints': [models.CheckConstraint(condition=models.Q(('id', 1)), name='retention_policy_one'), models.CheckConstraint(condition=models.Q(('hour__lte', 23)), name='retention_policy_hour'), models.CheckConstraint(condition=models.Q(('completed_days__gte', 1), ('failed_days__gte', 1), ('restore_days__gte', 1), ('terminated_days__gte', 1)), name='retention_policy_days')],
            },
        ),
        migrations.CreateModel(
            name='Finding',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('at', models.DateTimeField()),
                ('run_id', models.UUIDField(null=True)),
                ('object_name', models.CharField(blank=True, max_length=300)),
                ('problem', models.CharField(max_length=500)),
                ('act', models.CharField(blank=True, max_length=200)),
                ('execution', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='findings', to='retention.execution')),
            ],
            options={
                'db_table': 'retention_findings',
                'ordering': ['id'],
                'default_permissions': (),
                'indexes': [models.Index(fields=['execution', 'id'], name='retention_findings_of')],
            },
        ),
        migrations.RunPython(make_policy, migrations.RunPython.noop),
    ]
