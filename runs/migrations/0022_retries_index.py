"""Retries, newest first: few of all runs, so it is small, and written to when one is made only."""

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    # An index that is built beside other transactions takes none of its own.
    atomic = False

    dependencies = [
        ('runs', '0021_failure_groups'),
    ]

    operations = [
        AddIndexConcurrently(
            model_name='run',
            index=models.Index(condition=models.Q(('retry_of__isnull', False)), fields=['created_at', 'id'], name='jobs_retries'),
        ),
    ]
