"""Archived logs. What reads the whole table of runs comes in the next migration, without locks."""

import django.contrib.postgres.fields
import django.db.models.deletion
import pgtrigger.compiler
import pgtrigger.migrations
from django.contrib.auth.management import create_permissions
from django.contrib.postgres.operations import AddConstraintNotValid
from django.db import migrations, models


def give_permissions(apps, schema_editor):
    """Restoring to whoever retries runs, retention to whoever deletes them."""
    using = schema_editor.connection.alias
    config = apps.get_app_config("runs")
    # As 0004 says.
    config.models_module = True
    create_permissions(config, verbosity=0, using=using, apps=apps)
    del config.models_module
    permissions = apps.get_model("auth", "Permission").objects.using(using)
    of_runs = permissions.filter(content_type__app_label="runs")
    groups = apps.get_model("auth", "Group").objects.using(using)
    for had, given in (("retry_run", "restore_run"), ("delete_run", "manage_retention")):
        for group in groups.filter(permissions=of_runs.get(codename=had)):
            group.permissions.add(of_runs.get(codename=given))



class Migration(migrations.Migration):

    dependencies = [
        ('runs', '0016_purge'),
    ]

    operations = [
        migrations.CreateModel(
            name='Archive',
            fields=[
                ('run', models.OneToOneField(on_delete=django.db.models.deletion.DO_NOTHING, primary_key=True, related_name='archive', serialize=False, to='runs.run')),
                ('name', models.CharField(max_length=200, unique=True)),
                ('last_seq', models.IntegerField()),
                ('unpacked', models.BigIntegerField()),
                ('bytes', models.BigIntegerField()),
                ('sha256', models.CharField(max_length=64)),
                ('archived_at', models.DateTimeField()),
                ('verified_at', models.DateTimeField()),
                ('problem', models.CharField(blank=True, db_default='', max_length=300)),
                ('restored_at', models.DateTimeField(null=True)),
                ('expires_at', models.DateTimeField(null=True)),
                ('completed_at', models.DateTimeField()),
                ('senders', django.contrib.postgres.fields.ArrayField(base_field=models.BigIntegerField(), null=True, size=None)),
            ],
            options={
                'db_table': 'archives',
                'default_permissions': (),
            },
        ),
        migrations.AlterModelOptions(
            name='run',
            options={'ordering': ['-created_at', '-id'], 'permissions': [('retry_run', 'Can retry runs'), ('terminate_run', 'Can terminate runs'), ('export_run', 'Can export runs'), ('hold_run', 'Can put runs under legal hold, and end it'), ('restore_run', 'Can restore archived logs'), ('manage_retention', 'Can set how long runs and logs are kept, and have them archived')]},
        ),
        migrations.AddField(
            model_name='run',
            name='logs',
            field=models.CharField(choices=[('live', 'live'), ('archiving', 'archiving'), ('archived', 'archived'), ('partly', 'partly'), ('restoring', 'restoring'), ('restored', 'restored')], db_default='live', default='live', max_length=10),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='run',
            trigger=pgtrigger.compiler.Trigger(name='grows_archived', sql=pgtrigger.compiler.UpsertTriggerSql(condition='WHEN (NEW."last_seq" > (OLD."last_seq") AND NEW."logs" = \'archived\')', func="NEW.logs := 'partly'; RETURN NEW;", hash='7732ff76b14e5562a9f8b5731010a5eca87b500c', operation='UPDATE OF "last_seq"', pgid='pgtrigger_grows_archived_56881', table='jobs', when='BEFORE')),
        ),
        AddConstraintNotValid(
            model_name='run',
            constraint=models.CheckConstraint(condition=models.Q(('logs__in', ['live', 'archiving', 'archived', 'partly', 'restoring', 'restored'])), name='jobs_logs'),
        ),
        AddConstraintNotValid(
            model_name='run',
            constraint=models.CheckConstraint(condition=models.Q(('logs', 'live'), ('state__in', ('completed', 'failed', 'terminated')), _connector='OR'), name='jobs_archived_when_final'),
        ),
        migrations.AddIndex(
            model_name='archive',
            index=models.Index(fields=['completed_at', 'run'], name='archives_age'),
        ),
        migrations.AddIndex(
            model_name='archive',
            index=models.Index(fields=['verified_at', 'run'], name='archives_verified'),
        ),
        migrations.AddIndex(
            model_name='archive',
            index=models.Index(condition=models.Q(('expires_at__isnull', False)), fields=['expires_at', 'run'], name='archives_expiring'),
        ),
        migrations.AddIndex(
            model_name='archive',
            index=models.Index(condition=models.Q(('problem', ''), _negated=True), fields=['run'], name='archives_problem'),
        ),
        migrations.RunPython(give_permissions, migrations.RunPython.noop),
    ]
