
import django.contrib.postgres.fields
import django.db.models.deletion
import runs.ids
from importlib import import_module
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('runs', '0004_access'),
    ]

    operations = [
        migrations.AddField(
            model_name='user',
            name='list_columns',
            field=django.contrib.postgres.fields.ArrayField(base_field=models.CharField(max_length=20), blank=True, default=list, size=None),
        ),
        migrations.CreateModel(
            name='SavedView',
            fields=[
                ('id', models.UUIDField(default=runs.ids.new_id, editable=False, primary_key=True, serialize=False)),
                ('name', models.CharField(max_length=80)),
                ('query', models.TextField()),
                ('is_shared', models.BooleanField(default=False)),
                ('owner', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='saved_views', to=settings.AUTH_USER_MODEL)),
            ],
            options={
                'db_table': 'saved_views',
                'ordering': ['name', 'id'],
            },
        ),
        migrations.AddField(
            model_name='user',
            name='default_view',
            field=models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to='runs.savedview'),
        ),
        migrations.AddIndex(
            model_name='savedview',
            index=models.Index(condition=models.Q(('is_shared', True)), fields=['name'], name='saved_views_shared'),
        ),
        migrations.AddConstraint(
            model_name='savedview',
            constraint=models.UniqueConstraint(fields=('owner', 'name'), name='saved_views_name'),
        ),
        # Administrators get the permissions of what is new here.
        migrations.RunPython(
            import_module('runs.migrations.0004_access').make_groups, migrations.RunPython.noop
        ),
    ]
