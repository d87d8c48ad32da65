"""By which the operations are found that acted on a run.

One index a migration: what is built beside other work is not undone when it breaks off, and only what
broke off is to be built again.
"""

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    # An index that is built beside other transactions takes none of its own.
    atomic = False

    dependencies = [
        ('runs', '0027_logs_between_index'),
    ]

    operations = [
        AddIndexConcurrently(
            model_name='bulkoutcome',
            index=models.Index(fields=['run'], name='bulk_outcomes_run'),
        ),
    ]
