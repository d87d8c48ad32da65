"""The audit is searched by address, token and words of its reason, and is never emptied."""

import django.contrib.postgres.indexes
import django.db.models.functions.text
import pgtrigger.compiler
import pgtrigger.migrations
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('runs', '0009_deletion'),
    ]

    operations = [
        migrations.AddIndex(
            model_name='auditentry',
            index=models.Index(fields=['address', 'at', 'id'], name='audit_address'),
        ),
        migrations.AddIndex(
            model_name='auditentry',
            index=models.Index(condition=models.Q(('via', ''), _negated=True), fields=['via', 'at', 'id'], name='audit_token'),
        ),
        migrations.AddIndex(
            model_name='auditentry',
            index=django.contrib.postgres.indexes.GinIndex(django.contrib.postgres.indexes.OpClass(django.db.models.functions.text.Upper('reason'), name='gin_trgm_ops'), name='audit_reason'),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='auditentry',
            trigger=pgtrigger.compiler.Trigger(name='no_truncate', sql=pgtrigger.compiler.UpsertTriggerSql(func="IF current_setting('runs.purge', true) = 'on' THEN RETURN NULL; END IF;RAISE EXCEPTION 'the audit only grows' USING ERRCODE = '23514';", hash='70a5cc345587c919e9170622103835e9db9fb779', level='STATEMENT', operation='TRUNCATE', pgid='pgtrigger_no_truncate_fc736', table='audit', when='BEFORE')),
        ),
    ]
