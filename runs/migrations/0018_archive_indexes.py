"""What the archive needs of the table of runs, while others write there."""

from django.contrib.postgres.operations import AddIndexConcurrently, ValidateConstraint
from django.db import migrations, models


class Migration(migrations.Migration):
    # An index that is built beside other transactions takes none of its own.
    atomic = False

    dependencies = [
        ('runs', '0017_archive'),
    ]

    operations = [
        AddIndexConcurrently(
            model_name='run',
            index=models.Index(condition=models.Q(('completed_at__isnull', False), ('held_at__isnull', True), ('logs__in', ['live', 'partly'])), fields=['workflow', 'state', 'completed_at', 'id'], name='jobs_to_archive'),
        ),
        AddIndexConcurrently(
            model_name='run',
            index=models.Index(condition=models.Q(('logs', 'live'), _negated=True), fields=['created_at', 'id'], name='jobs_archived'),
        ),
        AddIndexConcurrently(
            model_name='run',
            index=models.Index(condition=models.Q(('logs__in', ['archiving', 'restoring'])), fields=['id'], name='jobs_logs_moving'),
        ),
        ValidateConstraint(model_name='run', name='jobs_logs'),
        ValidateConstraint(model_name='run', name='jobs_archived_when_final'),
    ]
