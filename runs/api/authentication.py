"""Who calls: the staff session of the portal's pages, or somebody's token."""

from typing import Any

from django.http import QueryDict
from django.utils import timezone
from django.utils.datastructures import MultiValueDict
from drf_spectacular.authentication import SessionScheme
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from rest_framework.authentication import (
    BaseAuthentication,
    SessionAuthentication,
    get_authorization_header,
)
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request

from runs.bearer import CHALLENGES, REFUSED_TOKEN, digest_in
from runs.callers import address_of
from runs.models import ApiToken, User


class BearerToken(BaseAuthentication):
    """``Authorization: Bearer runs_…``. It asks for no CSRF token: no browser sends it unasked.

    Stands before the session: who shows a token is nobody else, also where a cookie comes along.
    """

    def authenticate(self, request: Request) -> tuple[User, ApiToken] | None:
        digest = digest_in(get_authorization_header(request))
        if digest is None:
            return None
        now = timezone.now()
        token = ApiToken.objects.with_digest(digest)
        if token is None:
            raise AuthenticationFailed("There is no such token.")
        if flaw := token.flaw(now):
            raise AuthenticationFailed(flaw)
        token.used(now)
        user: User = token.user
        user.address, user.via = address_of(request._request), token.prefix
        return user, token

    def authenticate_header(self, request: Request) -> str:
        """The first class's is sent with every 401, so this one says what all of them take."""
        shown = digest_in(get_authorization_header(request)) is not None
        return REFUSED_TOKEN if shown else CHALLENGES


class PortalSession(SessionAuthentication):
    """Django's session with CSRF; who has none is told 401 rather than 403."""

    def enforce_csrf(self, request: Request) -> None:
        """By the header alone: looked for in a form too, the body would be read here already, and
        by another parser than a view's that takes it in pieces."""
        bare: Any = request._request
        bare._post, bare._files = QueryDict(), MultiValueDict()
        super().enforce_csrf(bare)

    def authenticate_header(self, request: Request) -> str:  # noqa: ARG002
        return CHALLENGES


class BearerScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    """How the API's document names it."""

    target_class = f"{__name__}.{BearerToken.__name__}"
    name = "token"

    def get_security_definition(self, auto_schema: object) -> dict[str, str]:  # noqa: ARG002
        return {"type": "http", "scheme": "bearer"}


class PortalSessionScheme(SessionScheme):  # type: ignore[no-untyped-call]
    """How the API's document names it."""

    target_class = f"{__name__}.{PortalSession.__name__}"
    name = "session"
