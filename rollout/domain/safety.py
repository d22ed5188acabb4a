"""What is answered when less is known than usual: always towards safety."""

from dataclasses import replace

from rollout.domain import baseline
from rollout.domain.ofrep import DISABLED, Answer, Evaluator
from rollout.domain.snapshots import compile_snapshot, load
from rollout.domain.switch import SwitchState

NO_SNAPSHOT = "NO_SNAPSHOT"


def engaged(evaluator: Evaluator) -> Evaluator:
    """The same snapshot with its switch engaged; its epoch stays what it is."""
    content = evaluator.snapshot.content
    switch = {**content["switch"], "state": str(SwitchState.ENGAGED)}
    return Evaluator.of(load({**content, "switch": switch}), evaluator.basis.revision)


def safe_values() -> Evaluator:
    """The baseline's flags with nothing enabled, for whoever has no snapshot at all.

    Every answer is settled, so that no context can change it.
    """
    flags = [
        {"key": spec.key, "rules": [], **baseline.flag_row(spec)}
        for spec, _ in baseline.FLAGS
    ]
    content = compile_snapshot(
        rollout=baseline.ROLLOUT,
        fallback_workflow="standard",
        salt="",
        switch=SwitchState.ENGAGED,
        epoch=0,
        stages=[],
        flags=flags,
    )
    blind = Evaluator.of(load(content), 0)
    found = [blind.one(flag.spec.key, {}) for flag in blind.snapshot.flags]
    answers = tuple(
        answer._replace(reason=DISABLED, why=NO_SNAPSHOT)
        for answer in found
        if isinstance(answer, Answer)  # without rules none fails
    )
    return replace(blind, live={}, settled={False: answers, True: answers})
