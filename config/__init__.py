"""How the portal is put together and started."""

# Tasks sent from any process go by this application.
from config.celery import app as celery_app

__all__ = ["celery_app"]
