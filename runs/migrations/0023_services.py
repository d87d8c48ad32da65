"""Whether each part of the portal is up, and who may see it and name backends."""

import django.core.validators
import django.db.models.deletion
import django.db.models.functions.datetime
from django.conf import settings
from django.contrib.auth.management import create_permissions
from django.db import migrations, models


def give_permissions(apps, schema_editor):
    """Operators see how the parts are; administrators also name backends."""
    using = schema_editor.connection.alias
    config = apps.get_app_config("runs")
    # As 0004 says.
    config.models_module = True
    create_permissions(config, verbosity=0, using=using, apps=apps)
    del config.models_module
    permissions = apps.get_model("auth", "Permission").objects.using(using)
    new = permissions.filter(
        content_type__app_label="runs", content_type__model__in=("service", "backend")
    )
    groups = apps.get_model("auth", "Group").objects.using(using)
    for name, given in (
        ("Operator", new.filter(codename__startswith="view_")),
        ("Administrator", new),
    ):
        for group in groups.filter(name=name):
            group.permissions.add(*given)


class Migration(migrations.Migration):

    dependencies = [
        ('runs', '0022_retries_index'),
    ]

    operations = [
        migrations.CreateModel(
            name='Service',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('key', models.CharField(max_length=200, unique=True)),
                ('kind', models.CharField(choices=[('database', 'Database'), ('broker', 'Broker'), ('storage', 'Object storage'), ('worker', 'Worker'), ('beat', 'Beat'), ('streams', 'Streams'), ('queue', 'Queue'), ('outbox', 'Change feed'), ('archive', 'Archive'), ('source', 'Source'), ('backend', 'Backend')], max_length=10)),
                ('name', models.CharField(max_length=200)),
                ('status', models.CharField(choices=[('up', 'Up'), ('unknown', 'Unknown'), ('degraded', 'Degraded'), ('down', 'Down')], max_length=8)),
                ('since', models.DateTimeField()),
                ('checked_at', models.DateTimeField()),
                ('latency_ms', models.FloatField(null=True)),
                ('words', models.CharField(blank=True, max_length=500)),
                ('act', models.CharField(blank=True, max_length=500)),
                ('details', models.JSONField(default=dict)),
            ],
            options={
                'db_table': 'services',
                'ordering': ['key'],
                'default_permissions': ('view',),
                'constraints': [models.CheckConstraint(condition=models.Q(('kind__in', ['database', 'broker', 'storage', 'worker', 'beat', 'streams', 'queue', 'outbox', 'archive', 'source', 'backend'])), name='services_kind'), models.CheckConstraint(condition=models.Q(('status__in', ['up', 'unknown', 'degraded', 'down'])), name='services_status')],
            },
        ),
        migrations.CreateModel(
            name='Backend',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('name', models.CharField(max_length=100, unique=True)),
                ('url', models.CharField(help_text='Of its health page; of a Marie-AI gateway, the address of the gateway alone, such as https://marie.example.', max_length=500, validators=[django.core.validators.URLValidator(schemes=['http', 'https'])], verbose_name='address')),
                ('preset', models.CharField(choices=[('http', 'HTTP health'), ('marie', 'Marie-AI gateway')], default='http', max_length=10, verbose_name='kind')),
                ('secret', models.CharField(blank=True, help_text='The name of a secret that is sent as its bearer token: MARIE stands for the value of NODE_SECRET_MARIE.', max_length=64, validators=[django.core.validators.RegexValidator('^[A-Za-z_][A-Za-z0-9_]*\\Z', 'The name of a secret.')])),
                ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), editable=False)),
                ('created_by', models.ForeignKey(editable=False, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to=settings.AUTH_USER_MODEL)),
            ],
            options={
                'db_table': 'backends',
                'ordering': ['name'],
                'constraints': [models.CheckConstraint(condition=models.Q(('preset__in', ['http', 'marie'])), name='backends_preset')],
            },
        ),
        migrations.CreateModel(
            name='ServiceMinute',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('minute', models.DateTimeField()),
                ('severity', models.SmallIntegerField()),
                ('latency_ms', models.FloatField(null=True)),
                ('service', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='minutes', to='runs.service')),
            ],
            options={
                'db_table': 'service_minutes',
                'default_permissions': (),
                'indexes': [models.Index(fields=['minute'], name='service_minutes_age')],
                'constraints': [models.UniqueConstraint(fields=('service', 'minute'), name='service_minutes_of')],
            },
        ),
        migrations.RunPython(give_permissions, migrations.RunPython.noop),
    ]
