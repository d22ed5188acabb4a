"""What `/metrics` reads of what every part shares."""

from django.db import connection

from portal.domain.notifications import EndpointState
from portal.services import health, heartbeats
from portal.services.metrics import Rows, figure

MOST_COUNTED = 10_000  # so that a pile costs no more to look at than a heap


def asked(sql: str, *values: object) -> list[tuple]:
    """The rows of a query."""
    with connection.cursor() as cursor:
        cursor.execute(sql, values)
        return cursor.fetchall()


_JOBS = "SELECT queue, state FROM portal_job WHERE state = '{}' LIMIT %s"
_UNDONE = " UNION ALL ".join(
    f"({_JOBS.format(state)})" for state in ("waiting", "running", "dead")
)


@figure(
    "portal_jobs",
    f"Jobs that wait, run or are dead; counted up to {MOST_COUNTED} a state.",
    "queue",
    "state",
)
def jobs() -> Rows:
    found = asked(
        f"SELECT queue, state, count(*) FROM ({_UNDONE}) jobs GROUP BY queue, state",
        *[MOST_COUNTED] * 3,
    )
    return [((queue, state), count) for queue, state, count in found]


@figure("portal_job_lag_seconds", "How long the oldest job that is due has waited.")
def job_lag() -> Rows:
    return _lag("")


@figure(
    "portal_outbox_lag_seconds",
    "How long the oldest job that is due has waited for the relay to hand it over.",
)
def outbox_lag() -> Rows:
    return _lag("WHERE handed_at IS NULL")


def _lag(condition: str) -> Rows:
    found = asked(
        f"""
        SELECT extract(epoch FROM statement_timestamp() - min(run_after)) FROM (
            SELECT run_after, handed_at FROM portal_job
            WHERE state = 'waiting' AND run_after <= statement_timestamp()
            ORDER BY run_after LIMIT %s
        ) due {condition}
        """,
        MOST_COUNTED,
    )
    return [((), float(found[0][0] or 0))]


@figure(
    "portal_ledger_entries_total",
    "Entries of the ledger: its last seq.",
    kind="counter",
)
def ledger_entries() -> Rows:
    found = asked("SELECT seq FROM portal_ledgerentry ORDER BY seq DESC LIMIT 1")
    return [((), found[0][0] if found else 0)]


@figure(
    "portal_heartbeat_age_seconds",
    "Seconds since a process gave a sign of life; +Inf for one that never did.",
    "name",
)
def heartbeat_ages() -> Rows:
    ages = dict.fromkeys(heartbeats.EXPECTED, float("inf"))
    ages |= {
        name: float(age)
        for name, age in asked(
            "SELECT name, extract(epoch FROM statement_timestamp() - at) "
            "FROM portal_heartbeat"
        )
    }
    return [((name,), age) for name, age in ages.items()]


@figure("portal_part_is_well", "What `/readyz` says of each part: 1 or 0.", "part")
def parts() -> Rows:
    found = health.findings()
    return [((name,), finding.is_well) for name, finding in found.items()]


@figure("portal_endpoints", "Endpoints that are told of events, or not.", "state")
def endpoints() -> Rows:
    found = dict.fromkeys(map(str, EndpointState), 0)
    found |= dict(asked("SELECT state, count(*) FROM portal_endpoint GROUP BY state"))
    return [((state,), count) for state, count in found.items()]


@figure(
    "portal_deliveries_waiting",
    f"Notifications that have not arrived yet; counted up to {MOST_COUNTED}.",
)
def deliveries_waiting() -> Rows:
    found = asked(
        "SELECT count(*) FROM (SELECT 1 FROM portal_delivery "
        "WHERE state = 'waiting' LIMIT %s) waiting",
        MOST_COUNTED,
    )
    return [((), found[0][0])]


@figure(
    "portal_delivery_lag_seconds",
    "How long the oldest notification that has not arrived yet has waited.",
)
def delivery_lag() -> Rows:
    found = asked(
        "SELECT extract(epoch FROM statement_timestamp() - min(created_at)) "
        "FROM portal_delivery WHERE state = 'waiting'"
    )
    return [((), float(found[0][0] or 0))]
