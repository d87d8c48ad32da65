"""Who may: staff with the Django permission that the view names for its action.

A token may no more than its owner, and of that only what its scopes name.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rest_framework.permissions import BasePermission
from rest_framework.request import Request

from runs.models import ApiToken
from runs.scopes import scope_of

if TYPE_CHECKING:
    from rest_framework.views import APIView


NO_TOKEN_MAY = "This is done signed in; no token may."


class Staff(BasePermission):
    """Any of them, for what concerns themselves only."""

    def has_permission(self, request: Request, view: APIView) -> bool:  # noqa: ARG002
        user = request.user
        if not user.is_authenticated:
            return False
        self.message = "Only staff may use the portal's API."
        return user.is_active and user.is_staff


class StaffWithPermission(Staff):
    """A view says `permission`, and in `permissions` what single actions need instead; in `scopes`
    what an action needs of a token where the permission's name does not tell it.

    A view that says neither is an error: nothing is open by omission.
    """

    def has_permission(self, request: Request, view: APIView) -> bool:
        if not super().has_permission(request, view):
            return False
        needed = needed_by(view)
        if not request.user.has_perm(needed):
            self.message = f"This needs the permission {needed}."
            return False
        if isinstance(request.auth, ApiToken):
            scope = getattr(view, "scopes", {}).get(getattr(view, "action", None)) or scope_of(
                needed
            )
            self.message = lacking(request.auth, scope)
            return request.auth.allows(scope)
        return True


def lacking(token: ApiToken, scope: str | None) -> str:
    """Why a token that does not have this scope may not."""
    if scope is None:
        return NO_TOKEN_MAY
    return f"This needs the scope {scope}, which the token {token.prefix} does not have."


def needed_by(view: Any) -> str:
    # Where it is what is asked for that decides, the view has found it out by now.
    if needed := getattr(view, "needed", None):
        return needed
    action = getattr(view, "action", None)
    return getattr(view, "permissions", {}).get(action, view.permission)
