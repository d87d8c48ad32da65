"""All settings of the portal, read from the environment.

What is unset is embedded: the database, the broker and the object storage of the one-command
start live under ``DATA_DIR``. A value that cannot be understood stops the start.
"""

import os
from pathlib import Path

from csp.constants import NONE, SELF, UNSAFE_EVAL, UNSAFE_INLINE
from django.core.exceptions import ImproperlyConfigured

from config import addresses, outside
from config.embedded import locations
from config.patience import PatientConnection
from config.sidebar import account_links, favicon, navigation

BASE_DIR = Path(__file__).resolve().parent.parent
DATA_DIR = Path(os.environ.get("DATA_DIR") or BASE_DIR / "var").resolve()


def _flag(name: str, default: bool) -> bool:
    value = os.environ.get(name, "")
    if value not in ("", "0", "1"):
        raise ImproperlyConfigured(f"{name} must be 0 or 1, not {value!r}")
    return default if value == "" else value == "1"


def _number(name: str, default: int, least: int = 1) -> int:
    value = os.environ.get(name, "")
    if value == "":
        return default
    if not value.isdecimal() or int(value) < least:
        raise ImproperlyConfigured(f"{name} must be a whole number from {least}, not {value!r}")
    return int(value)


# -- Where the portal runs -------------------------------------------------------------------

# The one-command start serves plain http on the loopback address; everything else is https.
LOCAL = _flag("PORTAL_LOCAL", default=False)
PORT = _number("PORT", 8000)
DEMO = _flag("DEMO", default=False)
DEBUG = False
SECRET_KEY = os.environ.get("SECRET_KEY") or locations.secret_key(DATA_DIR)
# Former ones, whose sessions, links and webhooks' secrets are still taken.
SECRET_KEY_FALLBACKS = [k for k in os.environ.get("SECRET_KEY_FALLBACKS", "").split(",") if k]
ALLOWED_HOSTS = [h for h in os.environ.get("ALLOWED_HOSTS", "").split(",") if h] or [
    "127.0.0.1",
    "localhost",
    "[::1]",
]
CSRF_TRUSTED_ORIGINS = [o for o in os.environ.get("CSRF_TRUSTED_ORIGINS", "").split(",") if o]

SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = SECURE_SSL_REDIRECT = not LOCAL
SECURE_HSTS_SECONDS = 0 if LOCAL else 31_536_000
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = not LOCAL
SECURE_REFERRER_POLICY = "same-origin"
BEHIND_PROXY = _flag("BEHIND_PROXY", default=False)
if BEHIND_PROXY:
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
# So many entries of X-Forwarded-For, from its end, are written by proxies of ours.
PROXIES = _number("PROXIES", int(BEHIND_PROXY), least=0)
if LOCAL:
    # Two instances on one host name would overwrite each other's cookies.
    SESSION_COOKIE_NAME = f"sessionid_{PORT}"
    CSRF_COOKIE_NAME = f"csrftoken_{PORT}"

# Of pages; config.policy narrows it further for some, and says what is no page at all.
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [SELF],
        # Alpine, which the admin theme uses, evaluates its attributes.
        "script-src": [SELF, UNSAFE_EVAL],
        "script-src-attr": [NONE],
        # Bars and the theme place things by style attributes. Stylesheets within a page are known
        # by their hashes; browsers that do not know the narrower directives take the first.
        "style-src": [SELF, UNSAFE_INLINE],
        "style-src-attr": [UNSAFE_INLINE],
        "img-src": [SELF, "data:"],
        "frame-src": [NONE],
        "frame-ancestors": [NONE],
        "form-action": [SELF],
        "base-uri": [NONE],
        "object-src": [NONE],
    },
}

# -- Applications ----------------------------------------------------------------------------

INSTALLED_APPS = [
    "unfold",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "django.contrib.postgres",
    "django_filters",
    "django_htmx",
    "django_celery_beat",
    "django_eventstream",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "pgtrigger",
    "rest_framework",
    "runs",
    "runs.samples",
    "retention",
    "analytics",
    # Your own apps, with the executors they register: dotted names, separated by commas.
    *filter(None, os.environ.get("EXTRA_APPS", "").split(",")),
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "config.gzip.GZipMiddleware",
    "config.policy.PolicyMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "runs.api.addresses.SlashMiddleware",
    "django.middleware.common.CommonMiddleware",
    "runs.views.charset.CharsetMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "runs.callers.AddressMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "runs.views.timezone.TimezoneMiddleware",
]
# Of these, what a call of the API by token does not pass: it has no session and shows no page.
PAGES_ONLY = {
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "runs.callers.AddressMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "runs.views.timezone.TimezoneMiddleware",
}

ROOT_URLCONF = "config.urls"
ASGI_APPLICATION = "config.asgi.application"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "retention.notices.notices",
            ],
        },
    },
]

AUTH_USER_MODEL = "runs.User"
SESSION_ENGINE = "runs.sessions"
LOGIN_URL = "admin:login"
LOGIN_REDIRECT_URL = "admin:index"
# Hours after which people sign in again.
SESSION_COOKIE_AGE = _number("SESSION_HOURS", 12) * 3600
_VALIDATION = "django.contrib.auth.password_validation"
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"{_VALIDATION}.MinimumLengthValidator", "OPTIONS": {"min_length": 12}},
    *(
        {"NAME": f"{_VALIDATION}.{name}"}
        for name in (
            "UserAttributeSimilarityValidator",
            "CommonPasswordValidator",
            "NumericPasswordValidator",
        )
    ),
]

# -- PostgreSQL ------------------------------------------------------------------------------

RUNS_SCHEMA = os.environ.get("RUNS_SCHEMA", "marie_scheduler")
DATABASE_URL = os.environ.get("DATABASE_URL") or locations.database_url(DATA_DIR)
DATABASES = {"default": addresses.database(DATABASE_URL)}
# Requests are answered by so many threads of a web process, each with a connection of its own.
WEB_THREADS = _number("WEB_THREADS", 8)
# Downloads and streamed batches have threads that come and go; without a pool each would open a
# connection. Workers keep one connection a process instead.
if _flag("DATABASE_POOL", default=False):
    DATABASES["default"]["OPTIONS"]["pool"] = {
        "min_size": 2,
        "max_size": _number("DATABASE_POOL_SIZE", 16),
        "timeout": 10,
        "connection_class": PatientConnection,
    }
else:
    DATABASES["default"]["CONN_MAX_AGE"] = 600
if _flag("DATABASE_PREPARE", default=True):
    # The recorder and the engine send the same few statements all day: planned once a connection.
    DATABASES["default"]["OPTIONS"]["prepare_threshold"] = 5
# Those outlive a transaction, which no connection of a pooler's does; choices of forms use them.
DATABASES["default"]["DISABLE_SERVER_SIDE_CURSORS"] = True
# A restart of the server breaks every connection: each is tried before it is used again.
DATABASES["default"]["CONN_HEALTH_CHECKS"] = True
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# -- Redis, Celery, live updates -------------------------------------------------------------

REDIS_URL = os.environ.get("REDIS_URL") or locations.redis_url(DATA_DIR)
EVENTSTREAM_REDIS = {
    **addresses.redis(REDIS_URL),
    # A bell is not worth waiting for: the log is in the database.
    "socket_connect_timeout": 0.5,
    "socket_timeout": 0.5,
}
EVENTSTREAM_CHANNELMANAGER_CLASS = "runs.live.RunChannels"

CELERY_BROKER_URL = REDIS_URL
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_DEFAULT_QUEUE = "runs"
CELERY_TASK_SERIALIZER = "json"
CELERY_ACCEPT_CONTENT = ["json"]
CELERY_TIMEZONE = "UTC"
CELERY_ENABLE_UTC = True
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
# However long the broker is away: for ever.
CELERY_BROKER_CONNECTION_MAX_RETRIES = None
CELERY_BROKER_TRANSPORT_OPTIONS = {
    "socket_timeout": 5,
    "socket_connect_timeout": 1,
    # Who publishes gives up soon: what it had to say stands in the database.
    "max_retries": 1,
    "interval_start": 0,
    "interval_step": 0.1,
    "interval_max": 0.1,
}
# The pulse has a queue and a worker of its own: long nodes must not hold up the rescue.
CELERY_TASK_ROUTES = {
    f"runs.{name}": {"queue": "control"}
    for name in (
        "tick",
        "prune_outbox",
        "process_ended",
        "keep_schedules",
        "listen",
        "prune_firings",
        "bulk_tick",
        "probe_services",
        "find_stuck",
    )
}
CELERY_TASK_ROUTES |= {
    f"runs.{name}": {"queue": "bulk"} for name in ("bulk_work", "bulk_count", "sweep_storage")
}
CELERY_TASK_ROUTES |= {
    "retention.tick": {"queue": "control"},
    "retention.work": {"queue": "bulk"},
    "retention.finish_abandoned": {"queue": "bulk"},
    "retention.prune": {"queue": "bulk"},
    "analytics.tick": {"queue": "bulk"},
}
CELERY_BEAT_SCHEDULE = {
    "engine tick": {"task": "runs.tick", "schedule": 1.0, "options": {"expires": 5}},
    "keep schedules": {"task": "runs.keep_schedules", "schedule": 1.0, "options": {"expires": 5}},
    "listen to runs": {"task": "runs.listen", "schedule": 1.0, "options": {"expires": 5}},
    "bulk operations": {"task": "runs.bulk_tick", "schedule": 2.0, "options": {"expires": 5}},
    "retention": {"task": "retention.tick", "schedule": 5.0, "options": {"expires": 10}},
    "analysis": {"task": "analytics.tick", "schedule": 5.0, "options": {"expires": 10}},
    "probe services": {
        "task": "runs.probe_services",
        "schedule": 15.0,
        "options": {"expires": 15},
    },
    "find stuck runs": {"task": "runs.find_stuck", "schedule": 15.0, "options": {"expires": 15}},
    "finish abandoned logs": {
        "task": "retention.finish_abandoned",
        "schedule": 60.0,
        "options": {"expires": 60},
    },
    "sweep storage": {"task": "runs.sweep_storage", "schedule": 60.0, "options": {"expires": 60}},
    "prune executions": {
        "task": "retention.prune",
        "schedule": 600.0,
        "options": {"expires": 600},
    },
    "prune firings": {"task": "runs.prune_firings", "schedule": 60.0, "options": {"expires": 60}},
    "prune outbox": {"task": "runs.prune_outbox", "schedule": 60.0, "options": {"expires": 60}},
}
if DEMO:
    CELERY_BEAT_SCHEDULE["sample traffic"] = {
        "task": "samples.traffic",
        "schedule": 6.0,
        "args": [6],
        "options": {"expires": 6, "queue": "control"},
    }
CELERY_BEAT_SCHEDULER = "config.beat:Scheduler"

# -- The engine ------------------------------------------------------------------------------

# Seconds until a node whose worker fell silent is taken from it.
ENGINE_LEASE_SECONDS = _number("ENGINE_LEASE_SECONDS", 30)
# Ready nodes handed to Celery at any time; the rest waits in PostgreSQL.
ENGINE_WINDOW = _number("ENGINE_WINDOW", 256)
# Seconds after which a hint that no worker took up is given again.
ENGINE_REDISPATCH_SECONDS = _number("ENGINE_REDISPATCH_SECONDS", 30)
# Celery queues, beside "runs" and those of executors, that nodes may name and workers take from.
ENGINE_QUEUES = tuple(filter(None, os.environ.get("ENGINE_QUEUES", "").split(",")))
# Seconds for which a node waits for a worker that knows its executor.
ENGINE_MISSING_EXECUTOR_SECONDS = _number("ENGINE_MISSING_EXECUTOR_SECONDS", 600)
# Largest input or output of a node, in bytes of JSON.
ENGINE_PAYLOAD_BYTES = _number("ENGINE_PAYLOAD_BYTES", 1_000_000)
# Lines and progress that one attempt may tell; what is more is counted and left out.
ENGINE_LINES = _number("ENGINE_LINES", 50_000)
# Megabytes that a process of a worker may take; 0: whatever there is.
WORKER_MEMORY_MB = _number("WORKER_MEMORY_MB", 0, least=0)
if WORKER_MEMORY_MB:
    # In KiB: one that keeps more than half of it after a task is replaced.
    CELERY_WORKER_MAX_MEMORY_PER_CHILD = WORKER_MEMORY_MB * 512

# -- Stuck runs ------------------------------------------------------------------------------

# A node that tells nothing is stuck after so many times what is usual for it, but not before the
# floor in seconds.
STUCK_FACTOR = _number("STUCK_FACTOR", 3)
STUCK_FLOOR_SECONDS = _number("STUCK_FLOOR_SECONDS", 120)
# Seconds that a ready node waits where nobody takes it, and where a limit or a pause holds it.
STUCK_QUEUE_SECONDS = _number("STUCK_QUEUE_SECONDS", 60)
STUCK_HELD_SECONDS = _number("STUCK_HELD_SECONDS", 600)
# Seconds that a question waits for a person, a source tells nothing of its open runs, and a row of
# a run is locked.
STUCK_PERSON_SECONDS = _number("STUCK_PERSON_SECONDS", 86_400)
STUCK_SOURCE_SECONDS = _number("STUCK_SOURCE_SECONDS", 1_800)
STUCK_LOCK_SECONDS = _number("STUCK_LOCK_SECONDS", 10)
# Attempts of a node that ended with their worker.
STUCK_LOST = _number("STUCK_LOST", 2)
# What is usual for nodes, of an app above `runs`: (workflow's id, now) → by node, seconds.
USUAL_TIMES = "analytics.usual.node_times"

# Secrets that http and llm nodes may name, and the hosts that some of them may be sent to only.
NODE_SECRETS = outside.secrets(os.environ)
NODE_SECRETS_HOSTS = outside.hosts_of_secrets(os.environ.get("NODE_SECRETS_HOSTS", ""))
# Private hosts that nodes may call all the same: names, name:port, addresses, networks.
PRIVATE_HOSTS, PRIVATE_NETWORKS = outside.private(os.environ.get("PRIVATE_HOSTS", ""))

# -- Support ---------------------------------------------------------------------------------

# Where a person takes a run's diagnostic bundle: https://…, or mailto:…
SUPPORT_URL = os.environ.get("SUPPORT_URL", "")
if SUPPORT_URL and not SUPPORT_URL.startswith(("https://", "http://", "mailto:")):
    raise ImproperlyConfigured("SUPPORT_URL must begin with https://, http:// or mailto:")
# What the bundle asks for the health of the portal's parts.
HEALTH_FINDINGS = "config.health.findings"
# Of apps above `runs`: how their part is, for the page of services.
SERVICE_PROBES = ["retention.night_health.look"]
# Who may read /metrics from elsewhere than this machine: the bearer of this.
METRICS_TOKEN = os.environ.get("METRICS_TOKEN", "")

# -- Files -----------------------------------------------------------------------------------

STORAGES = {
    "default": locations.object_storage(os.environ, DATA_DIR),
    "staticfiles": {
        "BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"
        if not LOCAL
        else "django.contrib.staticfiles.storage.StaticFilesStorage",
    },
}
# Days for which the files of an export are kept.
EXPORT_DAYS = _number("EXPORT_DAYS", 7)
STATIC_URL = "/static/"
STATIC_ROOT = None if LOCAL else os.environ.get("STATIC_ROOT") or BASE_DIR / "build" / "static"
WHITENOISE_USE_FINDERS = LOCAL

# -- API -------------------------------------------------------------------------------------

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "runs.api.authentication.BearerToken",
        "runs.api.authentication.PortalSession",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["runs.api.permissions.StaffWithPermission"],
    "DEFAULT_THROTTLE_CLASSES": ["runs.api.throttling.PerMinute"],
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "DEFAULT_RENDERER_CLASSES": [
        "runs.api.renderers.FastJSONRenderer",
        "rest_framework.renderers.BrowsableAPIRenderer",
    ],
    "DEFAULT_PARSER_CLASSES": ["runs.api.parsers.BoundedJSONParser"],
    "EXCEPTION_HANDLER": "runs.api.problems.handle",
    "DEFAULT_PAGINATION_CLASS": None,
}
SPECTACULAR_SETTINGS = {
    "TITLE": "Runs portal",
    "DESCRIPTION": (
        "Runs, their history, workflows and what can be done with them. Call it with a token of"
        " yours, `Authorization: Bearer runs_…`, or signed in, with the CSRF token in"
        " `X-CSRFToken`. Times are UTC with milliseconds, money is decimal text in US dollars,"
        " lists are paged by following `next` and `previous`, and every error is a problem"
        " document (RFC 9457)."
    ),
    "VERSION": "1",
    "OAS_VERSION": "3.1.0",
    "SERVE_INCLUDE_SCHEMA": False,
    "ENUM_NAME_OVERRIDES": {
        "RunStateEnum": "runs.api.document.RUN_STATES",
        "NodeStatusEnum": "runs.api.document.NODE_STATUSES",
        "BulkKindEnum": "runs.models.bulk.BulkKind.values",
        "BulkStateEnum": "runs.models.bulk.BulkState.values",
        "FinalStateEnum": "retention.api.shapes.STATES",
        "ExecutionKindEnum": "retention.models.execution.ExecutionKind.values",
        "ExecutionStateEnum": "retention.models.execution.ExecutionState.values",
        "OutcomeStatusEnum": "runs.models.bulk.OutcomeStatus.values",
        "AttemptStatusEnum": "runs.api.document.ATTEMPT_STATUSES",
        "WaitCauseEnum": "runs.api.run_timeline.WAIT_CAUSES",
        "DecisionActEnum": "runs.api.decisions.ACTS",
        "AnswerActEnum": "runs.api.decisions.ANSWERS",
        "KindEnum": "runs.api.document.EVENT_KINDS",
        "TriggerKindEnum": "runs.api.trigger_shapes.KINDS",
        "FiringStatusEnum": "runs.api.trigger_shapes.STATUSES",
    },
    "POSTPROCESSING_HOOKS": [
        "drf_spectacular.hooks.postprocess_schema_enums",
        "runs.api.document.any_is_null_too",
        "runs.api.document.add_problems",
    ],
}
# Modules of apps above `runs` with procedures for /api/trpc.
TRPC_PROCEDURES = [
    "retention.api.procedures",
    "retention.api.execution_procedures",
    "analytics.api.procedures",
]
# Requests a minute: by one token, and by one person with all their tokens and sessions.
API_TOKEN_RATE = _number("API_TOKEN_RATE", 600)
API_USER_RATE = _number("API_USER_RATE", 1200)
# Calls a minute by which one token reports events: more than one sender needs, which sends many
# events in each, and few enough that one gone wild leaves room for the others.
API_INGEST_RATE = _number("API_INGEST_RATE", 30_000)
# Calls a minute of one webhook, whoever sends them.
WEBHOOK_RATE = _number("WEBHOOK_RATE", 600)
# Streams that one account may have open in a web process, with all its tokens and sessions.
STREAMS_PER_ACCOUNT = _number("STREAMS_PER_ACCOUNT", 200)
# Largest request body, in bytes. The ingest API has a limit of its own.
DATA_UPLOAD_MAX_MEMORY_SIZE = 2_500_000
# Seven fields for each workflow that has days of its own, of which there may be some hundred.
DATA_UPLOAD_MAX_NUMBER_FIELDS = 5_000

# -- Language and time -----------------------------------------------------------------------

LANGUAGE_CODE = "en"
TIME_ZONE = "UTC"
USE_TZ = True
USE_I18N = True
FORMAT_MODULE_PATH = ["config.formats"]

# -- Look ------------------------------------------------------------------------------------

UNFOLD = {
    "SITE_TITLE": "Runs portal",
    "SITE_HEADER": "Runs portal",
    "SITE_SYMBOL": "hub",
    # There is no other site to go to.
    "SITE_URL": None,
    "SHOW_HISTORY": True,
    "SHOW_VIEW_ON_SITE": False,
    "BORDER_RADIUS": "4px",
    "STYLES": ["config.sidebar.design", "config.sidebar.portal"],
    "SCRIPTS": ["config.sidebar.theme_script"],
    "COLORS": {
        "primary": {
            "50": "oklch(97% .014 254.604)",
            "100": "oklch(93.2% .032 255.585)",
            "200": "oklch(88.2% .059 254.128)",
            "300": "oklch(80.9% .105 251.813)",
            "400": "oklch(70.7% .165 254.624)",
            "500": "oklch(62.3% .214 259.815)",
            "600": "oklch(54.6% .245 262.881)",
            "700": "oklch(48.8% .243 264.376)",
            "800": "oklch(42.4% .199 265.638)",
            "900": "oklch(37.9% .146 265.522)",
            "950": "oklch(28.2% .091 267.935)",
        },
    },
    "SIDEBAR": {"show_search": False, "show_all_applications": False, "navigation": navigation},
    "ACCOUNT": {"navigation": account_links},
    "LOGIN": {"form": "runs.views.login.LoginForm"},
    "SITE_FAVICONS": [{"rel": "icon", "type": "image/svg+xml", "href": favicon}],
}

# -- Logging ---------------------------------------------------------------------------------

# One JSON object a line for machines, or a line for a person.
LOG_FORMAT = os.environ.get("LOG_FORMAT") or ("text" if LOCAL else "json")
if LOG_FORMAT not in ("json", "text"):
    raise ImproperlyConfigured(f"LOG_FORMAT must be json or text, not {LOG_FORMAT!r}")
LOG_LEVEL = os.environ.get("LOG_LEVEL") or "INFO"
if LOG_LEVEL not in ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"):
    raise ImproperlyConfigured(
        f"LOG_LEVEL must be DEBUG, INFO, WARNING, ERROR or CRITICAL, not {LOG_LEVEL!r}"
    )
# A line for each request that was answered.
ACCESS_LOG = _flag("ACCESS_LOG", default=not LOCAL)
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "text": {
            "()": "config.logs.Formatter",
            "format": "{asctime} {levelname} {name}: {message}",
            "style": "{",
        },
        "json": {"()": "config.logs.JsonFormatter"},
    },
    "handlers": {
        "stderr": {"class": "logging.StreamHandler", "formatter": LOG_FORMAT},
        "errors": {"class": "config.logs.ErrorCounter", "level": "ERROR"},
    },
    "root": {"handlers": ["stderr", "errors"], "level": LOG_LEVEL},
    "loggers": {
        "django.server": {"level": "WARNING"},
        "celery": {"level": "WARNING"},
        "celery.worker.strategy": {"level": "WARNING"},
        "celery.app.trace": {"level": "ERROR"},
        # Of Celery's pool.
        "multiprocessing": {"level": "ERROR"},
        # The web server has handlers of its own until the application is loaded.
        "uvicorn": {"propagate": True},
        "uvicorn.error": {"propagate": True},
        # Its lines have the query in them, and no request id.
        "uvicorn.access": {"level": "WARNING", "propagate": True},
        "portal.access": {"level": "INFO" if ACCESS_LOG else "ERROR"},
    },
}
