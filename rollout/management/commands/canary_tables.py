"""`manage.py canary_tables`: what the statistics ask, and how often they err."""

from collections.abc import Mapping, Sequence
from typing import Any

from portal.commands import PortalCommand
from rollout.domain.boundary import (
    NONE,
    chance_of_promotion,
    failures_allowed,
    failures_that_roll_back,
    first_all_pass,
)

ALPHA = 0.05
BARS = (0.70, 0.80, 0.85, 0.90, 0.95, 0.98)
RUNS = (50, 100, 200, 300)
FLOORS = (0.75, 0.80, 0.85)
ROLLBACK_ALPHAS = (0.05, 0.10, 0.20)
ROLLBACK_RUNS = (10, 20, 50)


class Command(PortalCommand):
    help = (
        "Compute from the code in use: how many runs promote, how many failures are "
        "forgiven, how often a system exactly at its bar is promoted, and what rolls "
        "back."
    )

    def carry_out(self, **_: Any) -> None:
        allowed = {
            bar: failures_allowed(bar, alpha=ALPHA, runs=RUNS[-1]) for bar in BARS
        }
        first = {_key(bar): first_all_pass(bar, alpha=ALPHA) for bar in BARS}
        forgiven = {
            _key(bar): {str(n): None if most[n] == NONE else most[n] for n in RUNS}
            for bar, most in allowed.items()
        }
        errors = {
            _key(bar): round(chance_of_promotion(bar, most), 6)
            for bar, most in allowed.items()
        }
        fewest = {
            _key(floor): {
                _key(alpha): {
                    str(n): failures_that_roll_back(floor, alpha=alpha, runs=n)
                    for n in ROLLBACK_RUNS
                }
                for alpha in ROLLBACK_ALPHAS
            }
            for floor in FLOORS
        }
        self.say(
            "\n".join(_in_words(first, forgiven, errors, fewest)),
            alpha_promote=ALPHA,
            first_all_pass=first,
            failures_allowed=forgiven,
            false_promotion=errors,
            rollback_min_failures=fewest,
        )


def _key(rate: float) -> str:
    return f"{rate:.2f}"


def _in_words(
    first: Mapping[str, int],
    forgiven: Mapping[str, Mapping[str, int | None]],
    errors: Mapping[str, float],
    fewest: Mapping[str, Mapping[str, Mapping[str, int | None]]],
) -> list[str]:
    return [
        f"Promotion at {ALPHA} error, looking after every run. First run that promotes "
        f"if all pass;",
        f"failures forgiven; chance that a system exactly at the bar is promoted by "
        f"{RUNS[-1]} runs.",
        "",
        _row("bar", ["first", *(f"n={n}" for n in RUNS), "error"]),
        *(
            _row(bar, [n, *forgiven[bar].values(), f"{errors[bar]:.3f}"])
            for bar, n in first.items()
        ),
        "",
        "Rollback: the fewest failures that do it, of one gate in one class.",
        "",
        _row("floor", ["error", *(f"n={n}" for n in ROLLBACK_RUNS)]),
        *(
            _row(floor, [alpha, *by_runs.values()])
            for floor, by_alpha in fewest.items()
            for alpha, by_runs in by_alpha.items()
        ),
    ]


def _row(head: str, cells: Sequence[object]) -> str:
    return f"{head:<6}" + "".join(
        f"{'-' if cell is None else cell!s:>7}" for cell in cells
    )
