"""By which stuck runs are found: open ones that others execute.

One index a migration: what is built beside other work is not undone when it breaks off, and only what
broke off is to be built again.
"""

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    # An index that is built beside other transactions takes none of its own.
    atomic = False

    dependencies = [
        ('runs', '0025_declined_nodes_index'),
    ]

    operations = [
        AddIndexConcurrently(
            model_name='run',
            index=models.Index(condition=models.Q(('source__isnull', False), ('state__in', ['created', 'active'])), fields=['source', 'created_at', 'id'], name='jobs_open_elsewhere'),
        ),
    ]
