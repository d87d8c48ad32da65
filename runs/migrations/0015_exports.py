"""Exports of any size as files in storage, and objects there that are to be deleted."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('runs', '0014_bulk'),
    ]

    operations = [
        migrations.CreateModel(
            name='DoomedObject',
            fields=[
                ('name', models.CharField(max_length=200, primary_key=True, serialize=False)),
                ('doomed_at', models.DateTimeField()),
                ('due_at', models.DateTimeField()),
                ('tries', models.IntegerField(default=0)),
                ('reason', models.CharField(blank=True, max_length=200)),
            ],
            options={
                'db_table': 'doomed_objects',
                'default_permissions': (),
            },
        ),
        migrations.CreateModel(
            name='ExportPart',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('number', models.IntegerField()),
                ('name', models.CharField(max_length=200)),
                ('runs', models.IntegerField()),
                ('events', models.BigIntegerField()),
                ('missing', models.BigIntegerField()),
                ('bytes', models.BigIntegerField()),
                ('unpacked', models.BigIntegerField()),
                ('sha256', models.CharField(max_length=64)),
            ],
            options={
                'db_table': 'export_parts',
                'default_permissions': (),
            },
        ),
        migrations.AddField(
            model_name='bulkoperation',
            name='taken_until',
            field=models.DateTimeField(null=True),
        ),
        migrations.AddIndex(
            model_name='run',
            index=models.Index(condition=models.Q(('held_at__isnull', False)), fields=['created_at', 'id'], name='jobs_held'),
        ),
        migrations.AddIndex(
            model_name='doomedobject',
            index=models.Index(fields=['due_at'], name='doomed_objects_due'),
        ),
        migrations.AddField(
            model_name='exportpart',
            name='operation',
            field=models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='parts', to='runs.bulkoperation'),
        ),
        migrations.AddConstraint(
            model_name='exportpart',
            constraint=models.UniqueConstraint(fields=('operation', 'number'), name='export_parts_number'),
        ),
    ]
