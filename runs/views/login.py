"""The form of the page on which people sign in."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django.core.exceptions import ValidationError
from django.utils import timezone
from django.views.decorators.debug import sensitive_variables
from unfold.forms import AuthenticationForm

from runs import logins
from runs.callers import address_of
from runs.models import User


class LoginForm(AuthenticationForm):
    """The theme's, which takes no more than a few wrong passwords."""

    @sensitive_variables()
    def clean(self) -> dict[str, Any]:
        username = self.cleaned_data.get("username")
        if username is None or not self.cleaned_data.get("password"):
            return super().clean()
        now, address = timezone.now(), address_of(self.request)
        tried = logins.begin(username, address, now)
        if tried.locked_until:
            raise _locked(tried.locked_until, now)
        try:
            cleaned = super().clean()
        except ValidationError:
            logins.failed(tried, username, address)
            if not tried.is_last:
                raise
            raise _locked(now + logins.LOCKED, now) from None
        user = self.get_user()
        assert isinstance(user, User)  # else there was an error
        logins.succeeded(tried, user, address)
        return cleaned


def _locked(until: datetime, now: datetime) -> ValidationError:
    minutes = -(-(until - now) // timedelta(minutes=1))
    wait = "a minute" if minutes <= 1 else f"{minutes} minutes"
    return ValidationError(
        f"Too many wrong passwords for this user name from here. Wait {wait}, then try again. "
        "If you forgot it, an administrator can set a new one.",
        code="locked",
    )
