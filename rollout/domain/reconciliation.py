"""Is everything that was there before still there, byte for byte?

An inventory lists what runs have: `{run_id: {kind: {name: digest}}}`. What came later
is no loss; what is gone, or says something else under its name, is.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

Inventory = Mapping[str, Mapping[str, Mapping[str, str]]]


@dataclass(frozen=True, slots=True)
class Report:
    """What was found of what was there; `missing` names each loss."""

    runs: int
    counts: dict[str, dict[str, int]]
    missing: list[dict[str, str]]

    @property
    def is_clean(self) -> bool:
        """Whether nothing was lost or altered."""
        return not self.missing

    def to_json(self) -> dict[str, Any]:
        """The report as it is kept."""
        return {
            "runs": self.runs,
            "counts": self.counts,
            "missing": self.missing,
            "is_clean": self.is_clean,
        }


def reconcile(before: Inventory, after: Inventory) -> Report:
    """Look for everything of `before` in `after`."""
    there: Counter[str] = Counter()
    found: Counter[str] = Counter()
    missing = []
    for run_id, kinds in before.items():
        if run_id not in after:
            missing.append({"run_id": run_id, "kind": "run", "name": run_id})
        for kind, items in kinds.items():
            now = after.get(run_id, {}).get(kind, {})
            there[kind] += len(items)
            for name, digest in items.items():
                if now.get(name) == digest:
                    found[kind] += 1
                else:
                    trouble = "altered" if name in now else "gone"
                    loss = {"run_id": run_id, "kind": kind, "name": name}
                    missing.append({**loss, "trouble": trouble})
    counts = {
        kind: {"before": there[kind], "found": found[kind]} for kind in sorted(there)
    }
    return Report(len(before), counts, missing)
