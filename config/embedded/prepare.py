"""What is done to the database before the portal's processes start.

Standard output is for the runner: the password of the staff account, where it was made up just now.
"""

import os
import sys
from contextlib import redirect_stdout

import django
from django.conf import settings
from django.core.management import call_command

from config.embedded import locations
from runs import heartbeat

USERNAME = "admin"


def staff_account() -> str:
    """See to the staff account; the password if it was made up now, else ""."""
    from django.contrib.auth import get_user_model

    users = get_user_model()._default_manager
    kept = settings.DATA_DIR / "admin_password"
    account = users.filter(username=USERNAME).first()
    password = os.environ.get("ADMIN_PASSWORD", "")
    if password:
        kept.unlink(missing_ok=True)
    if account is None:
        made_up = "" if password else locations.kept_secret(kept, 12)
        users.create_superuser(USERNAME, password=password or made_up)
        return made_up
    if password and not account.check_password(password):
        account.set_password(password)
        account.save(update_fields=["password"])
    return ""


def main() -> None:
    django.setup()
    # Output of commands goes to the log; only the answer goes to the runner.
    with redirect_stdout(sys.stderr):
        call_command("migrate", interactive=False, verbosity=1)
        password = staff_account()
        if settings.DEMO:
            call_command("install_samples")
        if not os.environ.get("REDIS_URL"):
            heartbeat.forget_all()
    print(password)


if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    main()
