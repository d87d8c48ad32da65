"""People, their groups, and what each may choose for themselves."""

from typing import Any

from django.contrib import admin
from django.contrib.auth import admin as auth_admin
from django.contrib.auth.models import Group, Permission
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django_celery_beat import models as beat
from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm
from unfold.widgets import UnfoldAdminCheckboxSelectMultipleWidget, UnfoldAdminSelectWidget

from runs.admin.account_audit import AuditedAdmin, AuditedPasswords
from runs.models import User
from runs.views.my_settings import ZoneField

# What the portal schedules is its own business; people get pages of its own for theirs.
for model in (
    beat.ClockedSchedule,
    beat.CrontabSchedule,
    beat.IntervalSchedule,
    beat.PeriodicTask,
    beat.SolarSchedule,
):
    if admin.site.is_registered(model):
        admin.site.unregister(model)
admin.site.unregister(Group)


GROUPS_HELP = (
    "Viewers see runs and workflows; Operators also start, retry and terminate; Administrators may "
    "do everything. A person has what all their groups together have."
)


class AccountForm(UserChangeForm):
    time_zone = ZoneField(widget=UnfoldAdminSelectWidget)


@admin.register(User)
class UserAdmin(AuditedPasswords, auth_admin.UserAdmin):
    form = AccountForm
    add_form = UserCreationForm
    change_password_form = AdminPasswordChangeForm
    fieldsets = (
        (None, {"fields": ("username", "password")}),
        ("Access", {"fields": ("is_active", "is_staff", "groups")}),
        ("Person", {"fields": ("first_name", "last_name", "email", "time_zone")}),
        ("Beyond the groups", {"fields": ("is_superuser", "user_permissions")}),
        ("Dates", {"fields": ("last_login", "date_joined")}),
    )
    add_fieldsets = (
        (None, {"fields": ("username", "usable_password", "password1", "password2")}),
        ("Access", {"fields": ("is_staff", "groups")}),
    )
    filter_horizontal = ("user_permissions",)
    readonly_fields = ("last_login", "date_joined")
    list_display = (
        "username", "full_name", "email", "in_groups", "is_staff", "is_active", "last_login",
    )  # fmt: skip
    list_filter = ("is_staff", "is_superuser", "is_active", "groups")

    @admin.display(description="name", ordering="last_name")
    def full_name(self, user: User) -> str:
        return user.get_full_name()

    @admin.display(description="groups")
    def in_groups(self, user: User) -> str:
        return ", ".join(group.name for group in user.groups.all())

    def get_queryset(self, request: HttpRequest) -> QuerySet:
        return super().get_queryset(request).prefetch_related("groups")

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        # The portal has no pages for anybody else.
        return {"is_staff": True, **super().get_changeform_initial_data(request)}

    def formfield_for_dbfield(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        if db_field.name == "groups":
            # A few groups, ticked at a glance; they are made on a page of their own.
            widget = UnfoldAdminCheckboxSelectMultipleWidget()
            return db_field.formfield(
                widget=widget, queryset=_groups_within(request.user), help_text=GROUPS_HELP
            )
        field = super().formfield_for_dbfield(db_field, request, **kwargs)
        if field and db_field.name == "is_staff":
            field.help_text = "Whether the person may sign in to the portal at all."
        return field

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        fields = tuple(super().get_readonly_fields(request, obj))
        if request.user.is_superuser:
            return fields
        # Nobody gives what they do not have.
        return (*fields, "is_superuser", "user_permissions")

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return super().has_change_permission(request, obj) and _may_touch(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return super().has_delete_permission(request, obj) and _may_touch(request, obj)


def _of(user: Any) -> QuerySet[Permission]:
    """What an account was given, itself or by its groups, also while it is inactive."""
    return Permission.objects.filter(Q(user=user) | Q(group__user=user))


def _groups_within(user: Any) -> QuerySet[Group]:
    """The groups that may do nothing which this person may not."""
    groups = Group.objects.order_by("id")
    if user.is_superuser:
        return groups
    beyond = Permission.objects.exclude(pk__in=_of(user).values("pk"))
    return groups.exclude(permissions__in=beyond)


def _may_touch(request: HttpRequest, account: User | None) -> bool:
    """Whoever could set the password of an account could act as it."""
    if account is None or request.user.is_superuser:
        return True
    own = _of(request.user).values("pk")
    return not account.is_superuser and not _of(account).exclude(pk__in=own).exists()


@admin.register(Group)
class GroupAdmin(AuditedAdmin, auth_admin.GroupAdmin):
    def formfield_for_manytomany(self, db_field: Any, request: Any = None, **kwargs: Any) -> Any:
        if db_field.name == "permissions" and not request.user.is_superuser:
            kwargs["queryset"] = Permission.objects.filter(pk__in=_of(request.user).values("pk"))
        return super().formfield_for_manytomany(db_field, request, **kwargs)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return super().has_change_permission(request, obj) and self._may_touch(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return super().has_delete_permission(request, obj) and self._may_touch(request, obj)

    def _may_touch(self, request: HttpRequest, group: Any) -> bool:
        return group is None or _groups_within(request.user).filter(pk=group.pk).exists()
