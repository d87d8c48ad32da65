"""The ASGI application: Django, and beside it the few paths that are not for Django.

Here belong streams that stay open and whatever else must not go through Django's middleware.
"""

import os

from asgiref.typing import ASGI3Application, ASGIReceiveCallable, ASGISendCallable, Scope
from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
django_application = get_asgi_application()

from config.health import health  # noqa: E402  (needs Django's applications)

BESIDE_DJANGO: dict[str, ASGI3Application] = {"/healthz": health}


async def application(
    scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable
) -> None:
    respond = BESIDE_DJANGO.get(scope["path"], django_application)
    await respond(scope, receive, send)
