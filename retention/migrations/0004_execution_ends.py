"""Who aborted an execution and why, and what was in its way before."""

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('retention', '0003_days_from_one'),
    ]

    operations = [
        migrations.AddField(
            model_name='execution',
            name='abort_reason',
            field=models.CharField(blank=True, db_default='', max_length=500),
        ),
        migrations.AddField(
            model_name='execution',
            name='aborted_by',
            field=models.CharField(blank=True, db_default='', max_length=150),
        ),
        migrations.AddField(
            model_name='execution',
            name='waits',
            field=models.JSONField(null=True),
        ),
    ]
