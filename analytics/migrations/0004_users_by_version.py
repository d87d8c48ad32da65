"""People are counted by version too; their days are counted anew."""

import django.db.models.deletion
from django.db import migrations, models

AGAIN = """
DELETE FROM analytics_users;
UPDATE analytics_buckets SET dirty_since = coalesce(dirty_since, now()), due_at = now()
WHERE span = 1;
"""


class Migration(migrations.Migration):

    dependencies = [
        ('analytics', '0003_dearest'),
        ('runs', '0021_failure_groups'),
    ]

    operations = [
        migrations.RunSQL(AGAIN, migrations.RunSQL.noop),
        migrations.AddField(
            model_name='userrollup',
            name='version',
            field=models.ForeignKey(db_constraint=False, db_index=False, default=0, on_delete=django.db.models.deletion.CASCADE, related_name='+', to='runs.workflowversion'),
            preserve_default=False,
        ),
    ]
