"""Limits of workflows and executors, pauses, queues; results that a retry takes over."""

import django.core.validators
from django.contrib.auth.management import create_permissions
from django.db import migrations, models


def give_limits(apps, schema_editor):
    """Administrators set the limits of executors."""
    using = schema_editor.connection.alias
    config = apps.get_app_config("runs")
    # As 0004 says.
    config.models_module = True
    create_permissions(config, verbosity=0, using=using, apps=apps)
    del config.models_module
    permissions = apps.get_model("auth", "Permission").objects.using(using)
    given = permissions.filter(
        content_type__app_label="runs", content_type__model="executorlimit"
    )
    groups = apps.get_model("auth", "Group").objects.using(using)
    for group in groups.filter(name="Administrator"):
        group.permissions.add(*given)


class Migration(migrations.Migration):

    dependencies = [
        ('runs', '0011_decisions'),
    ]

    operations = [
        migrations.CreateModel(
            name='ExecutorLimit',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('executor', models.CharField(max_length=128, unique=True)),
                ('most', models.PositiveIntegerField(help_text='Nodes in flight over all workers.', validators=[django.core.validators.MinValueValidator(1)], verbose_name='limit')),
            ],
            options={
                'db_table': 'executor_limits',
                'ordering': ['executor'],
            },
        ),
        migrations.RemoveIndex(
            model_name='readynode',
            name='ready_nodes_waiting',
        ),
        migrations.RemoveIndex(
            model_name='readynode',
            name='ready_nodes_hinted',
        ),
        migrations.AddField(
            model_name='node',
            name='queue',
            field=models.CharField(blank=True, db_default='', max_length=64),
        ),
        migrations.AddField(
            model_name='node',
            name='reused_from',
            field=models.UUIDField(null=True),
        ),
        migrations.AddField(
            model_name='readynode',
            name='declined_at',
            field=models.DateTimeField(null=True),
        ),
        migrations.AddField(
            model_name='readynode',
            name='gate',
            field=models.CharField(blank=True, db_default='', max_length=160),
        ),
        migrations.AddField(
            model_name='readynode',
            name='held',
            field=models.BooleanField(db_default=False, default=False),
        ),
        migrations.AddField(
            model_name='readynode',
            name='queue',
            field=models.CharField(blank=True, db_default='', max_length=64),
        ),
        migrations.AddField(
            model_name='workflow',
            name='max_active',
            field=models.PositiveIntegerField(blank=True, editable=False, null=True),
        ),
        migrations.AddField(
            model_name='workflow',
            name='pause_reason',
            field=models.CharField(blank=True, db_default='', editable=False, max_length=500),
        ),
        migrations.AddField(
            model_name='workflow',
            name='paused_at',
            field=models.DateTimeField(blank=True, editable=False, null=True),
        ),
        migrations.AddField(
            model_name='workflow',
            name='paused_by',
            field=models.CharField(blank=True, db_default='', editable=False, max_length=150),
        ),
        migrations.AddIndex(
            model_name='readynode',
            index=models.Index(condition=models.Q(('held', False), ('hint_due__isnull', True)), fields=['queue', 'ready_at', 'node'], name='ready_nodes_open'),
        ),
        migrations.AddIndex(
            model_name='readynode',
            index=models.Index(condition=models.Q(('hint_due__isnull', False)), fields=['queue', 'hint_due'], name='ready_nodes_of_queue'),
        ),
        migrations.AddIndex(
            model_name='readynode',
            index=models.Index(condition=models.Q(('gate', ''), _negated=True), fields=['gate', 'held', 'ready_at', 'node'], name='ready_nodes_gate'),
        ),
        migrations.RunPython(give_limits, migrations.RunPython.noop),
    ]
