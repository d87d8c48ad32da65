"""Indexes for the list's pairs of filters and its searches, and what the planner has to know."""

import django.contrib.postgres.indexes
import django.db.models.functions.text
import runs.expressions
import runs.states
from django.contrib.postgres.operations import TrigramExtension
from django.db import migrations, models

# How often words occur in errors: of an index's expression alone it does not know for LIKE.
# Until they are analysed it would take the searches for far wider than they are.
FORWARDS = """
CREATE STATISTICS jobs_error_words_values
    ON (upper((error_node || ' ' || error_kind || ' ' || error_message))) FROM jobs;
ANALYZE jobs;
"""
BACKWARDS = "DROP STATISTICS jobs_error_words_values"

class Migration(migrations.Migration):

    dependencies = [
        ('runs', '0002_storage'),
    ]

    operations = [
        TrigramExtension(),
        migrations.AddIndex(
            model_name='run',
            index=models.Index(fields=['workflow', 'trigger', 'created_at', 'id'], name='jobs_workflow_trigger'),
        ),
        migrations.AddIndex(
            model_name='run',
            index=models.Index(fields=['workflow', 'triggered_by', 'created_at', 'id'], name='jobs_workflow_person'),
        ),
        migrations.AddIndex(
            model_name='run',
            index=models.Index(fields=['triggered_by', 'trigger', 'created_at', 'id'], name='jobs_person_trigger'),
        ),
        migrations.AddIndex(
            model_name='run',
            index=models.Index(fields=['workflow', 'trigger', 'triggered_by', 'state'], name='jobs_combined'),
        ),
        migrations.AddIndex(
            model_name='run',
            index=models.Index(fields=['ref_id'], name='jobs_reference', opclasses=['text_pattern_ops']),
        ),
        migrations.AddIndex(
            model_name='run',
            index=models.Index(runs.expressions.IdEnd('id'), name='jobs_short_id'),
        ),
        migrations.AddIndex(
            model_name='run',
            index=django.contrib.postgres.indexes.GinIndex(django.contrib.postgres.indexes.OpClass(django.db.models.functions.text.Upper(runs.expressions.Words('error_node', 'error_kind', 'error_message')), name='gin_trgm_ops'), condition=models.Q(('state', runs.states.RunState['FAILED'])), name='jobs_error_words'),
        ),
        migrations.RunSQL(FORWARDS, BACKWARDS),
    ]
