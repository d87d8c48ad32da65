"""Runs that were deleted within a span of time, as an execution lists those of its own."""

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    # An index that is built beside other transactions takes none of its own.
    atomic = False

    dependencies = [
        ('runs', '0028_bulk_outcomes_run_index'),
    ]

    operations = [
        AddIndexConcurrently(
            model_name='deletedrun',
            index=models.Index(fields=['deleted_at', 'run_id'], name='deleted_runs_times'),
        ),
    ]
