"""A judgement as it is kept: with all that it was computed from, under one digest.

A past evaluation is computed again from what it holds (`differences`), by the rule that
made it. Another rule, or other criteria, can be tried on the same facts: on a past
rollout, or in the shadow of the live evaluation.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from math import isclose
from typing import Any

from portal.domain.canonical import digest_of
from portal.errors import NotFound
from rollout.domain.canary import Facts, judge
from rollout.domain.criteria import Criteria
from rollout.domain.evidence import RunFacts
from rollout.domain.judgements import Judgement, spelled
from rollout.domain.promotion import RULES, Rule, live_rule
from rollout.domain.sample_ratio import SampleRatio

FORMAT = 1
# Computed numbers are kept with six digits; the last may be the machine's own.
COMPUTED = {"log_e", "log_max", "lower", "upper"}
_LAST_DIGIT = 1e-5


class Mode(StrEnum):
    """What an evaluation is for; only a live one moves a stage."""

    LIVE = "live"
    SHADOW = "shadow"  # beside the live one, by a rule that is tried
    RETROSPECTIVE = "retrospective"  # of the facts of a past one


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """One judgement of a stage's evidence, its criteria and its facts."""

    stage: str
    mode: Mode
    criteria: Criteria
    facts: Facts
    judgement: Judgement

    @property
    def digest(self) -> str:
        """The digest of all of it."""
        return digest_of(self.to_json())

    def to_json(self) -> dict[str, Any]:
        """The evaluation as it is stored."""
        return {
            "format": FORMAT,
            "stage": self.stage,
            "mode": str(self.mode),
            "criteria": self.criteria.to_json(),
            "facts": facts_to_json(self.facts),
            "judgement": self.judgement.to_json(),
            "sentence": self.judgement.sentence,
        }

    @classmethod
    def from_json(cls, raw: Mapping[str, Any]) -> "Evaluation":
        """The evaluation from its stored form, as it was judged then."""
        return cls(
            stage=raw["stage"],
            mode=Mode(raw["mode"]),
            criteria=Criteria.from_json(raw["criteria"]),
            facts=facts_from_json(raw["facts"]),
            judgement=Judgement.from_json(raw["judgement"]),
        )

    def differences(self) -> list[str]:
        """Where computing it again from its facts gives something else; JSON Pointers.

        A digest says that what was stored is what was written; this says that what was
        written is true.
        """
        rule = rule_of(self.judgement.rule)
        again = judge(self.facts, self.criteria, rule)
        return list(_different("", self.judgement.to_json(), again.to_json()))


def evaluate(
    stage: str, facts: Facts, criteria: Criteria, *, shadows: Iterable[Rule] = ()
) -> list[Evaluation]:
    """The live evaluation, by the rule that the plan asks for, and its shadows."""
    rules = [
        (Mode.LIVE, live_rule(criteria)),
        *((Mode.SHADOW, rule) for rule in shadows),
    ]
    return [
        Evaluation(
            stage=stage,
            mode=mode,
            criteria=criteria,
            facts=facts,
            judgement=judge(facts, criteria, rule),
        )
        for mode, rule in rules
    ]


def tried(past: Evaluation, rule: Rule, criteria: Criteria | None = None) -> Evaluation:
    """What a rule, perhaps with other criteria, would have said of the same facts."""
    criteria = criteria or past.criteria
    return Evaluation(
        stage=past.stage,
        mode=Mode.RETROSPECTIVE,
        criteria=criteria,
        facts=past.facts,
        judgement=judge(past.facts, criteria, rule),
    )


def rule_of(version: str) -> Rule:
    """The rule of this version; all that were ever live are known."""
    try:
        return RULES[version]
    except KeyError:
        raise NotFound(f"There is no rule {version}.", known=sorted(RULES)) from None


def facts_to_json(facts: Facts) -> dict[str, Any]:
    """The facts as they are kept."""
    return {
        "runs": [
            run.to_json() for run in sorted(facts.runs, key=lambda run: run.place)
        ],
        "now": facts.now.isoformat(),
        "fingerprint": facts.fingerprint,
        "attempt": facts.attempt,
        "ratio": facts.ratio and _ratio_to_json(facts.ratio),
        "rollbacks": list(facts.rollbacks),
        "holds": list(facts.holds),
        "missing": list(facts.missing),
    }


def facts_from_json(raw: Mapping[str, Any]) -> Facts:
    """The facts from their kept form."""
    return Facts(
        runs=tuple(map(RunFacts.from_json, raw["runs"])),
        now=datetime.fromisoformat(raw["now"]),
        fingerprint=raw["fingerprint"],
        attempt=raw["attempt"],
        ratio=raw["ratio"] and _ratio_from_json(raw["ratio"]),
        rollbacks=tuple(raw["rollbacks"]),
        holds=tuple(raw["holds"]),
        missing=tuple(raw["missing"]),
    )


def _ratio_to_json(ratio: SampleRatio) -> dict[str, Any]:
    return {
        "target": ratio.target,
        "inside": ratio.inside,
        "outside": ratio.outside,
        "log_before": spelled(ratio.log_before),
        "log_e": spelled(ratio.log_e),
        "log_max": spelled(ratio.log_max),
    }


def _ratio_from_json(raw: Mapping[str, Any]) -> SampleRatio:
    computed = {name: float(raw[name]) for name in ("log_before", "log_e", "log_max")}
    return SampleRatio(**{**raw, **computed})


def _different(pointer: str, kept: Any, again: Any) -> Iterable[str]:
    if isinstance(kept, dict) and isinstance(again, dict):
        for key in sorted({*kept, *again}):
            yield from _different(f"{pointer}/{key}", kept.get(key), again.get(key))
    elif isinstance(kept, list) and isinstance(again, list) and len(kept) == len(again):
        for index, (one, other) in enumerate(zip(kept, again, strict=True)):
            yield from _different(f"{pointer}/{index}", one, other)
    elif pointer.rpartition("/")[2] in COMPUTED:
        if not isclose(
            float(kept), float(again), rel_tol=_LAST_DIGIT, abs_tol=_LAST_DIGIT
        ):
            yield pointer
    elif kept != again:
        yield pointer
