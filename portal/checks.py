"""What Django's own deployment checks do not look at."""

import os
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, Warning, register

from portal.domain.roles import Role

TAG = Tags.security
_NAMED = (
    *("DATABASE_URL", "REDIS_URL", "SECRET_KEY", "ENCRYPTION_KEYS"),
    *("SEALER_KEY_FILE", "LEDGER_ORIGIN", "CHECKPOINT_FILES"),
)


def _queues_without_pickle(**_: Any) -> list[CheckMessage]:
    careless = [
        name
        for name, queue in settings.RQ_QUEUES.items()
        if queue.get("SERIALIZER") != "rq.serializers.JSONSerializer"
    ]
    if careless:
        return [
            Error(
                f"The queue {careless[0]} would run whatever code Redis holds.",
                hint="Set its SERIALIZER to rq.serializers.JSONSerializer.",
                id="portal.E001",
            )
        ]
    return []


def _queue_pages_are_closed(**_: Any) -> list[CheckMessage]:
    if getattr(settings, "RQ_SHOW_ADMIN_LINK", True):
        return [
            Error(
                "django-rq's pages let anybody on the staff empty a queue.",
                hint="Set RQ_SHOW_ADMIN_LINK = False and do not mount its URLs.",
                id="portal.E002",
            )
        ]
    return []


def _demanded_roles_are_known(**_: Any) -> list[CheckMessage]:
    unknown = sorted(set(settings.SECOND_FACTOR_ROLES) - set(Role))
    if unknown:
        return [
            Error(
                f"SECOND_FACTOR_ROLES names {unknown[0]!r}, which is no role.",
                hint=f"The roles are: {', '.join(Role)}.",
                id="portal.E005",
            )
        ]
    return []


def _production_is_configured(**_: Any) -> list[CheckMessage]:
    """Only asked with --deploy."""
    found: list[CheckMessage] = []
    if "*" in settings.ALLOWED_HOSTS:
        found.append(Error("ALLOWED_HOSTS lets every host name in.", id="portal.E003"))
    if not settings.REST_FRAMEWORK.get("DEFAULT_THROTTLE_CLASSES"):
        found.append(Error("The API has no rate limit.", id="portal.E004"))
    for name in _NAMED:
        if not os.environ.get(name):
            found.append(
                Warning(
                    f"{name} is not set: the portal would use its own, from VAR.",
                    hint="Name a server, or a secret, of the deployment's own.",
                    id="portal.W001",
                )
            )
    return found


register(_queues_without_pickle, TAG)
register(_queue_pages_are_closed, TAG)
register(_demanded_roles_are_known, TAG)
register(_production_is_configured, TAG, deploy=True)
