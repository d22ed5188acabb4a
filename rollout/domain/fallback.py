"""The fallback offer: same input, same bytes (`02-domain.md` §6 of the design)."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from portal.errors import Conflict
from rollout.domain.gates import FALLBACK_FAILURE, NAMES
from rollout.domain.sanitising import sanitise

CAUSE = "hard_gate_failed"
INSTRUCTION = "disable Option C and run standard workflow"
SUMMARY_PATH = "logs/fallback-summary.md"


class Means(StrEnum):
    """By which means somebody took an offer."""

    API = "api"
    ADMIN = "admin"


@dataclass(frozen=True, slots=True)
class Offer:
    """One run's way back to the standard workflow."""

    gate_id: str
    gate_name: str
    reason: str

    @property
    def summary(self) -> bytes:
        """The bytes of `logs/fallback-summary.md`."""
        return (
            "# Fallback Summary\n"
            "\n"
            f"- failed_gate_id: {self.gate_id}\n"
            f"- failed_gate_name: {self.gate_name}\n"
            f"- reason: {self.reason}\n"
            f"- operator_instruction: {INSTRUCTION}\n"
            "\n"
            f"Operator instruction: {INSTRUCTION}.\n"
        ).encode()

    def failure(self, root: str) -> dict[str, Any]:
        """The failure entry, for a run whose artifacts lie under `root`."""
        return {
            "kind": FALLBACK_FAILURE,
            "gate_id": self.gate_id,
            "gate_name": self.gate_name,
            "reason": self.reason,
            "summary_path": f"{root.rstrip('/')}/{SUMMARY_PATH}",
            "instruction": INSTRUCTION,
            "retryable": False,
        }


def offer(gates: Mapping[str, Any] | None, *, reason: str = "") -> Offer:
    """The offer for a run with this gates document.

    Raises `Conflict` with the code NO_HARD_GATE_FAIL when no hard gate has failed.
    """
    found = (gates or {}).get("gates") or {}
    for letter in sorted(found):
        gate = found[letter]
        if gate.get("class") == "hard" and gate.get("status") == "fail":
            name = str(gate.get("name") or NAMES.get(letter, letter))
            notes = str(gate.get("notes") or "")
            given = next(
                (text for text in (reason, notes) if text.strip()),
                f"Hard gate {letter} failed",
            )
            return Offer(letter, name, sanitise(given))
    raise Conflict(
        "No hard gate of this run has failed, so there is nothing to fall back from.",
        code="NO_HARD_GATE_FAIL",
    )
