"""Who calls: for now the staff session of the portal's pages."""

from drf_spectacular.authentication import SessionScheme
from rest_framework.authentication import SessionAuthentication
from rest_framework.request import Request


class PortalSession(SessionAuthentication):
    """Django's session with CSRF; who has none is told 401 rather than 403."""

    def authenticate_header(self, request: Request) -> str:  # noqa: ARG002
        return 'Session realm="portal"'


class PortalSessionScheme(SessionScheme):  # type: ignore[no-untyped-call]
    """How the API's document names it."""

    target_class = f"{__name__}.{PortalSession.__name__}"
    name = "session"
