"""What is left of deleted runs, answers that are given again, and who may export runs."""

from django.contrib.auth.management import create_permissions
from django.db import migrations, models


def give_export(apps, schema_editor):
    """To the groups that may see runs: until now that was all that an export needed."""
    using = schema_editor.connection.alias
    config = apps.get_app_config("runs")
    # As 0004 says.
    config.models_module = True
    create_permissions(config, verbosity=0, using=using, apps=apps)
    del config.models_module
    permissions = apps.get_model("auth", "Permission").objects.using(using)
    of_runs = permissions.filter(content_type__app_label="runs", content_type__model="run")
    export = of_runs.get(codename="export_run")
    view = of_runs.get(codename="view_run")
    for group in apps.get_model("auth", "Group").objects.using(using).filter(permissions=view):
        group.permissions.add(export)
    for user in apps.get_model("runs", "User").objects.using(using).filter(user_permissions=view):
        user.user_permissions.add(export)


class Migration(migrations.Migration):

    dependencies = [
        ('runs', '0008_sources'),
    ]

    operations = [
        migrations.AlterModelOptions(
            name='run',
            options={'ordering': ['-created_at', '-id'], 'permissions': [('retry_run', 'Can retry runs'), ('terminate_run', 'Can terminate runs'), ('export_run', 'Can export runs')]},
        ),
        migrations.CreateModel(
            name='DeletedRun',
            fields=[
                ('run_id', models.UUIDField(primary_key=True, serialize=False)),
                ('source_id', models.BigIntegerField(null=True)),
                ('external_id', models.CharField(max_length=200, null=True)),
                ('deleted_at', models.DateTimeField()),
                ('deleted_by', models.CharField(max_length=150)),
                ('reason', models.CharField(blank=True, max_length=500)),
            ],
            options={
                'db_table': 'deleted_runs',
                'default_permissions': (),
                'constraints': [models.UniqueConstraint(condition=models.Q(('source_id__isnull', False)), fields=('source_id', 'external_id'), name='deleted_runs_external')],
            },
        ),
        migrations.CreateModel(
            name='IdempotencyKey',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('caller', models.CharField(max_length=64)),
                ('key', models.CharField(max_length=255)),
                ('digest', models.CharField(max_length=64)),
                ('run_id', models.UUIDField(null=True)),
                ('answer', models.JSONField(null=True)),
                ('created_at', models.DateTimeField()),
            ],
            options={
                'db_table': 'idempotency_keys',
                'default_permissions': (),
                'indexes': [models.Index(fields=['created_at'], name='idempotency_keys_age')],
                'constraints': [models.UniqueConstraint(fields=('caller', 'key'), name='idempotency_keys_once')],
            },
        ),
        # Going back takes the permission away by itself.
        migrations.RunPython(give_export, migrations.RunPython.noop),
    ]
