"""Who may: staff with the Django permission that the view names for its action."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rest_framework.permissions import BasePermission
from rest_framework.request import Request

if TYPE_CHECKING:
    from rest_framework.views import APIView


class StaffWithPermission(BasePermission):
    """A view says `permission`, and in `permissions` what single actions need instead.

    A view that says neither is an error: nothing is open by omission.
    """

    def has_permission(self, request: Request, view: APIView) -> bool:
        user = request.user
        if not user.is_authenticated:
            return False
        if not (user.is_active and user.is_staff):
            self.message = "Only staff may use the portal's API."
            return False
        needed = needed_by(view)
        self.message = f"This needs the permission {needed}."
        return user.has_perm(needed)


def needed_by(view: Any) -> str:
    action = getattr(view, "action", None)
    return getattr(view, "permissions", {}).get(action, view.permission)
