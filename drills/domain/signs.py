"""Signs: what can be noticed of an incident, and what it is a sign of.

A sign is a cause that was announced, a trigger that fired, or what a person reports.
Different signs of one thing have to lead to one incident: a trigger tells of the cause
that made it fire, and what a run does after its sources were blocked is no cause of
its own.
"""

from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum


class Sign(StrEnum):
    """The signs that the portal itself knows; others keep the name they come with."""

    HARD_GATE_FAILED = "hard_gate_failed"
    FINAL_RUN_REVIVED = "final_run_revived"
    TIMED_OUT = "timed_out"
    REVISION_CONFLICT = "revision_conflict"
    GATE_INPUTS_DRIFT = "gate_inputs_drift"
    PROVIDER_FAILED = "provider_failed"
    SOURCES_BLOCKED = "sources_blocked"
    WEB_EXPOSED = "web_exposed"
    VERIFICATION_FAILED = "verification_failed"
    SAMPLE_RATIO_OFF = "sample_ratio_off"
    DEGRADED_LATE = "degraded_late"
    STATISTICS_AGAINST = "statistics_against"
    DIRECTIVE_OVERDUE = "directive_overdue"
    DIRECTIVE_CONTRADICTED = "directive_contradicted"
    AUDIT_CORRUPT = "audit_corrupt"
    SENSITIVITY_MISCONFIGURED = "sensitivity_misconfigured"
    REPORTED = "reported"  # by a person


@dataclass(frozen=True, slots=True)
class Origin:
    """A sign, and the gate that it is about, if it is about one."""

    sign: str
    gate: str = ""


# What a trigger of this kind tells of; a kind that is not here is a sign itself.
OF_TRIGGER: dict[str, Origin] = {
    "citations_failing": Origin(Sign.HARD_GATE_FAILED, "C"),
    "outputs_unparseable": Origin(Sign.HARD_GATE_FAILED, "B"),
    "run_hung": Origin(Sign.TIMED_OUT),
    "provider_failing": Origin(Sign.PROVIDER_FAILED),
    "conflicts_persist": Origin(Sign.REVISION_CONFLICT),
}
# What is no incident of its own in a run that had this symptom before.
EXPLAINED_BY: dict[Origin, Sign] = {
    Origin(Sign.HARD_GATE_FAILED, "C"): Sign.SOURCES_BLOCKED,
    Origin(Sign.TIMED_OUT): Sign.PROVIDER_FAILED,
}
SAYS: dict[str, str] = {
    Sign.HARD_GATE_FAILED: "A hard gate of a run has failed for good.",
    Sign.FINAL_RUN_REVIVED: "A run that had ended reports that it goes on.",
    Sign.TIMED_OUT: "A run made no progress in time; the watchdog ended it.",
    Sign.REVISION_CONFLICT: "Two documents of a run contradict each other.",
    Sign.GATE_INPUTS_DRIFT: "A gate's status contradicts its metrics.",
    Sign.PROVIDER_FAILED: "A model or its provider failed.",
    Sign.SOURCES_BLOCKED: "Sources refused a run.",
    Sign.WEB_EXPOSED: "A run has more of the web than it was given.",
    Sign.DIRECTIVE_OVERDUE: "A run has not followed a directive in time.",
    Sign.DIRECTIVE_CONTRADICTED: "A run says that it followed, and its manifest not.",
}
TITLES: dict[str, str] = {
    Sign.HARD_GATE_FAILED: "A hard gate fails",
    Sign.FINAL_RUN_REVIVED: "A run that had ended goes on",
    Sign.TIMED_OUT: "A run has hung",
    Sign.REVISION_CONFLICT: "Documents contradict each other",
    Sign.GATE_INPUTS_DRIFT: "Gates contradict their metrics",
    Sign.PROVIDER_FAILED: "A model or provider fails",
    Sign.SOURCES_BLOCKED: "Sources are blocked",
    Sign.WEB_EXPOSED: "A run has more of the web than it was given",
    Sign.VERIFICATION_FAILED: "A verification failed",
    Sign.SAMPLE_RATIO_OFF: "The canary's share is off",
    Sign.DEGRADED_LATE: "A gate has become worse",
    Sign.STATISTICS_AGAINST: "The evidence is against a stage",
    Sign.DIRECTIVE_OVERDUE: "A run does not follow directives",
    Sign.DIRECTIVE_CONTRADICTED: "A run's manifest contradicts its word",
    Sign.AUDIT_CORRUPT: "The audit stream is missing or corrupt",
    Sign.SENSITIVITY_MISCONFIGURED: "The sensitivity is misconfigured",
}


def of_trigger(kind: str, failed_gates: Collection[str] = ()) -> Origin:
    """What a trigger of this kind tells of."""
    if kind == Sign.HARD_GATE_FAILED:
        return Origin(Sign.HARD_GATE_FAILED, min(failed_gates, default=""))
    return OF_TRIGGER.get(kind, Origin(kind))


def explained(origin: Origin, symptoms: Collection[str]) -> Origin:
    """What a sign is a sign of, in a run with these symptoms."""
    cause = EXPLAINED_BY.get(origin)
    return Origin(cause) if cause is not None and cause in symptoms else origin


def title(origin: Origin) -> str:
    """A few words for an incident that this opens."""
    if origin.sign == Sign.HARD_GATE_FAILED and origin.gate:
        return f"Gate {origin.gate} fails"
    known = TITLES.get(origin.sign)
    return known or origin.sign.replace("_", " ").capitalize()


def saying(origin: Origin) -> str:
    """The sentence of a sign that brings none of its own."""
    if origin.sign == Sign.HARD_GATE_FAILED and origin.gate:
        return f"Gate {origin.gate} of a run has failed for good."
    return SAYS.get(origin.sign) or f"{title(origin)}."
