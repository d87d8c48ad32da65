from django.db import migrations, models

# What was counted before does not know it.
AGAIN = """
UPDATE analytics_buckets SET dirty_since = coalesce(dirty_since, now()), due_at = now()
WHERE span = 0
"""


class Migration(migrations.Migration):
    dependencies = [("analytics", "0002_mark_permission")]

    operations = [
        migrations.AddField(
            "runrollup",
            "dearest",
            models.DecimalField(decimal_places=10, default=0, max_digits=30),
        ),
        migrations.RunSQL(AGAIN, migrations.RunSQL.noop),
    ]
