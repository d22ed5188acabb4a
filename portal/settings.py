"""Every setting, in reading order; secrets come from the environment only.

With nothing set the portal is safe: debugging off, its own database and queue in the
state directory, and a secret key that was made once and is kept there.
"""

import os
import secrets
import shlex
import sys
from pathlib import Path

import environ
from csp.constants import NONE, SELF, UNSAFE_EVAL, UNSAFE_INLINE
from django.urls import reverse_lazy

from portal import embedded, logs

env = environ.Env()

# Where things are

BASE_DIR = Path(__file__).resolve().parent.parent
VAR = embedded.state_directory()
ARTIFACTS_DIR = Path(env("ARTIFACTS_DIR", default=str(VAR / "artifacts")))


def _kept_secret(name: str) -> str:
    """A secret from the state directory, made the first time it is needed."""
    path = VAR / name
    if not path.exists():
        VAR.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(secrets.token_urlsafe(64))
    return path.read_text()


# What is secret, and who may ask

DEBUG = env.bool("DEBUG", default=False)
SECRET_KEY = env("SECRET_KEY", default="") or _kept_secret("secret-key")
TOKEN_KEY = env("TOKEN_KEY", default="") or SECRET_KEY
ENCRYPTION_KEYS = env.list("ENCRYPTION_KEYS", default=[]) or [
    _kept_secret("encryption-key")
]
ALLOWED_HOSTS = env.list("ALLOWED_HOSTS", default=["localhost", "127.0.0.1", "[::1]"])
IS_HTTPS = env.bool("HTTPS", default=False)
IS_PRODUCTION = env.bool("PRODUCTION", default=False)
CSRF_TRUSTED_ORIGINS = env.list("CSRF_TRUSTED_ORIGINS", default=[])
if IS_HTTPS:
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    SECURE_SSL_REDIRECT = True
    SECURE_REDIRECT_EXEMPT = [r"^livez$", r"^readyz$", r"^metrics$"]
    SECURE_HSTS_SECONDS = 31_536_000
    SECURE_HSTS_INCLUDE_SUBDOMAINS = True
    SECURE_HSTS_PRELOAD = True

# The parts

INSTALLED_APPS = [
    "unfold.apps.BasicAppConfig",  # before the admin; the site itself is ours
    "unfold.contrib.filters",
    "portal.apps.PortalAdminConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.humanize",
    "django.contrib.messages",
    "django.contrib.postgres",
    "django.contrib.sessions",
    "django.contrib.staticfiles",
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "django_rq",
    "simple_history",
    "axes",
    "csp",
    "portal",
    "rollout",
    "drills",
]
MIDDLEWARE = [
    "portal.requests.RequestIds",
    "django.middleware.security.SecurityMiddleware",
    "portal.compression.Compressed",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "csp.middleware.CSPMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "portal.sessions.SessionLimits",
    "portal.time_zones.TimeZones",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "axes.middleware.AxesMiddleware",
    "portal.requests.ReadOnce",
]
ROOT_URLCONF = "portal.urls"
ASGI_APPLICATION = "portal.asgi.application"
WSGI_APPLICATION = "portal.wsgi.application"
APPEND_SLASH = False  # a POST must never turn into a redirect
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
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
            ]
        },
    }
]

# Database and queue: what the URLs name, else our own in the state directory

DATABASES = {
    "default": env.db_url("DATABASE_URL", default=embedded.database_url(VAR))
    | {
        "ENGINE": "django.db.backends.postgresql",
        "CONN_HEALTH_CHECKS": True,
    }
}
_options = DATABASES["default"].setdefault("OPTIONS", {})
_options["options"] = "-c lock_timeout=5000 -c timezone=UTC"
_options["connect_timeout"] = 5
if env.bool("DATABASE_POOL", default=False):  # the web process only: not across fork
    _options["pool"] = {"min_size": 2, "max_size": 20, "timeout": 5}
else:
    DATABASES["default"]["CONN_MAX_AGE"] = env.int("CONN_MAX_AGE", default=0)

REDIS_URL = env("REDIS_URL", default=embedded.redis_url(VAR))
REDIS_PREFIX = env("REDIS_PREFIX", default="portal")
RQ_QUEUES = {
    f"{REDIS_PREFIX}-{queue}": {
        "URL": REDIS_URL,
        "SERIALIZER": "rq.serializers.JSONSerializer",  # pickle would run code
    }
    for queue in ("safety", "rollout", "drills", "delivery")
}
RQ_SHOW_ADMIN_LINK = False

# People

AUTH_USER_MODEL = "portal.Person"
AUTHENTICATION_BACKENDS = [
    "axes.backends.AxesStandaloneBackend",
    "django.contrib.auth.backends.ModelBackend",
]
LOGIN_URL = reverse_lazy("admin:login")
LOGIN_REDIRECT_URL = reverse_lazy("admin:index")
PASSWORD_HASHERS = ["django.contrib.auth.hashers.Argon2PasswordHasher"]
AUTH_PASSWORD_VALIDATORS = [
    {
        "NAME": "django.contrib.auth.password_validation.MinimumLengthValidator",
        "OPTIONS": {"min_length": 15},
    },
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {
        "NAME": (
            "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"
        )
    },
]
# Whose role demands a second factor; in production of everybody who confirms, signs
# or lets others in.
SECOND_FACTOR_ROLES = env.list(
    "SECOND_FACTOR_ROLES",
    default=["architect", "qa", "administrator"] if IS_PRODUCTION else [],
)
PASSWORD_RESET_TIMEOUT = 24 * 3600  # a one-time link
AXES_FAILURE_LIMIT = 5
AXES_COOLOFF_TIME = 0.25  # hours
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"]]  # elsewhere the owner gets in
AXES_RESET_ON_SUCCESS = True
AXES_ENABLE_ADMIN = False
AXES_VERBOSE = False
AXES_LOCKOUT_TEMPLATE = "portal/locked_out.html"
SESSION_COOKIE_AGE = 12 * 3600
SESSION_IDLE_SECONDS = 30 * 60
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
CSRF_COOKIE_HTTPONLY = True
CSRF_FAILURE_VIEW = "portal.pages.csrf_failure"
if IS_HTTPS:
    SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = True
    SESSION_COOKIE_NAME = "__Host-session"
    CSRF_COOKIE_NAME = "__Host-csrf"

# What pages may load: nothing from outside. The admin's theme evaluates expressions
# and sets styles (ADR 5); every other page keeps the strict policy.

X_FRAME_OPTIONS = "DENY"
SECURE_REFERRER_POLICY = "same-origin"
_STRICT = {
    "default-src": [NONE],
    "script-src": [SELF],
    "style-src": [SELF],
    "img-src": [SELF],
    "font-src": [SELF],
    "connect-src": [SELF],
    "form-action": [SELF],
    "base-uri": [NONE],
    "frame-ancestors": [NONE],
}
CONTENT_SECURITY_POLICY = {"DIRECTIVES": _STRICT}
ADMIN_CONTENT_SECURITY_POLICY = _STRICT | {
    "script-src": [SELF, UNSAFE_EVAL],
    "style-src": [SELF, UNSAFE_INLINE],
    "img-src": [SELF, "data:"],
}

# Words, time and files

LANGUAGE_CODE = "en"
TIME_ZONE = "UTC"
USE_TZ = True
USE_I18N = False
FORMAT_MODULE_PATH = "portal.formats"
STATIC_URL = "static/"
STATIC_ROOT = VAR / "static"  # filled by `collectstatic` in production
STATIC_ROOT.mkdir(parents=True, exist_ok=True)
STATICFILES_DIRS = [BASE_DIR / "static"]
WHITENOISE_USE_FINDERS = not any(STATIC_ROOT.iterdir())
DATA_UPLOAD_MAX_MEMORY_SIZE = 4 * 1024 * 1024
MAX_DOCUMENT_BYTES = 2 * 1024 * 1024
MAX_EVENTS_BYTES = 4 * 1024 * 1024
MAX_ARTIFACT_BYTES = env.int("MAX_ARTIFACT_BYTES", default=256 * 1024 * 1024)
FILE_UPLOAD_TEMP_DIR = VAR / "incoming"  # bodies on their way in, never in /tmp
FILE_UPLOAD_TEMP_DIR.mkdir(parents=True, exist_ok=True)

# The artifact vault: a directory, or a bucket once it is named. Credentials of a bucket
# are found where its library looks for them (AWS_ACCESS_KEY_ID, a profile, a role).

ARTIFACTS_S3_BUCKET = env("ARTIFACTS_S3_BUCKET", default="")
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.InMemoryStorage"},
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
    "artifacts": {
        "BACKEND": "rollout.services.bucket.Bucket",
        "OPTIONS": {
            "bucket_name": ARTIFACTS_S3_BUCKET,
            "endpoint_url": env("ARTIFACTS_S3_ENDPOINT", default=None),
            "region_name": env("ARTIFACTS_S3_REGION", default=None),
            "location": env("ARTIFACTS_S3_PREFIX", default=""),
        },
    }
    if ARTIFACTS_S3_BUCKET
    else {"BACKEND": "rollout.services.directory.Directory"},
}
ARTIFACTS_QUOTA_BYTES = env.int("ARTIFACTS_QUOTA_BYTES", default=0)  # per rollout
ARTIFACTS_LEAST_FREE_BYTES = env.int("ARTIFACTS_LEAST_FREE_BYTES", default=5 * 10**9)
ARTIFACTS_CHECKED_EVERY_DAYS = env.int("ARTIFACTS_CHECKED_EVERY_DAYS", default=30)

# The sealer: its key, which only its own process reads, and where checkpoints go that
# no change of the database can reach

SEALER_KEY_FILE = Path(env("SEALER_KEY_FILE", default=str(VAR / "sealer-key")))
LEDGER_ORIGIN = env("LEDGER_ORIGIN", default=f"{ALLOWED_HOSTS[0]}/ledger")
CHECKPOINT_SINKS = [
    {"BACKEND": "portal.services.sinks.AppendOnlyFile", "OPTIONS": {"path": path}}
    for path in env.list("CHECKPOINT_FILES", default=[str(VAR / "checkpoints.jsonl")])
] + env.json("CHECKPOINT_SINKS", default=[])

# Commands that the portal carries out: named in a file on the host of the worker

VERIFICATION_FILE = Path(
    env("VERIFICATION_FILE", default=str(BASE_DIR / "verification.toml"))
)
VERIFICATION_PROGRAMS = env.list("VERIFICATION_PROGRAMS", default=[])
ALLOW_UNSANDBOXED = env.bool("ALLOW_UNSANDBOXED", default=False)

# The API

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "portal.api.authentication.BearerTokens",
        "portal.api.authentication.Sessions",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["portal.api.permissions.DeclaredPermission"],
    "DEFAULT_THROTTLE_CLASSES": ["portal.api.throttling.PerActor"],
    "DEFAULT_PARSER_CLASSES": ["portal.api.parsing.StrictJSON"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PAGINATION_CLASS": "portal.api.pagination.NewestFirst",
    "DEFAULT_SCHEMA_CLASS": "portal.api.schema.PortalSchema",
    "EXCEPTION_HANDLER": "portal.api.problems.answer",
    "UNAUTHENTICATED_USER": None,
    "TEST_REQUEST_DEFAULT_FORMAT": "json",
}
API_READS_PER_MINUTE = env.int("API_READS_PER_MINUTE", default=6000)
API_WRITES_PER_MINUTE = env.int("API_WRITES_PER_MINUTE", default=6000)
API_BURST = env.int("API_BURST", default=6000)
EDGE_REQUESTS_PER_SECOND = env.int("EDGE_REQUESTS_PER_SECOND", default=2000)
SPECTACULAR_SETTINGS = {
    "TITLE": "Rollout Governance Portal",
    "VERSION": "1",
    "OAS_VERSION": "3.1.0",
    "SERVE_INCLUDE_SCHEMA": False,
    "SERVE_PUBLIC": True,
    "SERVE_AUTHENTICATION": [],
    "SERVE_PERMISSIONS": ["rest_framework.permissions.AllowAny"],
    "SCHEMA_PATH_PREFIX": "/api/v1",
    "SORT_OPERATIONS": False,
    "SWAGGER_UI_DIST": "SIDECAR",
    # Its links lie within buttons, where no screen reader finds them, and it would take
    # the anchors of the guide for its own.
    "SWAGGER_UI_SETTINGS": {
        "deepLinking": False,
        "docExpansion": "none",
        "filter": True,
    },
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "POSTPROCESSING_HOOKS": ["portal.api.schema.describe"],
}

# The edge: how long it trusts what it knows and a ticket for a stream, what it keeps
# for a restart without the database, and the file that engages the switch on this host

MAX_STALE_SECONDS = env.float("MAX_STALE_SECONDS", default=60.0)
STREAM_TICKET_SECONDS = env.int("STREAM_TICKET_SECONDS", default=600)
EDGE_SNAPSHOT = VAR / "edge-snapshot.json"
KILL_FILE = Path(env("KILL_FILE", default=str(VAR / "KILL")))

# Drills: where the portal finds itself, where it stands, and the process that is driven

_PORT = env("PORT", default="8000")
INTERNAL_URL = env("INTERNAL_URL", default=f"http://127.0.0.1:{_PORT}")
ENVIRONMENT = env("ENVIRONMENT", default="production" if IS_PRODUCTION else "local")
DRILL_COMMAND = shlex.split(env("DRILL_COMMAND", default="")) or [
    *(sys.executable, str(BASE_DIR / "manage.py"), "simulate")
]

# Notifications: hosts that may be private or speak plain HTTP, and the mail server

WEBHOOK_ALLOWED_HOSTS = frozenset(
    host.lower() for host in env.list("WEBHOOK_ALLOWED_HOSTS", default=[])
)
WEBHOOK_TIMEOUT_SECONDS = env.float("WEBHOOK_TIMEOUT_SECONDS", default=10.0)
EMAIL_IS_CONFIGURED = bool(env("EMAIL_URL", default=""))
if EMAIL_IS_CONFIGURED:
    vars().update(env.email("EMAIL_URL"))
EMAIL_TIMEOUT = 10
DEFAULT_FROM_EMAIL = env("DEFAULT_FROM_EMAIL", default="portal@localhost")

# History and logs

SIMPLE_HISTORY_HISTORY_CHANGE_REASON_USE_TEXT_FIELD = True
SIMPLE_HISTORY_REVERT_DISABLED = True
SILENCED_SYSTEM_CHECKS: list[str] = []
LOGGING_CONFIG = None
logs.configure(
    level=env("LOG_LEVEL", default="INFO"), is_testing="pytest" in sys.modules
)

# The admin's theme

UNFOLD = {
    "SITE_TITLE": "Rollout Governance Portal",
    "SITE_HEADER": "Rollout Governance",
    "SITE_SUBHEADER": "Option C, from nobody to everybody",
    "SITE_SYMBOL": "alt_route",
    "SHOW_HISTORY": False,  # a page of our own shows versions and reasons
    "SHOW_VIEW_ON_SITE": False,
    "DASHBOARD_CALLBACK": "portal.dashboard.context",
    "ACCOUNT": {
        "navigation": [
            {"title": "Change password", "link": reverse_lazy("admin:password_change")},
            {"title": "Second factor", "link": reverse_lazy("admin:second_factor")},
        ]
    },
    "STYLES": ["/static/portal/portal.css"],
    "SCRIPTS": [
        "/static/portal/live.js",
        "/static/portal/everywhere.js",
        "/static/portal/tables.js",
    ],
    "COLORS": {
        "primary": {
            "50": "239 246 255",
            "100": "219 234 254",
            "200": "191 219 254",
            "300": "147 197 253",
            "400": "96 165 250",
            "500": "59 130 246",
            "600": "37 99 235",
            "700": "29 78 216",
            "800": "30 64 175",
            "900": "30 58 138",
            "950": "23 37 84",
        }
    },
    "SIDEBAR": {
        "show_search": False,
        "show_all_applications": False,
        "navigation": "portal.admin.navigation.sidebar",
    },
}
