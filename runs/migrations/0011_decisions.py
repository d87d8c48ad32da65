"""What waits for people, and who may decide it."""

import django.contrib.postgres.fields
import django.db.models.deletion
from django.contrib.auth.management import create_permissions
from django.db import migrations, models

import runs.states


def give_decide(apps, schema_editor):
    """To whoever may retry runs, which is what else a person does about one."""
    using = schema_editor.connection.alias
    config = apps.get_app_config("runs")
    # As 0004 says.
    config.models_module = True
    create_permissions(config, verbosity=0, using=using, apps=apps)
    del config.models_module
    permissions = apps.get_model("auth", "Permission").objects.using(using)
    of_runs = permissions.filter(content_type__app_label="runs")
    decide, retry = (of_runs.get(codename=name) for name in ("decide_decision", "retry_run"))
    for group in apps.get_model("auth", "Group").objects.using(using).filter(permissions=retry):
        group.permissions.add(decide)


class Migration(migrations.Migration):

    dependencies = [
        ('runs', '0010_audit_search'),
    ]

    operations = [
        migrations.CreateModel(
            name='Decision',
            fields=[
                ('node', models.OneToOneField(on_delete=django.db.models.deletion.CASCADE, primary_key=True, serialize=False, to='runs.node')),
                ('title', models.CharField(max_length=200)),
                ('people', django.contrib.postgres.fields.ArrayField(base_field=models.CharField(max_length=150), size=None)),
                ('groups', django.contrib.postgres.fields.ArrayField(base_field=models.CharField(max_length=150), size=None)),
                ('asked_at', models.DateTimeField()),
                ('due_at', models.DateTimeField(null=True)),
                ('decided_at', models.DateTimeField(null=True)),
                ('decided_by', models.CharField(blank=True, max_length=150)),
                ('act', models.CharField(blank=True, choices=[(runs.states.DecisionAct['APPROVED'], runs.states.DecisionAct['APPROVED']), (runs.states.DecisionAct['REJECTED'], runs.states.DecisionAct['REJECTED']), (runs.states.DecisionAct['CORRECTED'], runs.states.DecisionAct['CORRECTED']), (runs.states.DecisionAct['WITHDRAWN'], runs.states.DecisionAct['WITHDRAWN'])], max_length=12)),
                ('run', models.ForeignKey(db_constraint=False, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', to='runs.run')),
            ],
            options={
                'db_table': 'decisions',
                'permissions': [('decide_decision', 'Can decide what waits for a person')],
                'default_permissions': (),
                'indexes': [models.Index(condition=models.Q(('decided_at__isnull', True)), fields=['asked_at', 'node'], name='decisions_open'), models.Index(condition=models.Q(('decided_at__isnull', True), ('due_at__isnull', False)), fields=['due_at'], name='decisions_due'), models.Index(condition=models.Q(('decided_at__isnull', False)), fields=['-decided_at', 'node'], name='decisions_past')],
            },
        ),
        migrations.RunPython(give_decide, migrations.RunPython.noop),
    ]
