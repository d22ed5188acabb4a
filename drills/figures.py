"""What `/metrics` reads of incidents."""

from drills.domain.incidents import Kind
from drills.models import Incident, IncidentTimer
from drills.services import durations
from portal import clock
from portal.figures import MOST_COUNTED, asked
from portal.services.metrics import Rows, figure

QUANTILES = (("0.5", "median_s"), ("0.9", "p90_s"))


@figure(
    "portal_incidents_open",
    f"Incidents that are not over; {MOST_COUNTED} of them are counted at most.",
    "kind",
    "severity",
    "state",
)
def open_incidents() -> Rows:
    found = asked(
        f"""
        SELECT kind, severity, state, count(*) FROM (
            SELECT kind, severity, state FROM {Incident._meta.db_table}
            WHERE NOT is_over LIMIT %s
        ) incident GROUP BY kind, severity, state
        """,
        MOST_COUNTED,
    )
    return [((k, str(severity), state), count) for k, severity, state, count in found]


@figure("portal_incident_timers_overdue", "Timers of incidents whose target is missed.")
def overdue_timers() -> Rows:
    running = IncidentTimer.objects.filter(rings_at__isnull=False)
    overdue = running.filter(due_at__lt=clock.now())
    return [((), overdue[:MOST_COUNTED].count())]


@figure(
    "portal_incident_seconds",
    f"How long the newest {durations.LOOKED_AT} incidents took to detect, acknowledge, "
    "make safe and resolve.",
    "kind",
    "span",
    "quantile",
)
def seconds() -> Rows:
    return [
        ((kind, span, name), value)
        for kind in Kind
        for span, summary in durations.of(kind).items()
        for name, field in QUANTILES
        if (value := getattr(summary, field)) is not None
    ]
