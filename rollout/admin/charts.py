"""Courses drawn as SVG, on the server: the numbers in a table say the same."""

from collections.abc import Iterable
from dataclasses import dataclass
from html import escape
from math import exp, floor, log

from django.utils.safestring import SafeString, mark_safe

from rollout.domain.courses import Course, Step
from rollout.domain.eprocess import threshold
from rollout.domain.evidence import Outcome
from rollout.domain.gates import NAMES
from rollout.domain.judgements import Proof, percent

LEFT, RIGHT, TOP, BOTTOM = 36, 312, 8, 112  # of the plot, in a picture 320 wide
MARKS = 122  # where failures and silence are marked, below the plot
SHOWN_BELOW = 0.3  # of the rates below the floor
MANY = 10_000  # beyond this an e-value is only "more"


@dataclass(frozen=True, slots=True)
class Level:
    """A line across the plot: the bar, or the floor."""

    name: str
    y: float
    text_y: float
    says: str


@dataclass(frozen=True, slots=True)
class Chart:
    """One course, with its places in the picture worked out."""

    key: str
    course: Course
    lowest: float

    @property
    def proof(self) -> Proof | None:
        """The proof that it shows, if there is a bar."""
        return self.course.proof

    @property
    def name(self) -> str:
        """What the gate is about."""
        return NAMES.get(self.course.metric, "within the budget")

    @property
    def lowest_says(self) -> str:
        """The lowest rate that is shown."""
        return percent(self.lowest)

    @property
    def band(self) -> str:
        """The pass rates that were possible, as a polygon."""
        steps = self.course.steps
        upper = [self._point(each.runs, each.possible.upper) for each in steps]
        lower = [self._point(each.runs, each.possible.lower) for each in steps]
        return " ".join([*upper, *reversed(lower)])

    @property
    def observed(self) -> str:
        """The share that passed, as a line."""
        return " ".join(
            self._point(each.runs, each.passes / each.runs)
            for each in self.course.steps
            if each.runs
        )

    @property
    def levels(self) -> list[Level]:
        """The bar above its line, the floor below its own."""
        found = []
        for name, rate, off in (
            ("bar", self.course.bar, -3),
            ("floor", self.course.floor, 10),
        ):
            if rate is not None:
                y = self._y(rate)
                found.append(Level(name, y, y + off, f"{name} {percent(rate)}"))
        return found

    @property
    def proven_x(self) -> float | None:
        """Where the bar was proven."""
        proven_at = self.proof.proven_at if self.proof else None
        return None if proven_at is None else self._x(proven_at)

    @property
    def failed(self) -> list[str]:
        """Where runs failed."""
        return self._marks(Outcome.FAIL)

    @property
    def silent(self) -> list[str]:
        """Where runs said nothing."""
        return self._marks(Outcome.UNKNOWN)

    @property
    def title(self) -> str:
        """What the picture is."""
        return f"{self.course.place}: pass rates that are possible, run by run"

    @property
    def says(self) -> str:
        """The picture in words, for whoever does not see it."""
        last = self.course.last
        said = (
            f"After {last.runs} runs from {percent(last.possible.lower)} to "
            f"{percent(last.possible.upper)}. {last.passes} passed, {last.failures} "
            f"failed, {last.unknown} unknown."
        )
        lines = ", ".join(f"the {level.says}" for level in self.levels)
        evidence = f" {self.evidence}." if self.proof else ""
        return f"{said} Drawn in: {lines or 'no bar'}.{evidence}"

    @property
    def evidence(self) -> str:
        """The e-value against its threshold, and what that means from here on."""
        proof, to_go = self.proof, self.course.to_go
        needed = e_value(threshold(proof.alpha))
        if proof.is_proven:
            return (
                f"proven at run {proof.proven_at}, and stays so (e-value "
                f"{e_value(proof.log_e)} now; {needed} were needed)"
            )
        said = f"e-value {e_value(proof.log_e)} of {needed} needed"
        if proof.reached_at and proof.log_max > proof.log_e:
            said += f" (it was {e_value(proof.log_max)} after {proof.reached_at} runs)"
        if to_go is not None:
            passes = "one more pass" if to_go == 1 else f"{to_go} more passes in a row"
            said += f"; {passes} would prove it"
        return said

    @property
    def rows(self) -> SafeString:
        """The same numbers as a table's rows; written here, for there are many."""
        return mark_safe("".join(map(_row, self.course.steps)))  # escaped there

    def _marks(self, outcome: Outcome) -> list[str]:
        return [
            self._x_text(n)
            for n, said in enumerate(self.course.outcomes, start=1)
            if said == outcome
        ]

    def _x(self, runs: int) -> float:
        share = runs / max(self.course.last.runs, 1)
        return round(LEFT + (RIGHT - LEFT) * share, 1)

    def _x_text(self, runs: int) -> str:
        return f"{self._x(runs):g}"

    def _y(self, rate: float) -> float:
        share = (max(rate, self.lowest) - self.lowest) / (1 - self.lowest)
        return round(BOTTOM - (BOTTOM - TOP) * share, 1)

    def _point(self, runs: int, rate: float) -> str:
        return f"{self._x_text(runs)},{self._y(rate):g}"


def _row(step: Step) -> str:
    cells = [step.runs, step.passes, step.failures, step.unknown]
    cells += [percent(step.possible.lower), percent(step.possible.upper)]
    cells += [] if step.log_e is None else [e_value(step.log_e)]
    return f"<tr>{''.join(f'<td>{escape(str(cell))}</td>' for cell in cells)}</tr>"


def charts(courses: Iterable[Course], key: str) -> list[Chart]:
    """A chart for each course; `key` tells those of one page apart."""
    return [
        Chart(f"{key}-{number}", course, _lowest(course))
        for number, course in enumerate(courses, start=1)
    ]


def e_value(log_e: float) -> str:
    """An e-value as people read it."""
    if log_e > log(MANY):
        return f"over {MANY:,}"
    number = exp(log_e)
    return f"{number:,.0f}" if number >= 100 else f"{number:.3g}"


def _lowest(course: Course) -> float:
    """The lowest rate worth showing: what is decided lies high up."""
    levels = [each for each in (course.bar, course.floor) if each is not None]
    wanted = min([each - SHOWN_BELOW for each in levels] or [0.0])
    return max(0.0, floor(10 * min(wanted, _last_lower(course.last)) + 1e-9) / 10)


def _last_lower(step: Step) -> float:
    return step.possible.lower if step.runs else 1.0
