from django.contrib.auth.management import create_permissions
from django.db import migrations


def give_permission(apps, schema_editor):
    """To whoever retries runs: they say what came of it too."""
    using = schema_editor.connection.alias
    config = apps.get_app_config("analytics")
    # What stands in for an app in a migration has no module, and would be passed over.
    config.models_module = True
    create_permissions(config, verbosity=0, using=using, apps=apps)
    del config.models_module
    permissions = apps.get_model("auth", "Permission").objects.using(using)
    mark = permissions.get(content_type__app_label="analytics", codename="mark_failuregroup")
    groups = apps.get_model("auth", "Group").objects.using(using)
    for group in groups.filter(
        permissions__codename="retry_run", permissions__content_type__app_label="runs"
    ):
        group.permissions.add(mark)


class Migration(migrations.Migration):
    dependencies = [
        ("analytics", "0001_rollups"),
        ("auth", "0012_alter_user_first_name_max_length"),
        ("contenttypes", "0002_remove_content_type_name"),
        ("runs", "0004_access"),
    ]

    operations = [migrations.RunPython(give_permission, migrations.RunPython.noop)]
