"""Browsers without a browser: clients that are signed in with some permissions."""

from django.contrib.auth.models import Permission
from django.test import Client

from runs.models import User


def account(*permissions, name="olga", is_staff=True, **fields):
    """`permissions` are names such as ``runs.view_run``. Without a password: hashing is slow."""
    user = User.objects.create_user(name, is_staff=is_staff, **fields)
    for permission in permissions:
        app, codename = permission.split(".")
        user.user_permissions.add(
            Permission.objects.get(content_type__app_label=app, codename=codename)
        )
    return user


def visitor(*permissions, **fields):
    client = Client(raise_request_exception=True)
    client.force_login(account(*permissions, **fields))
    return client
