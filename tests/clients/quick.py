"""The portal's ASGI application with short times, for tests that wait for them."""

from config.asgi import application
from runs.api.trpc import subscription
from runs.streams import asgi
from tests.runs.streams import quick

asgi.PATIENCE = 1.5
asgi.FAREWELL = 5.0
subscription.RETRY = 0.2
subscription.SILENCE = 2.5

__all__ = ["application", "quick"]
