"""What the models cannot say: a two-column foreign key, and how hot tables are stored."""

from django.db import migrations

FORWARDS = """
ALTER TABLE jobs ADD CONSTRAINT jobs_version_of_workflow
    FOREIGN KEY (version_id, workflow_id) REFERENCES workflow_versions (id, workflow_id);
-- Room on the page for the new row version, so that an update need not touch the indexes.
ALTER TABLE jobs SET (fillfactor = 75);
ALTER TABLE nodes SET (fillfactor = 75);
ALTER TABLE leases SET (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.02);
ALTER TABLE ready_nodes SET (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.02);
"""
BACKWARDS = """
ALTER TABLE jobs DROP CONSTRAINT jobs_version_of_workflow;
ALTER TABLE jobs RESET (fillfactor);
ALTER TABLE nodes RESET (fillfactor);
ALTER TABLE leases RESET (fillfactor, autovacuum_vacuum_scale_factor);
ALTER TABLE ready_nodes RESET (fillfactor, autovacuum_vacuum_scale_factor);
"""


class Migration(migrations.Migration):
    dependencies = [("runs", "0001_initial")]
    operations = [migrations.RunSQL(FORWARDS, BACKWARDS)]
