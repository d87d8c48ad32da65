"""By which runs are listed whose logs are neither archived nor in the database for good.

One index a migration: what is built beside other work is not undone when it breaks off, and only what
broke off is to be built again.
"""

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    # An index that is built beside other transactions takes none of its own.
    atomic = False

    dependencies = [
        ('runs', '0026_open_elsewhere_index'),
    ]

    operations = [
        AddIndexConcurrently(
            model_name='run',
            index=models.Index(condition=models.Q(('logs__in', ['archiving', 'partly', 'restoring', 'restored'])), fields=['logs', 'created_at', 'id'], name='jobs_logs_between'),
        ),
    ]
