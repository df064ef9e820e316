"""WSGI entry for gunicorn, which loads it once and forks (--preload)."""

import gc
import os
from importlib import import_module

from django.conf import settings
from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "deploy.settings")
application = get_wsgi_application()
# What a first request would load, and each worker for itself: every view with its schemas, and what sends hints.
import_module(settings.ROOT_URLCONF)
import_module(settings.CELERY_APP.rpartition(".")[0])
gc.freeze()  # the workers' collectors then leave alone what they share with the process they were forked from
