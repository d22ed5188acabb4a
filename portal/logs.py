"""One log format: JSON, one line an event, with the request id and no secrets."""

import logging
import logging.config

import structlog
from structlog.types import EventDict, Processor

from portal.domain.redaction import redact


def _without_secrets(_logger: object, _name: str, event: EventDict) -> EventDict:
    return {
        key: redact(value) if isinstance(value, str) else value
        for key, value in event.items()
    }


def configure(*, level: str, is_testing: bool = False) -> None:
    """Send the log of everything (ours, Django's, RQ's, uvicorn's) through one pipe."""
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        _without_secrets,
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=not is_testing,
    )
    logging.config.dictConfig(
        {
            "version": 1,
            "disable_existing_loggers": False,
            "formatters": {
                "json": {
                    "()": structlog.stdlib.ProcessorFormatter,
                    "foreign_pre_chain": shared,
                    "processors": [
                        structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                        structlog.processors.JSONRenderer(),
                    ],
                }
            },
            "handlers": {
                "stderr": {"class": "logging.StreamHandler", "formatter": "json"}
            },
            "root": {"handlers": ["stderr"], "level": level},
            "loggers": {
                "django": {"level": "INFO"},
                "django.request": {"level": "ERROR"},
                "axes": {"level": "WARNING"},
                "rq": {"level": "WARNING", "handlers": [], "propagate": True},
                "uvicorn": {"handlers": [], "propagate": True},
                "uvicorn.access": {"handlers": [], "level": "WARNING"},
                "httpx": {"level": "WARNING"},
                "watchfiles": {"level": "WARNING"},
            },
        }
    )
