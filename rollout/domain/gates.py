"""The quality gates A to F of a run, and when a failure is a failure."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any


class GateStatus(StrEnum):
    """A hard gate has not run, passed, or failed; `drift` is the portal's own word
    for a status that contradicts its metrics: it never counts as a pass."""

    NOT_RUN = "not_run"
    PASS = "pass"
    FAIL = "fail"
    DRIFT = "drift"


NAMES: dict[str, str] = {
    "A": "Planning completeness",
    "B": "Wave output contract compliance",
    "C": "Citation validation integrity",
    "D": "Summary pack boundedness",
    "E": "Synthesis quality",
    "F": "Rollout safety",
}
# How often the research system tries again before a failure stands.
RETRY_CAPS: dict[str, int] = {"A": 0, "B": 2, "C": 1, "D": 1, "E": 3, "F": 0}

FALLBACK_FAILURE = "hard_gate_fallback_offer"

# What a passing gate's metrics have to say, where the threshold is known. A metric
# that is absent is unknown, and contradicts nothing.
_AT_LEAST: dict[str, dict[str, float]] = {
    "C": {"validated_url_rate": 0.90},
    "D": {"summary_count_ratio": 0.90},
    "E": {"report_sections_present": 100},
}
_AT_MOST: dict[str, dict[str, float]] = {
    "C": {"invalid_url_rate": 0.10, "uncategorized_url_rate": 0},
    "E": {"uncited_numeric_claims": 0},
}
# Metrics of gate D, and the limit in the manifest that each has to keep.
_WITHIN_LIMITS = {
    "max_summary_kb": "max_summary_kb",
    "total_summary_pack_kb": "max_total_summary_kb",
}
PARSEABLE_BAR = 0.80


@dataclass(frozen=True, slots=True)
class Gate:
    """The portal's own view of one gate of a run."""

    status: GateStatus
    reported: str
    retries: int = 0
    drift: tuple[str, ...] = ()
    confirmed_by: str | None = None

    @property
    def is_confirmed_failure(self) -> bool:
        """Whether this failure falls back, and counts."""
        return self.confirmed_by is not None


def contradictions(
    letter: str,
    gate: Mapping[str, Any],
    *,
    is_no_web: bool,
    limits: Mapping[str, Any] | None = None,
) -> list[str]:
    """Where a passing gate's metrics say otherwise, in words."""
    if gate["status"] != "pass":
        return []
    metrics = gate["metrics"]
    at_least, at_most = _limits(letter, is_no_web=is_no_web, limits=limits or {})
    found = []
    for name, bar in at_least.items():
        if (value := _number(metrics.get(name))) is not None and value < bar:
            found.append(f"{name} is {value}, at least {bar} is needed")
    for name, bar in at_most.items():
        if (value := _number(metrics.get(name))) is not None and value > bar:
            found.append(f"{name} is {value}, at most {bar} is allowed")
    rate = parseable_rate(metrics) if letter == "B" else None
    if rate is not None and rate < PARSEABLE_BAR:
        found.append(
            f"{rate:.0%} of the outputs are parseable, {PARSEABLE_BAR:.0%} is needed"
        )
    return found


def bounds_of(
    letter: str, *, is_no_web: bool, limits: Mapping[str, Any]
) -> dict[str, str]:
    """The limits that are known of a gate's metrics, each in words.

    `limits` are those of the manifest.
    """
    at_least, at_most = _limits(letter, is_no_web=is_no_web, limits=limits)
    return {
        **{name: f"at least {bar:g}" for name, bar in at_least.items()},
        **{name: f"at most {bar:g}" for name, bar in at_most.items()},
    }


def _limits(
    letter: str, *, is_no_web: bool, limits: Mapping[str, Any]
) -> tuple[dict[str, float], dict[str, float]]:
    """What a gate's metrics have to be at least, and at most."""
    # Without the web nothing is fetched, and gate C passes by construction.
    if letter == "C" and is_no_web:
        return {}, {}
    at_most = dict(_AT_MOST.get(letter, {}))
    if letter == "D":
        at_most |= {
            metric: limit
            for metric, name in _WITHIN_LIMITS.items()
            if (limit := _number(limits.get(name))) is not None
        }
    return dict(_AT_LEAST.get(letter, {})), at_most


def parseable_rate(metrics: Mapping[str, Any]) -> float | None:
    """validated / (validated + failed); None when the metrics do not say."""
    validated = _number(metrics.get("validated_count"))
    failed = _number(metrics.get("failed_count"))
    if validated is None or failed is None or validated + failed == 0:
        return None
    return validated / (validated + failed)


def _number(value: object) -> float | None:
    if isinstance(value, int | float) and not isinstance(value, bool):
        return value
    return None


def judge(
    gates: Mapping[str, Any] | None, manifest: Mapping[str, Any] | None
) -> dict[str, Gate]:
    """The portal's view of all six gates, from the newest documents of a run.

    A failure is *confirmed* (decision 11) when the gate's retries are spent, or when
    the manifest has failed or carries the fallback failure. That no newer gates
    revision came in time confirms it too, which is for the caller to notice.
    """
    manifest = manifest or {}
    is_no_web = (manifest.get("query") or {}).get("sensitivity") == "no_web"
    metrics = manifest.get("metrics") or {}
    retries = metrics.get("retry_counts") or {}
    history = metrics.get("retry_history") or []
    found: dict[str, Gate] = {}
    for letter in NAMES:
        gate = ((gates or {}).get("gates") or {}).get(letter)
        if gate is None:
            found[letter] = Gate(GateStatus.NOT_RUN, "")
            continue
        drift = contradictions(
            letter, gate, is_no_web=is_no_web, limits=manifest.get("limits")
        )
        status = GateStatus.DRIFT if drift else GateStatus(gate["status"])
        spent = int(retries.get(letter, 0))
        reason = None
        if status == GateStatus.FAIL:
            reason = _confirmation(letter, gate, spent, history, manifest)
        found[letter] = Gate(status, gate["status"], spent, tuple(drift), reason)
    return found


def _confirmation(
    letter: str,
    gate: Mapping[str, Any],
    spent: int,
    history: list[Mapping[str, Any]],
    manifest: Mapping[str, Any],
) -> str | None:
    kinds = {failure.get("kind") for failure in manifest.get("failures") or []}
    if FALLBACK_FAILURE in kinds:
        return "the research system fell back"
    if manifest.get("status") == "failed":
        return "the run has failed"
    if spent >= RETRY_CAPS[letter] and not _is_retry_pending(letter, gate, history):
        return "its retries are spent"
    return None


def _is_retry_pending(
    letter: str, gate: Mapping[str, Any], history: list[Mapping[str, Any]]
) -> bool:
    """Whether a retry was planned after the gate was last checked.

    The research system counts a retry when it plans it: the count reaches its cap
    one attempt before the gate has failed for good (ADR 4).
    """
    checked = _moment(gate.get("checked_at"))
    planned = [
        moment
        for entry in history
        if entry.get("gate_id") == letter
        and (moment := _moment(entry.get("ts"))) is not None
    ]
    return checked is not None and any(moment > checked for moment in planned)


def _moment(text: object) -> datetime | None:
    if not isinstance(text, str):
        return None
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return None


def first_failure(gates: Mapping[str, Gate]) -> str | None:
    """The first failed gate by letter."""
    return next((letter for letter in sorted(gates) if _failed(gates[letter])), None)


def first_confirmed(gates: Mapping[str, Gate]) -> str | None:
    """The first gate by letter whose failure is confirmed."""
    return next((g for g in sorted(gates) if gates[g].is_confirmed_failure), None)


def _failed(gate: Gate) -> bool:
    return gate.status == GateStatus.FAIL
