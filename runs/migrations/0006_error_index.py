"""An index for runs that failed alike: with the same kind of error at the same node."""

import runs.states
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('runs', '0005_saved_views'),
    ]

    operations = [
        migrations.AddIndex(
            model_name='run',
            index=models.Index(condition=models.Q(('state', runs.states.RunState['FAILED'])), fields=['error_kind', 'error_node', 'created_at', 'id'], name='jobs_error_created'),
        ),
    ]
