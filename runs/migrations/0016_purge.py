"""Whether events may be deleted is asked once a statement, not once a row."""

import pgtrigger.compiler
import pgtrigger.migrations
from django.db import migrations


class Migration(migrations.Migration):

    dependencies = [
        ('runs', '0015_exports'),
    ]

    operations = [
        pgtrigger.migrations.RemoveTrigger(
            model_name='event',
            name='purge_only',
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='event',
            trigger=pgtrigger.compiler.Trigger(name='purge_only', sql=pgtrigger.compiler.UpsertTriggerSql(func="IF current_setting('runs.purge', true) = 'on' THEN RETURN NULL; END IF;RAISE EXCEPTION 'events go by the purge only' USING ERRCODE = '23514';", hash='ba592a0c49a8e4c91cfc5c1c5217068ea7622093', level='STATEMENT', operation='DELETE', pgid='pgtrigger_purge_only_f0577', table='event_tracking', when='BEFORE')),
        ),
    ]
