"""The portal's ASGI application with short times, for tests that wait for them."""

from config.asgi import application
from runs.streams import access, asgi, feeds, hub, notices, subscription

asgi.PATIENCE = 4.0
access.RECHECK_SECONDS = 0.5
feeds.KEEP_ALIVE_SECONDS = notices.KEEP_ALIVE_SECONDS = 0.5
hub.LOOK_SECONDS = 4.0
hub.UNSURE_LOOK_SECONDS = 1.0
subscription.SETTLE = 3.0

__all__ = ["application"]
