"""When each outcome was, how fast an operation is of late, and outcomes by any status."""

from django.contrib.postgres.operations import AddIndexConcurrently, RemoveIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    # An index that is built beside other transactions takes none of its own.
    atomic = False

    dependencies = [
        ('runs', '0019_restore'),
    ]

    operations = [
        migrations.AddField(
            model_name='bulkoperation',
            name='pace',
            field=models.FloatField(null=True),
        ),
        migrations.AddField(
            model_name='bulkoutcome',
            name='at',
            field=models.DateTimeField(null=True),
        ),
        AddIndexConcurrently(
            model_name='bulkoutcome',
            index=models.Index(fields=['operation', 'status', 'run'], name='bulk_outcomes_status'),
        ),
        RemoveIndexConcurrently(
            model_name='bulkoutcome',
            name='bulk_outcomes_undone',
        ),
    ]
