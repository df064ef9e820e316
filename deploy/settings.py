"""Muster's settings: one file, every value from the environment (deploy/env.py), checked at the start."""

import secrets as _secrets
import sys
from pathlib import Path

from deploy import env

BASE_DIR = Path(__file__).resolve().parent.parent
DEMO = env.flag("MUSTER_DEMO")
DEBUG = env.flag("MUSTER_DEBUG")
_AS_OWNER = {"migrate", "partitions", "makemigrations", "sqlmigrate", "check", "flush_expired"}
_command = sys.argv[1] if len(sys.argv) > 1 and Path(sys.argv[0]).name.startswith("manage") else ""

SECRET_KEY = env.secret("MUSTER_SECRET_KEY") or (
    _secrets.token_urlsafe(50) if DEMO or not env.secret("DATABASE_URL") else ""
)
if not SECRET_KEY:
    raise env.BadEnvironment("MUSTER_SECRET_KEY", "", "set MUSTER_SECRET_KEY or MUSTER_SECRET_KEY_FILE")
ALLOWED_HOSTS = [h for h in env.text("MUSTER_ALLOWED_HOSTS", "127.0.0.1,localhost,[::1]").split(",") if h]
CSRF_TRUSTED_ORIGINS = [o for o in env.text("MUSTER_TRUSTED_ORIGINS").split(",") if o]

_app_database = env.database("DATABASE_URL")
_owner_database = env.database("MUSTER_OWNER_DATABASE_URL")
# Web and workers never own the tables: only the commands in _AS_OWNER may connect as the owner.
_database = (_owner_database if _command in _AS_OWNER else None) or _app_database
if _database and _database is _app_database:
    # Nobody waits long for a row (a web request says "not now" then), and no forgotten transaction holds one.
    _database["OPTIONS"] = {"options": "-c lock_timeout=3s -c idle_in_transaction_session_timeout=30s"}
DATABASES = {"default": _database or {"ENGINE": "django.db.backends.postgresql", "NAME": "muster"}}
if _database and not DEMO and DATABASES["default"]["HOST"].startswith(("/run/user/", "/tmp/muster-")):
    raise env.BadEnvironment(
        "DATABASE_URL", DATABASES["default"]["HOST"], "the embedded server is for MUSTER_DEMO=1 only"
    )
REDIS_URL = env.secret("REDIS_URL") or "redis://127.0.0.1:6379/0"

INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "django_htmx",
    "fleet",
    "provisioning",
]
MIDDLEWARE = [
    "fleet.http.light.LightPaths",
    "fleet.http.handlers.Answers",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "fleet.http.auth.Actors",
    "fleet.http.problem.Problems",
]
ROOT_URLCONF = "deploy.urls"
WSGI_APPLICATION = "deploy.wsgi.application"
CELERY_APP = "deploy.celery.app"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "fleet.http.auth.page_context",
            ],
        },
    },
]
STATIC_URL = "static/"
STATICFILES_DIRS = [BASE_DIR / "templates" / "static"]
WHITENOISE_USE_FINDERS = True
LANGUAGE_CODE = "en"
TIME_ZONE = "UTC"
USE_TZ = True
USE_I18N = False
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
CSRF_FAILURE_VIEW = "fleet.http.handlers.form_expired"
LOGIN_URL = "/sign-in/"
LOGIN_REDIRECT_URL = "/"
LOGOUT_REDIRECT_URL = "/sign-in/"
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in ("UserAttributeSimilarityValidator", "MinimumLengthValidator", "CommonPasswordValidator")
]
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = not (DEMO or DEBUG)
SECURE_CONTENT_TYPE_NOSNIFF = True
X_FRAME_OPTIONS = "DENY"

KEYS_FILE = env.text("MUSTER_KEYS_FILE")
FILES = Path(env.text("MUSTER_FILES", str(BASE_DIR / ".run" / "files")))
BOOT_DIR = Path(env.text("MUSTER_BOOT_DIR", str(BASE_DIR / ".run" / "boot")))
BOOT_URL = env.text("MUSTER_BOOT_URL", "http://127.0.0.1:8000/boot").rstrip("/")
# Where people reach the pages, for links in notices; without it they name the path alone.
URL = env.web_url("MUSTER_URL")
SMTP = env.mail_server("MUSTER_SMTP_URL")
MAIL_FROM = env.text("MUSTER_MAIL_FROM", "Muster <muster@localhost>")
NOTICE_PLAIN = env.flag("MUSTER_NOTICE_PLAIN")
BMC_PORT = env.whole("MUSTER_BMC_PORT", 443, low=1, high=65535)
AGENT_PORT = env.whole("MUSTER_AGENT_PORT", 7777, low=1, high=65535)
TIME_SCALE = env.number("MUSTER_TIME_SCALE", 1, low=1, high=1_000_000)
WORKER_NAME = env.text("MUSTER_WORKER_NAME")
SIM_CONTROL = env.text("MUSTER_SIM_CONTROL")
KILL_AT = env.text("MUSTER_KILL_AT") if DEMO else ""
env.refuse_unknown()

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "%(asctime)s %(levelname)s %(name)s %(message)s"}},
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"handlers": ["stderr"], "level": "INFO"},
    "loggers": {"django.request": {"level": "ERROR"}},
}
