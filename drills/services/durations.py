"""How long incidents take: over the newest of them, drills apart."""

from drills.domain.durations import Lived, Span, Summary, summaries
from drills.domain.incidents import Kind, State
from drills.models import Incident

LOOKED_AT = 500  # so that it costs the same, however many there have been
_MOMENTS = ("began_at", "opened_at", "acknowledged_at", "mitigated_at", "resolved_at")


def of(kind: Kind, rollout_key: str = "") -> dict[Span, Summary]:
    """Median and ninth decile of each span, over the newest incidents of a kind."""
    found = Incident.objects.filter(kind=kind)
    if rollout_key:
        found = found.filter(rollout__key=rollout_key)
    newest = found.order_by("-pk").values_list("state", *_MOMENTS)[:LOOKED_AT]
    return summaries(
        Lived(*moments) for state, *moments in newest if state != State.CANCELLED
    )
