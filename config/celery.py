"""The Celery application. Workers: ``celery -A config.celery worker``."""

import os

from celery import Celery

from config import log_context, worker

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
app = Celery("runs")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
worker.install(app)
log_context.install()
