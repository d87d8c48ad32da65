"""What is done to accounts and groups is audited, in the transaction that does it.

An entry names fields, who was given which groups, permissions and flags, and no other values.
"""

from __future__ import annotations

from typing import Any

from django.contrib.auth.forms import AdminPasswordChangeForm
from django.contrib.auth.models import Group, Permission
from django.db import transaction
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse
from unfold.admin import ModelAdmin

from runs.actors import Actor
from runs.models import AuditEntry, User

# The one entry that tells nothing but that it happened.
PASSWORD = ["password"]
# Parts of the form that sets a password: that an account is new says it.
_OF_PASSWORD = frozenset({"password1", "password2", "usable_password"})
# What an account or a group is called.
_NAMES = frozenset({"username", "name"})


class AuditedAdmin(ModelAdmin):
    """For users and groups: what makes an entry of the admin's own log makes one of the audit.

    Django's views of forms and of one deletion are transactions already.
    """

    def construct_change_message(
        self, request: HttpRequest, form: Any, formsets: Any, add: bool = False
    ) -> list[dict[str, Any]]:
        if isinstance(form, AdminPasswordChangeForm):
            return [{"changed": {"fields": PASSWORD}}]
        message = super().construct_change_message(request, form, formsets, add)
        if words := _changes(form, add=add):
            message = [entry for entry in message if "changed" not in entry]
            message.append({"changed": {"fields": words}})
        return message

    def log_addition(self, request: HttpRequest, obj: Any, message: Any) -> Any:
        _note(request, "create", obj, _fields(message))
        return super().log_addition(request, obj, message)

    def log_change(self, request: HttpRequest, obj: Any, message: Any) -> Any:
        fields = _fields(message)
        if fields == PASSWORD:
            usable = obj.has_usable_password()
            _note(request, "change_password", obj, [] if usable else ["signs in without one"])
        elif fields:
            _note(request, "change", obj, fields)
        return super().log_change(request, obj, message)

    def delete_model(self, request: HttpRequest, obj: Any) -> None:
        _note(request, "delete", obj)
        super().delete_model(request, obj)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet) -> None:
        with transaction.atomic():
            for obj in queryset:
                _note(request, "delete", obj)
            super().delete_queryset(request, queryset)


class AuditedPasswords(AuditedAdmin):
    def user_change_password(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        with transaction.atomic():
            return super().user_change_password(request, *args, **kwargs)


def actor_of(request: HttpRequest) -> Actor:
    user = request.user
    assert isinstance(user, User)  # the admin lets nobody else in
    return user.as_actor()


def target_of(account: User | Group) -> tuple[str, str]:
    if isinstance(account, User):
        return "user", account.public_id
    return "group", str(account.pk)


def _note(request: HttpRequest, action: str, account: User | Group, said: Any = ()) -> None:
    # Its name stays readable when the account is gone.
    reason = f"{account}: {'; '.join(said)}" if said else str(account)
    AuditEntry.objects.note(actor_of(request), action, target_of(account), reason)


def _fields(message: list[dict[str, Any]]) -> list[str]:
    return [word for entry in message for word in entry.get("changed", {}).get("fields", [])]


def _changes(form: Any, *, add: bool) -> list[str]:
    # A new account's name stands before what it was given.
    left_out = _OF_PASSWORD | (_NAMES if add else frozenset())
    return [_change(form, name) for name in form.changed_data if name not in left_out]


def _change(form: Any, name: str) -> str:
    label = name.removeprefix("is_").replace("_", " ")
    before, after = form.initial.get(name), form.cleaned_data.get(name)
    if name in _NAMES:
        return f"{label} was {before}"
    if isinstance(after, bool):
        return f"{label} {'on' if after else 'off'}"
    if isinstance(after, QuerySet):
        had = {_word(row) for row in before or ()}
        has = {_word(row) for row in after}
        signs = [f"+{word}" for word in sorted(has - had)]
        signs += [f"-{word}" for word in sorted(had - has)]
        return f"{label} {' '.join(signs)}"
    return label


def _word(row: Model) -> str:
    # The names that the code asks for: "runs.retry_run".
    if isinstance(row, Permission):
        return f"{row.content_type.app_label}.{row.codename}"
    return str(row)
