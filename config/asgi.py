"""The ASGI application: Django, and beside it the few paths that are not for Django.

Here belong streams that stay open and whatever else must not go through Django's middleware.
"""

import os
from collections.abc import Awaitable, Callable
from io import BytesIO
from typing import Any

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
django.setup(set_prefix=False)

from django.conf import settings  # noqa: E402  (needs Django's applications)
from django.core.exceptions import DisallowedHost  # noqa: E402
from django.core.handlers.asgi import ASGIRequest  # noqa: E402

from config.bodies import Bounded  # noqa: E402
from config.guards import Guarded  # noqa: E402
from config.handler import Handler  # noqa: E402
from config.health import health, readiness  # noqa: E402
from config.log_context import Requests  # noqa: E402
from config.metrics import metrics  # noqa: E402
from runs.api import ingest_asgi  # noqa: E402
from runs.api.trpc import subscription  # noqa: E402
from runs.streams import asgi as streams  # noqa: E402

bounded_django = Bounded(Handler())
ingest = ingest_asgi.Ingest(bounded_django)


async def _answered(scope: Any, receive: Any, send: Any) -> None:
    # Neither lifespan nor websockets come here: the server is started without.
    assert scope["type"] == "http"
    await _responder(scope)(scope, receive, send)


application = Requests(Guarded(_answered))


def _responder(scope: Any) -> Callable[..., Awaitable[None]]:
    path = scope["path"]
    if path == "/healthz":
        return health
    if path == "/readyz":
        return readiness
    if path == "/metrics":
        return metrics
    if path in ingest_asgi.PATHS:
        return ingest
    if streams.serves(path) and _may_stay(scope):
        return streams.application
    if subscription.serves(scope) and _may_stay(scope):
        return subscription.application
    return bounded_django


def _may_stay(scope: Any) -> bool:
    """Whether Django would let it in: over https where that is asked for, at a name of ours."""
    request = ASGIRequest(scope, BytesIO())
    try:
        request.get_host()
    except DisallowedHost:
        return False
    return request.is_secure() or not settings.SECURE_SSL_REDIRECT
