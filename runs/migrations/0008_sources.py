"""Runs that are executed elsewhere: who reports them, and by which ids of its own."""

import django.core.validators
import django.db.models.deletion
import django.db.models.functions.datetime
import runs.models.source
from django.conf import settings
from django.contrib.auth.management import create_permissions
from django.db import migrations, models


def give_permissions(apps, schema_editor):
    """Operators may report runs; administrators may also name who reports them.

    Groups that people deleted or renamed are left alone.
    """
    using = schema_editor.connection.alias
    # Django makes permissions after the last migration: too late for this one.
    config = apps.get_app_config("runs")
    config.models_module = True
    create_permissions(config, verbosity=0, using=using, apps=apps)
    del config.models_module
    permissions = apps.get_model("auth", "Permission").objects.using(using)
    of_sources = permissions.filter(
        content_type__app_label="runs", content_type__model="source"
    )
    for name, given in (
        ("Operator", of_sources.filter(codename="ingest_event")),
        ("Administrator", of_sources),
    ):
        for group in apps.get_model("auth", "Group").objects.using(using).filter(name=name):
            group.permissions.add(*given)


class Migration(migrations.Migration):

    dependencies = [
        ('auth', '0012_alter_user_first_name_max_length'),
        ('contenttypes', '0002_remove_content_type_name'),
        ('runs', '0006_error_index'),
        ('runs', '0007_tokens'),
    ]

    operations = [
        migrations.AddField(
            model_name='event',
            name='sender_id',
            field=models.CharField(db_collation='C', max_length=100, null=True),
        ),
        migrations.AddField(
            model_name='run',
            name='external_id',
            field=models.CharField(blank=True, db_default='', max_length=200),
        ),
        migrations.CreateModel(
            name='Source',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('name', models.CharField(help_text='Its id, such as airflow-prod. It cannot be changed later.', max_length=64, unique=True, validators=[django.core.validators.RegexValidator('^[a-z0-9][a-z0-9_.-]*\\Z', 'Use small letters, digits, dots, hyphens and underscores; no dot first.'), runs.models.source.check_free])),
                ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), editable=False)),
                ('last_event_at', models.DateTimeField(editable=False, null=True)),
                ('retry_url', models.CharField(blank=True, help_text='Called when somebody retries one of its runs.', max_length=500, validators=[django.core.validators.URLValidator(schemes=['http', 'https'])], verbose_name='retry address')),
                ('terminate_url', models.CharField(blank=True, help_text='Called when somebody terminates one of its runs.', max_length=500, validators=[django.core.validators.URLValidator(schemes=['http', 'https'])], verbose_name='terminate address')),
                ('created_by', models.ForeignKey(editable=False, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to=settings.AUTH_USER_MODEL)),
            ],
            options={
                'db_table': 'sources',
                'ordering': ['name'],
                'permissions': [('ingest_event', 'Can report events of runs executed elsewhere')],
            },
        ),
        migrations.AddField(
            model_name='event',
            name='source',
            field=models.ForeignKey(db_constraint=False, db_index=False, null=True, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', to='runs.source'),
        ),
        migrations.AddField(
            model_name='run',
            name='source',
            field=models.ForeignKey(db_index=False, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='runs', to='runs.source'),
        ),
        migrations.AddConstraint(
            model_name='event',
            constraint=models.UniqueConstraint(condition=models.Q(('sender_id__isnull', False)), fields=('source', 'sender_id'), name='event_tracking_sender'),
        ),
        migrations.AddConstraint(
            model_name='run',
            constraint=models.UniqueConstraint(condition=models.Q(('source__isnull', False)), fields=('source', 'external_id'), name='jobs_external'),
        ),
        migrations.AddConstraint(
            model_name='run',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('external_id', ''), ('source__isnull', True)), models.Q(models.Q(('source__isnull', False)), models.Q(('external_id', ''), _negated=True)), _connector='OR'), name='jobs_external_id_of_source'),
        ),
        migrations.RunPython(give_permissions, migrations.RunPython.noop),
    ]
