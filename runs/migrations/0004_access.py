"""The groups that a portal begins with, and the audit's indexes for who looks by action or actor.

A migration runs once: what people change in these groups later is never undone. A migration that
adds permissions gives them to the groups in the same way.
"""

from django.contrib.auth.management import create_permissions
from django.db import migrations, models

VIEWER = [
    "view_run", "view_node", "view_attempt", "view_event", "view_llmcall", "view_workflow",
    "view_workflowversion",
]
OPERATOR = [*VIEWER, "execute_workflow", "retry_run", "terminate_run"]


def make_groups(apps, schema_editor):
    using = schema_editor.connection.alias
    # Django makes them after the last migration: too late for this one.
    for label in ("auth", "runs"):
        config = apps.get_app_config(label)
        # What stands in for an app in a migration has no module, and would be passed over.
        config.models_module = True
        create_permissions(config, verbosity=0, using=using, apps=apps)
        del config.models_module
    permissions = apps.get_model("auth", "Permission").objects.using(using)
    of_runs = permissions.filter(content_type__app_label="runs")
    of_groups = permissions.filter(content_type__app_label="auth", content_type__model="group")
    for name, given in (
        ("Viewer", of_runs.filter(codename__in=VIEWER)),
        ("Operator", of_runs.filter(codename__in=OPERATOR)),
        ("Administrator", of_runs | of_groups),
    ):
        # A group of that name that is there already keeps what it has.
        group, _ = apps.get_model("auth", "Group").objects.using(using).get_or_create(name=name)
        group.permissions.add(*given)


class Migration(migrations.Migration):
    dependencies = [
        ("auth", "0012_alter_user_first_name_max_length"),
        ("contenttypes", "0002_remove_content_type_name"),
        ("runs", "0003_list_indexes"),
    ]
    operations = [
        migrations.AddIndex(
            "auditentry",
            models.Index(fields=["target_type", "at", "id"], name="audit_kind"),
        ),
        migrations.AddIndex(
            "auditentry",
            models.Index(fields=["action", "at", "id"], name="audit_action"),
        ),
        migrations.AddIndex(
            "auditentry",
            models.Index(fields=["actor", "at", "id"], name="audit_actor"),
        ),
        migrations.AddIndex(
            "auditentry",
            models.Index(fields=["actor", "action", "at", "id"], name="audit_actor_action"),
        ),
        # People may have deleted or renamed the groups: going back leaves them alone.
        migrations.RunPython(make_groups, migrations.RunPython.noop),
    ]
