"""What starts runs by itself, and who may change and try it."""

import django.db.models.deletion
import django.db.models.functions.datetime
import runs.models.trigger
from django.conf import settings
from django.contrib.auth.management import create_permissions
from django.db import migrations, models

# Whoever has the one is given the others.
GIVEN = {
    "view_workflow": ("view_trigger",),
    "execute_workflow": ("fire_trigger",),
    "change_workflow": ("add_trigger", "change_trigger", "delete_trigger"),
}


def give_permissions(apps, schema_editor):
    using = schema_editor.connection.alias
    config = apps.get_app_config("runs")
    # As 0004 says.
    config.models_module = True
    create_permissions(config, verbosity=0, using=using, apps=apps)
    del config.models_module
    permissions = apps.get_model("auth", "Permission").objects.using(using)
    of_runs = permissions.filter(content_type__app_label="runs")
    for had, given in GIVEN.items():
        new = of_runs.filter(codename__in=given)
        has_it = apps.get_model("auth", "Group").objects.using(using).filter(
            permissions=of_runs.get(codename=had)
        )
        for group in has_it:
            group.permissions.add(*new)


class Migration(migrations.Migration):

    dependencies = [
        ('runs', '0012_limits'),
    ]

    operations = [
        migrations.CreateModel(
            name='Trigger',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('name', models.CharField(max_length=100, unique=True)),
                ('description', models.CharField(blank=True, max_length=300)),
                ('kind', models.CharField(choices=[('schedule', 'Schedule'), ('webhook', 'Webhook'), ('event', 'Event'), ('automation', 'Automation')], max_length=12)),
                ('source', models.CharField(choices=[('time', 'A time'), ('call', 'A call from outside'), ('run_end', "A run's end"), ('run_event', 'An event within a run')], max_length=12)),
                ('rule', models.JSONField()),
                ('revision', models.IntegerField(default=1)),
                ('enabled', models.BooleanField(default=True, verbose_name='on')),
                ('enabled_at', models.DateTimeField()),
                ('next_due_at', models.DateTimeField(null=True)),
                ('hook', models.CharField(max_length=32, null=True, unique=True)),
                ('salt', models.CharField(default=runs.models.trigger.new_salt, max_length=64)),
                ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ('changed_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ('created_by', models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to=settings.AUTH_USER_MODEL)),
            ],
            options={
                'db_table': 'triggers',
                'ordering': ['name'],
                'permissions': [('fire_trigger', 'Can switch triggers on and off, and test them')],
            },
        ),
        migrations.CreateModel(
            name='Firing',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('key', models.CharField(max_length=200)),
                ('fired_at', models.DateTimeField()),
                ('status', models.CharField(choices=[('started', 'Started'), ('skipped', 'Skipped'), ('refused', 'Refused'), ('failed', 'Failed')], max_length=8)),
                ('reason', models.CharField(blank=True, max_length=500)),
                ('outcomes', models.JSONField(default=list)),
                ('payload', models.JSONField(null=True)),
                ('count', models.IntegerField(default=1)),
                ('is_test', models.BooleanField(default=False)),
                ('cause', models.UUIDField(null=True)),
                ('depth', models.SmallIntegerField(default=1)),
                ('root', models.BigIntegerField(null=True)),
                ('trigger', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='firings', to='runs.trigger')),
            ],
            options={
                'db_table': 'firings',
                'ordering': ['-id'],
                'default_permissions': (),
            },
        ),
        migrations.CreateModel(
            name='TriggeredRun',
            fields=[
                ('run', models.OneToOneField(db_constraint=False, on_delete=django.db.models.deletion.DO_NOTHING, primary_key=True, related_name='triggered', serialize=False, to='runs.run')),
                ('root', models.BigIntegerField()),
                ('firing', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='runs', to='runs.firing')),
                ('trigger', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='+', to='runs.trigger')),
            ],
            options={
                'db_table': 'triggered_runs',
                'default_permissions': (),
            },
        ),
        migrations.AddIndex(
            model_name='trigger',
            index=models.Index(condition=models.Q(('next_due_at__isnull', False)), fields=['next_due_at', 'id'], name='triggers_next'),
        ),
        migrations.AddConstraint(
            model_name='trigger',
            constraint=models.CheckConstraint(condition=models.Q(('kind__in', ['schedule', 'webhook', 'event', 'automation'])), name='triggers_kind'),
        ),
        migrations.AddConstraint(
            model_name='trigger',
            constraint=models.CheckConstraint(condition=models.Q(('source__in', ['time', 'call', 'run_end', 'run_event'])), name='triggers_source'),
        ),
        migrations.AddConstraint(
            model_name='trigger',
            constraint=models.CheckConstraint(condition=models.Q(('next_due_at__isnull', True), models.Q(('enabled', True), ('source', 'time')), _connector='OR'), name='triggers_due'),
        ),
        migrations.AddIndex(
            model_name='firing',
            index=models.Index(fields=['trigger', '-id'], name='firings_newest'),
        ),
        migrations.AddIndex(
            model_name='firing',
            index=models.Index(fields=['trigger', 'status', '-id'], name='firings_by_status'),
        ),
        migrations.AddIndex(
            model_name='firing',
            index=models.Index(fields=['fired_at'], name='firings_age'),
        ),
        migrations.AddConstraint(
            model_name='firing',
            constraint=models.UniqueConstraint(fields=('trigger', 'key'), name='firings_key'),
        ),
        migrations.AddIndex(
            model_name='triggeredrun',
            index=models.Index(fields=['trigger', '-firing'], name='triggered_runs_newest'),
        ),
        migrations.AddIndex(
            model_name='triggeredrun',
            index=models.Index(fields=['root'], name='triggered_runs_root'),
        ),
        migrations.RunPython(give_permissions, migrations.RunPython.noop),
    ]
