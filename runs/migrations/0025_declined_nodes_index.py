"""By which stuck runs are found: nodes that workers gave back."""

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    # An index that is built beside other transactions takes none of its own.
    atomic = False

    dependencies = [
        ('runs', '0024_stuck_runs'),
    ]

    operations = [
        AddIndexConcurrently(
            model_name='readynode',
            index=models.Index(condition=models.Q(('declined_at__isnull', False)), fields=['declined_at'], name='ready_nodes_declined'),
        ),
    ]
