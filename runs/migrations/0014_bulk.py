"""Acts on any number of runs, and legal hold."""

import datetime
import django.contrib.postgres.fields
import django.db.models.deletion
import django.db.models.expressions
import runs.ids
from django.contrib.auth.management import create_permissions
from django.db import migrations, models


def give_hold(apps, schema_editor):
    """To whoever may delete runs, which a hold forbids."""
    using = schema_editor.connection.alias
    config = apps.get_app_config("runs")
    # As 0004 says.
    config.models_module = True
    create_permissions(config, verbosity=0, using=using, apps=apps)
    del config.models_module
    permissions = apps.get_model("auth", "Permission").objects.using(using)
    of_runs = permissions.filter(content_type__app_label="runs")
    hold, delete = (of_runs.get(codename=name) for name in ("hold_run", "delete_run"))
    for group in apps.get_model("auth", "Group").objects.using(using).filter(permissions=delete):
        group.permissions.add(hold)


class Migration(migrations.Migration):

    dependencies = [
        ('runs', '0013_triggers'),
    ]

    operations = [
        migrations.AlterModelOptions(
            name='run',
            options={'ordering': ['-created_at', '-id'], 'permissions': [('retry_run', 'Can retry runs'), ('terminate_run', 'Can terminate runs'), ('export_run', 'Can export runs'), ('hold_run', 'Can put runs under legal hold, and end it')]},
        ),
        migrations.AddField(
            model_name='run',
            name='held_at',
            field=models.DateTimeField(null=True),
        ),
        migrations.AddField(
            model_name='run',
            name='held_by',
            field=models.CharField(blank=True, db_default='', max_length=150),
        ),
        migrations.CreateModel(
            name='BulkOperation',
            fields=[
                ('id', models.UUIDField(default=runs.ids.new_id, editable=False, primary_key=True, serialize=False)),
                ('kind', models.CharField(choices=[('retry', 'Retry'), ('terminate', 'Terminate'), ('delete', 'Delete'), ('export', 'Export'), ('hold', 'Legal hold'), ('release', 'End of legal hold')], max_length=12)),
                ('state', models.CharField(choices=[('running', 'Running'), ('paused', 'Paused'), ('finished', 'Finished'), ('aborted', 'Aborted')], default='running', max_length=12)),
                ('reason', models.CharField(blank=True, max_length=500)),
                ('actor', models.CharField(max_length=150)),
                ('ref_type', models.CharField(blank=True, max_length=64)),
                ('ref_id', models.CharField(blank=True, max_length=200)),
                ('address', models.GenericIPAddressField(null=True)),
                ('via', models.CharField(blank=True, max_length=16)),
                ('created_at', models.DateTimeField()),
                ('bound', models.DateTimeField()),
                ('filter', models.JSONField(null=True)),
                ('chosen', django.contrib.postgres.fields.ArrayField(base_field=models.UUIDField(), null=True, size=None)),
                ('options', models.JSONField(default=dict)),
                ('rate', models.IntegerField(null=True)),
                ('cursor_at', models.DateTimeField(null=True)),
                ('cursor_id', models.UUIDField(null=True)),
                ('visited', models.BigIntegerField(default=0)),
                ('done', models.BigIntegerField(default=0)),
                ('skipped', models.BigIntegerField(default=0)),
                ('failed', models.BigIntegerField(default=0)),
                ('at_least', models.BigIntegerField(default=0)),
                ('total', models.BigIntegerField(null=True)),
                ('moved_at', models.DateTimeField()),
                ('worked', models.DurationField(default=datetime.timedelta)),
                ('ended_at', models.DateTimeField(null=True)),
                ('trouble', models.CharField(blank=True, max_length=500)),
                ('failed_of', models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to='runs.bulkoperation')),
            ],
            options={
                'db_table': 'bulk_operations',
                'ordering': ['-created_at', '-id'],
                'default_permissions': (),
            },
        ),
        migrations.CreateModel(
            name='BulkOutcome',
            fields=[
                ('pk', models.CompositePrimaryKey('operation_id', 'run_id', blank=True, editable=False, primary_key=True, serialize=False)),
                ('status', models.CharField(choices=[('done', 'Done'), ('skipped', 'Skipped'), ('failed', 'Failed')], max_length=8)),
                ('reason', models.CharField(blank=True, max_length=300)),
                ('new_run', models.UUIDField(null=True)),
                ('operation', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='outcomes', to='runs.bulkoperation')),
                ('run', models.ForeignKey(db_constraint=False, db_index=False, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', to='runs.run')),
            ],
            options={
                'db_table': 'bulk_outcomes',
                'default_permissions': (),
            },
        ),
        migrations.AddIndex(
            model_name='bulkoperation',
            index=models.Index(fields=['-created_at', '-id'], name='bulk_newest'),
        ),
        migrations.AddIndex(
            model_name='bulkoperation',
            index=models.Index(condition=models.Q(('state', 'running')), fields=['moved_at'], name='bulk_running'),
        ),
        migrations.AddConstraint(
            model_name='bulkoperation',
            constraint=models.CheckConstraint(condition=models.Q(('kind__in', ['retry', 'terminate', 'delete', 'export', 'hold', 'release'])), name='bulk_kind'),
        ),
        migrations.AddConstraint(
            model_name='bulkoperation',
            constraint=models.CheckConstraint(condition=models.Q(('state__in', ['running', 'paused', 'finished', 'aborted'])), name='bulk_state'),
        ),
        migrations.AddConstraint(
            model_name='bulkoperation',
            constraint=models.CheckConstraint(condition=models.Q(('visited', django.db.models.expressions.CombinedExpression(django.db.models.expressions.CombinedExpression(models.F('done'), '+', models.F('skipped')), '+', models.F('failed')))), name='bulk_counts'),
        ),
        migrations.AddIndex(
            model_name='bulkoutcome',
            index=models.Index(condition=models.Q(('status', 'done'), _negated=True), fields=['operation', 'status', 'run'], name='bulk_outcomes_undone'),
        ),
        migrations.RunPython(give_hold, migrations.RunPython.noop),
    ]
