"""May the stage widen, has it to hold, or to go back? One judgement of its evidence.

Facts in, decision out. Promotion needs every claim proven: of every judged gate, in
every admitted class; so no correction for their number. A rollback needs the average of
the claims against it: also one gate in one class, if it is bad enough. In doubt the
stage stays where it is.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from rollout.domain.criteria import Criteria, Demand
from rollout.domain.eprocess import Claim, EProcess, threshold
from rollout.domain.evidence import (
    Outcome,
    RunFacts,
    alpha_of_try,
    in_start_order,
    ledger,
    outcome,
    settled_outcome,
    settled_prefix,
)
from rollout.domain.intervals import confidence_sequence
from rollout.domain.judgements import (
    PRECEDENCE,
    Alarm,
    Judgement,
    Proof,
    Suspicion,
    Verdict,
    furthest,
    percent,
    place,
)
from rollout.domain.promotion import Rule, live_rule
from rollout.domain.runs import RunKind
from rollout.domain.sample_ratio import SampleRatio
from rollout.domain.special import log_mean_exp
from rollout.domain.stages import ANY

KNOWN = (Outcome.PASS, Outcome.FAIL)
FEW = 10  # among fewer runs no share of unknown ones means anything


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """Everything that is judged: the runs of the stage, and what others say.

    `rollbacks` and `holds` are what triggers and people ask for, each a sentence;
    `missing` is what else a promotion needs and has not got (approvals, fresh drills,
    reviews of failures). `runs` may hold those of earlier attempts and of other
    fingerprints, in any order.
    """

    runs: Sequence[RunFacts]
    now: datetime
    fingerprint: str
    attempt: int
    ratio: SampleRatio | None = None
    rollbacks: Sequence[str] = ()
    holds: Sequence[str] = ()
    missing: Sequence[str] = ()


def judge(facts: Facts, criteria: Criteria, rule: Rule | None = None) -> Judgement:
    """Judge a stage's evidence by its criteria; a rule other than theirs is a trial."""
    rule = rule or live_rule(criteria)
    runs, tries = ledger(
        facts.runs,
        fingerprint=facts.fingerprint,
        attempt=facts.attempt,
        restarts=criteria.restarts,
    )
    alpha = alpha_of_try(criteria.alpha_promote, tries, criteria.restarts)
    settled = settled_prefix(runs, now=facts.now, max_open=criteria.max_open)
    # What comes after the last run that the plan waits for cannot promote any more.
    prefix = settled[: criteria.max_runs]
    proofs = tuple(
        _prove(demand, prefix, facts.now, criteria, alpha, rule)
        for demand in criteria.demands({run.query_class for run in prefix})
    )
    alarm = _suspect(facts, criteria)
    found = [
        *((Verdict.ROLL_BACK, why) for why in _rollbacks(facts, criteria, alarm)),
        *((Verdict.HOLD, why) for why in _holds(facts, criteria, proofs)),
        *_promotion(facts, criteria, proofs, len(prefix)),
    ]
    verdict = min((each for each, _ in found), key=PRECEDENCE.index)
    return Judgement(
        rule=rule.version,
        verdict=verdict,
        reasons=tuple(why for each, why in found if each == verdict),
        prefix=tuple(run.run_id for run in prefix),
        proofs=proofs,
        alarm=alarm,
    )


def said_by(
    prefix: Sequence[RunFacts],
    metric: str,
    query_class: str,
    now: datetime,
    criteria: Criteria,
) -> list[Outcome]:
    """What the runs of a prefix say of one gate in one class, in their order."""
    said = (
        settled_outcome(
            run,
            metric,
            now=now,
            max_open=criteria.max_open,
            latency_budget=criteria.latency_budget,
        )
        for run in prefix
        if query_class in (ANY, run.query_class)
    )
    return [each for each in said if each is not None]


def _prove(
    demand: Demand,
    prefix: Sequence[RunFacts],
    now: datetime,
    criteria: Criteria,
    alpha: float,
    rule: Rule,
) -> Proof:
    said = said_by(prefix, demand.metric, demand.query_class, now, criteria)
    # No data is never a pass: what is unknown counts as failed.
    row = [each == Outcome.PASS for each in said]
    process = EProcess(Claim.PROMOTE, demand.bar).after_all(row)
    proven_at = rule.proven_at(row, demand.bar, alpha, criteria)
    possible = confidence_sequence(process.passes, process.failures, alpha=alpha)
    return Proof(
        demand=demand,
        alpha=alpha,
        passes=said.count(Outcome.PASS),
        failures=said.count(Outcome.FAIL),
        unknown=said.count(Outcome.UNKNOWN),
        log_e=process.log_e,
        log_max=process.log_max,
        reached_at=process.reached_at,
        proven_at=proven_at,
        holds=rule.holds,
        possible=possible,
        is_taken_back=(
            rule.takes_back and proven_at is not None and possible.upper < demand.bar
        ),
    )


def _suspect(facts: Facts, criteria: Criteria) -> Alarm:
    """Average the current e-values of all guards after every run; keep the maximum.

    An average of e-values is one, so no further correction is due. Bonferroni's (one
    guard above guards/alpha) would be weaker: whenever it rejects, the average does.
    Every run of this attempt counts, open ones too, by what is known of it; what is
    unknown is absent. Earlier attempts were answered by their own rollbacks.
    """
    processes = {
        guard: EProcess(Claim.ROLL_BACK, guard.floor) for guard in criteria.guards()
    }
    log_e, log_max, reached_at = 0.0, 0.0, 0
    runs = in_start_order(facts.runs, fingerprint=facts.fingerprint)
    of_attempt = (run for run in runs if run.attempt == facts.attempt)
    for count, run in enumerate(of_attempt if processes else (), start=1):
        for guard, process in processes.items():
            said = outcome(
                run,
                guard.metric,
                now=facts.now,
                latency_budget=criteria.latency_budget,
            )
            if guard.query_class in (ANY, run.query_class) and said in KNOWN:
                processes[guard] = process.after(said == Outcome.PASS)
        log_e = log_mean_exp(each.log_e for each in processes.values())
        if log_e > log_max:
            log_max, reached_at = log_e, count
    return Alarm(
        suspicions=tuple(
            Suspicion(
                guard=guard,
                passes=process.passes,
                failures=process.failures,
                log_e=process.log_e,
            )
            for guard, process in processes.items()
        ),
        log_e=log_e,
        log_max=log_max,
        reached_at=reached_at,
    )


def _rollbacks(facts: Facts, criteria: Criteria, alarm: Alarm) -> list[str]:
    found = list(facts.rollbacks)
    if criteria.rolls_back_on_hard_failure:
        found += [
            f"Gate {gate} of {run.run_id} failed, and the plan goes back at the first."
            for run in sorted(facts.runs, key=lambda run: run.place)
            if run.attempt == facts.attempt and run.kind == RunKind.LIVE
            for gate, said in sorted(run.gates.items())
            if said == Outcome.FAIL
        ]
    if alarm.suspicions and alarm.log_max >= threshold(criteria.alpha_rollback):
        worst = max(alarm.suspicions, key=lambda each: each.log_e)
        where = place(worst.guard.metric, worst.guard.query_class)
        found.append(
            f"{where}: {worst.failures} of {worst.passes + worst.failures} failed; "
            f"less than {percent(worst.guard.floor)} pass, at "
            f"{percent(criteria.alpha_rollback)} error over all that is watched."
        )
    return found


def _holds(facts: Facts, criteria: Criteria, proofs: Sequence[Proof]) -> list[str]:
    found = list(facts.holds)
    if facts.ratio is not None and facts.ratio.is_alarm():
        found.append(
            "The share of units in the canary is not the one that its coverage says."
        )
    found += [
        f"{place(each.demand.metric, each.demand.query_class)}: {each.unknown} of "
        f"{each.runs} runs say nothing, and {percent(criteria.max_unknown)} may."
        for each in proofs
        if each.runs >= FEW and each.unknown > criteria.max_unknown * each.runs
    ]
    found += [each.sentence for each in proofs if each.is_taken_back]
    return found


def _promotion(
    facts: Facts, criteria: Criteria, proofs: Sequence[Proof], runs: int
) -> list[tuple[Verdict, str]]:
    # A plan that demands nothing has proven nothing.
    if proofs and all(each.is_proven for each in proofs):
        if facts.missing:
            return [(Verdict.AWAIT_APPROVAL, why) for why in facts.missing]
        return [(Verdict.PROMOTE, furthest(proofs).sentence)]
    if criteria.bar is None:
        lacking = "A person judges this stage."
    elif not proofs:
        lacking = "No run can be judged yet."
    else:
        lacking = furthest(proofs).sentence
    if runs >= criteria.max_runs:
        return [(Verdict.INCONCLUSIVE, f"All {runs} runs are in. {lacking}")]
    return [(Verdict.COLLECT, lacking)]
