"""Late degradation: after general availability somebody keeps watch, for ever.

A test whose error is limited for all time becomes the blinder the longer all is well:
its fortune is lost when the trouble begins. An *e-detector* of the Shiryaev-Roberts
type (Shin, Ramdas and Rinaldo) begins a new bet with every run instead. While the pass
rate stays at or above the floor, the expected number of runs before it raises its alarm
is at least its threshold c: false alarms are rare, not impossible.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace

from portal.errors import Invalid

# The degraded pass rates that are bet on, as parts of the floor.
DEPTHS = (0.95, 0.85, 0.7, 0.4)


@dataclass(frozen=True, slots=True)
class Detector:
    """The watch over one pass rate: O(1) per run, whatever lies behind."""

    floor: float
    least_run_length: float  # c: false alarms are at least so many runs apart
    runs: int = 0
    sums: tuple[float, ...] = (0.0,) * len(DEPTHS)
    alarmed_at: int | None = None

    def __post_init__(self) -> None:
        if not 0 < self.floor < 1 or self.least_run_length < 1:
            raise Invalid(
                "A floor is between 0 and 1, a run length at least 1.",
                code="PLAN_INVALID",
            )

    @property
    def value(self) -> float:
        """The e-detector: the mean over the rates that are bet on."""
        return sum(self.sums) / len(self.sums)

    def after(self, has_passed: bool) -> "Detector":
        """The watch after one more run; once it has raised its alarm it rests.

        Each sum is the one before, plus one new bet, times what one coin has become.
        A coin on the rate r becomes r / floor at a pass and (1 - r) / (1 - floor) at a
        failure: on average at most one as long as the pass rate is not below the floor.
        """
        if self.alarmed_at is not None:
            return self
        watch = replace(
            self,
            runs=self.runs + 1,
            sums=tuple(
                (total + 1) * self._return_on(depth, has_passed)
                for total, depth in zip(self.sums, DEPTHS, strict=True)
            ),
        )
        if watch.value >= self.least_run_length:
            return replace(watch, alarmed_at=watch.runs)
        return watch

    def after_all(self, outcomes: Iterable[bool]) -> "Detector":
        """The watch after all of these runs, in their order."""
        watch = self
        for has_passed in outcomes:
            watch = watch.after(has_passed)
        return watch

    def _return_on(self, depth: float, has_passed: bool) -> float:
        if has_passed:
            return depth
        return (1 - depth * self.floor) / (1 - self.floor)
