"""The steps of the canary plan: their states, and what a plan says."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any

from portal.errors import Invalid, WrongMoment
from rollout.domain.flags import NO_WEB
from rollout.domain.schemas import GATE_LETTERS, MODES

ANY = "*"
# From what exposes least to what exposes most.
SENSITIVITIES = ("no_web", "restricted", "normal")


class StageState(StrEnum):
    """Where a stage is in its life."""

    DRAFT = "draft"
    READY = "ready"
    RUNNING = "running"
    HOLDING = "holding"
    PROMOTABLE = "promotable"
    PROMOTED = "promoted"
    ROLLED_BACK = "rolled_back"
    DISABLED = "disabled"


class Act(StrEnum):
    """What can happen to a stage."""

    MAKE_READY = "make_ready"
    START = "start"
    HOLD = "hold"
    RESUME = "resume"
    FIND_PROMOTABLE = "find_promotable"
    FIND_WANTING = "find_wanting"
    PROMOTE = "promote"
    ROLL_BACK = "roll_back"
    REOPEN = "reopen"
    DISABLE = "disable"
    ENABLE = "enable"


_S, _A = StageState, Act
MOVES: dict[tuple[StageState, Act], StageState] = {
    (_S.DRAFT, _A.MAKE_READY): _S.READY,
    (_S.READY, _A.START): _S.RUNNING,
    (_S.ROLLED_BACK, _A.START): _S.RUNNING,  # a new attempt; the old one stays
    (_S.RUNNING, _A.HOLD): _S.HOLDING,
    (_S.HOLDING, _A.HOLD): _S.HOLDING,  # a stronger hold replaces a weaker one
    (_S.PROMOTABLE, _A.HOLD): _S.HOLDING,
    (_S.HOLDING, _A.RESUME): _S.RUNNING,
    (_S.RUNNING, _A.FIND_PROMOTABLE): _S.PROMOTABLE,
    (_S.PROMOTABLE, _A.FIND_WANTING): _S.RUNNING,
    (_S.PROMOTABLE, _A.PROMOTE): _S.PROMOTED,
    (_S.RUNNING, _A.ROLL_BACK): _S.ROLLED_BACK,
    (_S.HOLDING, _A.ROLL_BACK): _S.ROLLED_BACK,
    (_S.PROMOTABLE, _A.ROLL_BACK): _S.ROLLED_BACK,
    (_S.PROMOTED, _A.REOPEN): _S.RUNNING,  # a later stage was rolled back
    (_S.DRAFT, _A.DISABLE): _S.DISABLED,
    (_S.READY, _A.DISABLE): _S.DISABLED,
    (_S.ROLLED_BACK, _A.DISABLE): _S.DISABLED,
    (_S.DISABLED, _A.ENABLE): _S.READY,
}


def after(state: StageState, act: Act) -> StageState:
    """The state that `act` leads to, or a refusal that says what is possible."""
    try:
        return MOVES[state, act]
    except KeyError:
        possible = [str(each) for found, each in MOVES if found == state]
        raise WrongMoment(
            f"A stage that is {state.replace('_', ' ')} cannot "
            f"{act.replace('_', ' ')}.",
            state=str(state),
            possible=possible,
        ) from None


class OnHardGateFailure(StrEnum):
    """What a confirmed failure of a hard gate means for the stage."""

    ROLL_BACK = "roll_back"
    COUNT = "count"


class RollbackTo(StrEnum):
    """Where a rollout goes when this stage is rolled back."""

    PREVIOUS = "previous"  # the last stage that was promoted; off if there is none
    OFF = "off"


@dataclass(frozen=True, slots=True, kw_only=True)
class StagePlan:
    """Who is admitted, with which caps, and what it takes to move on.

    `*` in a list admits everything. Times are in seconds, rates from 0 to 1. With
    `looks` the evidence is judged after so many runs, and at no other time; `restarts`
    says whether a further attempt goes on with the evidence or pays for every try.
    """

    query_classes: tuple[str, ...] = ()
    teams: tuple[str, ...] = ()
    modes: tuple[str, ...] = ()
    environments: tuple[str, ...] = (ANY,)
    sensitivity: str = "no_web"
    forces_no_web: bool = True
    caps: Mapping[str, int] = field(default_factory=dict)
    judged_gates: tuple[str, ...] = ("A", "B", "D", "E")
    on_hard_gate_failure: str = OnHardGateFailure.COUNT
    is_judged_by_person: bool = False
    promote_bar: float | None = None
    class_bar: float | None = None
    floor: float | None = None
    alpha_promote: float = 0.05
    alpha_rollback: float = 0.10
    max_runs: int = 300
    max_open_s: int = 7200
    confirm_after_s: int = 60
    coverage_steps: tuple[int, ...] = (100,)
    is_optional: bool = False
    promotes_by_itself: bool = False
    rollback_to: str = RollbackTo.PREVIOUS
    restarts: str = "continue"
    max_unknown: float = 0.20
    latency_budget_s: int | None = None
    looks: tuple[int, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """The plan as it is stored and compiled."""
        return {
            key: list(value) if isinstance(value, tuple) else value
            for key, value in asdict(self).items()
        }

    @classmethod
    def from_json(cls, raw: Mapping[str, Any]) -> "StagePlan":
        """The plan from its stored form; `Invalid` says what it must not say."""
        fields: dict[str, Any] = {
            name: tuple(raw[name]) if isinstance(raw[name], list) else raw[name]
            for name in cls.__dataclass_fields__
            if name in raw
        }
        plan = cls(**fields)
        plan.check()
        return plan

    def check(self) -> None:
        """Refuse a plan that contradicts itself."""
        errors = [
            {"pointer": pointer, "detail": trouble}
            for pointer, holds, trouble in self._requirements()
            if not holds
        ]
        if errors:
            raise Invalid(
                "This plan contradicts itself.", code="PLAN_INVALID", errors=errors
            )

    def _requirements(self) -> list[tuple[str, bool, str]]:
        """Pointers into the plan, whether all is well there, and what if not."""
        rates = {
            "promote_bar": self.promote_bar,
            "class_bar": self.class_bar,
            "floor": self.floor,
            "alpha_promote": self.alpha_promote,
            "alpha_rollback": self.alpha_rollback,
            "max_unknown": self.max_unknown,
        }
        is_floor_below = (
            self.floor is None
            or self.promote_bar is None
            or self.floor < self.promote_bar
        )
        return [
            *(
                (
                    f"/{name}",
                    rate is None or 0 < rate < 1,
                    f"is between 0 and 1; {rate} is not",
                )
                for name, rate in rates.items()
            ),
            *(
                (
                    f"/caps/{key}",
                    _is_count(cap),
                    f"is a whole number from 1; {cap} is not",
                )
                for key, cap in self.caps.items()
            ),
            *(
                (
                    f"/{name}",
                    _is_count(number),
                    f"is a whole number from 1; {number} is not",
                )
                for name, number in {
                    "max_runs": self.max_runs,
                    "max_open_s": self.max_open_s,
                    "confirm_after_s": self.confirm_after_s,
                    "latency_budget_s": self.latency_budget_s or 1,
                }.items()
            ),
            (
                "/modes",
                set(self.modes) <= {*MODES, ANY},
                f"modes are {', '.join(MODES)}",
            ),
            (
                "/sensitivity",
                self.sensitivity in SENSITIVITIES,
                f"is one of {', '.join(SENSITIVITIES)}",
            ),
            (
                "/forces_no_web",
                self.forces_no_web == (self.sensitivity == "no_web"),
                "goes with the sensitivity no_web, and with no other",
            ),
            (
                "/judged_gates",
                set(self.judged_gates) <= set(GATE_LETTERS),
                "gates are A to F",
            ),
            (
                "/judged_gates",
                not (self.forces_no_web and "C" in self.judged_gates),
                "without the web gate C passes by construction",
            ),
            (
                "/floor",
                is_floor_below,
                f"is below the bar; {self.floor} is not below {self.promote_bar}",
            ),
            (
                "/on_hard_gate_failure",
                self.on_hard_gate_failure in set(OnHardGateFailure),
                f"is one of {', '.join(OnHardGateFailure)}",
            ),
            (
                "/rollback_to",
                self.rollback_to in set(RollbackTo),
                f"is one of {', '.join(RollbackTo)}",
            ),
            (
                "/restarts",
                self.restarts in ("continue", "spend"),
                "is one of continue, spend",
            ),
            (
                "/looks",
                all(map(_is_count, self.looks))
                and list(self.looks) == sorted(set(self.looks)),
                "are rising numbers of runs",
            ),
            (
                "/promotes_by_itself",
                not (self.promotes_by_itself and self.is_judged_by_person),
                "a stage that a person judges is promoted by a person",
            ),
            (
                "/coverage_steps",
                bool(self.coverage_steps)
                and all(0 < step <= 100 for step in self.coverage_steps)
                and list(self.coverage_steps) == sorted(set(self.coverage_steps)),
                "are rising percentages above 0",
            ),
        ]

    def forced_values(self) -> dict[str, bool | int]:
        """Flag values that the stage insists on; the stricter wins against them."""
        forced: dict[str, bool | int] = dict(self.caps)
        if self.forces_no_web:
            forced[NO_WEB] = True
        return forced

    def not_admitted(self, asked: Mapping[str, str | None]) -> list[dict[str, Any]]:
        """In which respects a context is not admitted: asked, and what would be.

        `asked` has the keys mode, team, query_class, environment and sensitivity.
        """
        lists = {
            "mode": self.modes,
            "team": self.teams,
            "query_class": self.query_classes,
            "environment": self.environments,
        }
        found = [
            {"respect": name, "asked": asked.get(name), "admitted": list(admitted)}
            for name, admitted in lists.items()
            if ANY not in admitted and asked.get(name) not in admitted
        ]
        wanted = asked.get("sensitivity")
        highest = SENSITIVITIES.index(self.sensitivity)
        if wanted is not None and (
            wanted not in SENSITIVITIES or SENSITIVITIES.index(wanted) > highest
        ):
            admitted = list(SENSITIVITIES[: highest + 1])
            found.append(
                {"respect": "sensitivity", "asked": wanted, "admitted": admitted}
            )
        return found


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 1


EVERYBODY = 100  # percent


def check_widening(
    state: str,
    plan: StagePlan,
    *,
    before: float,
    wanted: float,
    is_last: bool = False,
) -> None:
    """Refuse a wider coverage, in percent, that nothing speaks for.

    A stage that is held or left behind is not widened; one that is open and has a bar
    widens step by step, each when its evidence has shown the bar. The last step of the
    last stage is general availability, which is an act of its own.
    """
    if is_last and wanted >= EVERYBODY:
        raise WrongMoment(
            "The last stage is opened for everybody by general availability: with the "
            "release gate signed, by two people.",
            code="GENERAL_AVAILABILITY",
            state=str(state),
            possible=["request general availability"],
        )
    if state in (StageState.HOLDING, StageState.PROMOTED):
        raise WrongMoment(
            f"A stage that is {state} is not widened.",
            code="STAGE_NOT_WIDENED",
            state=str(state),
            possible=["resume"] if state == StageState.HOLDING else [],
        )
    steps = plan.coverage_steps
    if not plan.promote_bar or wanted <= steps[0]:
        return
    if state == StageState.RUNNING:
        raise WrongMoment(
            f"The evidence of this stage has not shown {plan.promote_bar:.0%} yet; "
            "it widens when it is promotable.",
            code="STAGE_NOT_PROVEN",
            state=str(state),
            possible=["hold"],
        )
    # A stage that is not open begins with its first step, whatever stands there now.
    next_step = min((step for step in steps if step > before), default=before)
    if state == StageState.PROMOTABLE and wanted > next_step:
        raise WrongMoment(
            f"The coverage goes from {before:g} % to {next_step:g} % next, as the plan "
            f"says; {wanted:g} % would pass over a step.",
            code="STEP_PASSED_OVER",
            state=str(state),
            possible=["widen by one step"],
        )
