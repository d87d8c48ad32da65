"""Tries to sign in that have not succeeded yet."""

from django.db import models


class LoginTry(models.Model):
    """Of one user name from one address; `key` is a digest of both, as a name that is typed
    wrong may be a password."""

    key = models.CharField(max_length=64, primary_key=True)
    count = models.PositiveIntegerField(default=0)
    at = models.DateTimeField()

    class Meta:
        db_table = "login_tries"
        default_permissions = ()
        indexes = [models.Index(fields=["at"], name="login_tries_at")]
