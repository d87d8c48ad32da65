"""Restoring logs becomes an operation on many runs."""

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('runs', '0018_archive_indexes'),
    ]

    operations = [
        migrations.RemoveConstraint(
            model_name='bulkoperation',
            name='bulk_kind',
        ),
        migrations.AlterField(
            model_name='bulkoperation',
            name='kind',
            field=models.CharField(choices=[('retry', 'Retry'), ('terminate', 'Terminate'), ('delete', 'Delete'), ('export', 'Export'), ('hold', 'Legal hold'), ('release', 'End of legal hold'), ('restore', 'Restore logs')], max_length=12),
        ),
        migrations.AddConstraint(
            model_name='bulkoperation',
            constraint=models.CheckConstraint(condition=models.Q(('kind__in', ['retry', 'terminate', 'delete', 'export', 'hold', 'release', 'restore'])), name='bulk_kind'),
        ),
    ]
