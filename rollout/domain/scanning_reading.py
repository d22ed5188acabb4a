"""One scan in progress: its budget, and what it keeps of what it finds."""

from dataclasses import dataclass, field, replace

from rollout.domain.scanning import (
    MOST_FINDINGS,
    Found,
    Place,
    Report,
    Trouble,
    fingerprint,
)


@dataclass(frozen=True, slots=True)
class Limits:
    """How much is read of one artifact, in bytes, and how deep."""

    read: int = 256 * 1024 * 1024
    unpacked: int = 256 * 1024 * 1024
    layers: int = 50_000
    depth: int = 3


@dataclass(slots=True)
class Reading:
    """One scan in progress: what it has found, and what it may still read."""

    key: bytes
    limits: Limits = Limits()
    report: Report = field(default_factory=Report)
    layers: int = 0
    _known: dict[tuple[str, str], int] = field(default_factory=dict)

    def take(self, chunk: bytes) -> bytes:
        """As much of these bytes as is read."""
        room = self.limits.read - self.report.read
        if len(chunk) > room:
            self.report.troubles.add(Trouble.TOO_LARGE)
        self.report.read += min(len(chunk), room)
        return chunk[:room]

    def allows(self, length: int) -> bool:
        """Whether so many more unpacked bytes are read."""
        self.report.unpacked += length
        if self.report.unpacked <= self.limits.unpacked:
            return True
        self.report.troubles.add(Trouble.BOMB)
        return False

    def note(
        self, family: str, value: bytes, place: Place, shown: str, *, is_certain: bool
    ) -> None:
        """Keep a finding, once."""
        mark = fingerprint(family, value, key=self.key)
        findings = self.report.findings
        known = self._known.get((family, mark))
        if known is not None:
            findings[known] = replace(findings[known], count=findings[known].count + 1)
        elif len(findings) == MOST_FINDINGS:
            self.report.troubles.add(Trouble.CUT)
        else:
            self._known[family, mark] = len(findings)
            preview = f"{shown}… ({len(value)} characters)"
            findings.append(Found(family, is_certain, place, preview, mark))
