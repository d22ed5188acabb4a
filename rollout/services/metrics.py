"""What is counted about decisions and on the edge."""

from portal.services.metrics import counter, gauge, histogram

DECISIONS = counter(
    "portal_decisions_total",
    "Decisions that were answered over the API, by their reason.",
    "reason",
)
EDGE_REQUESTS = counter(
    "portal_edge_requests_total",
    "Requests that the edge answered; evaluations are those under /ofrep/.",
    "route",
    "status",
)
EDGE_SECONDS = histogram(
    "portal_edge_evaluation_seconds",
    "How long an evaluation took.",
    "route",
    buckets=(0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.05, 0.25, 1),
)
EDGE_STALE = counter(
    "portal_edge_stale_answers_total",
    "Evaluations from a snapshot that was not confirmed within the last second.",
)
EDGE_WAITING = gauge(
    "portal_edge_waiting",
    "Streams that are open, and runs and agents that wait for directives.",
    "route",
    mode="livesum",
)
EDGE_CONFIRMED = gauge(
    "portal_edge_confirmed_timestamp_seconds",
    "When the database last confirmed what the edge knows; of the process that "
    "knows least.",
    mode="livemin",
)
