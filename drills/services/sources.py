"""What the live sources say of each requirement of a release gate, now."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any

from django.db.models import Exists, Max, OuterRef, Q, prefetch_related_objects

from drills.domain import drills as practice
from drills.domain import release_gates as domain
from drills.domain import verification as checks
from drills.domain.drills import Moment
from drills.domain.incidents import ACTIVE, BLOCKING, Kind
from drills.domain.packs import Row, Waived
from drills.domain.release_gates import Reading, Requirement, Source
from drills.domain.scenarios import PLANS, Scenario
from drills.models import (
    Drill,
    Incident,
    ReleaseGate,
    VerificationResult,
    VerificationRun,
    Waiver,
)
from drills.services import captures, drills, standing, verification
from drills.services.standing import Standing
from portal import clock
from portal.domain.canonical import digest_of
from portal.services.reading import read_once
from rollout.domain.flags import ENABLED, without_credentials
from rollout.domain.judgements import Verdict
from rollout.domain.runs import RunKind
from rollout.domain.scanning import Verdict as ScanVerdict
from rollout.domain.stages import StagePlan
from rollout.domain.triggers import Action
from rollout.models import Artifact, Attempt, Evaluation, Scan, Stage
from rollout.services import configuration, evidence, scans, stages

CAPS = "_MAX_"  # what a flag that caps has in its name
BACK = (Action.ROLL_BACK, Action.SWITCH_OFF)
# An artifact is scanned within seconds of its arrival; until then nothing is missing.
SETTLING = timedelta(minutes=2)
MOST_NAMED = 100
_S = domain.State


@dataclass
class Sources:
    """The sources of a rollout, each read once, at one moment."""

    gate: ReleaseGate
    now: datetime

    @cached_property
    def rows(self) -> list[Row]:
        """Every requirement of the gate with what its source says."""
        waived = waivers_of(self.gate, at=self.now)
        return [
            Row(
                each,
                self.read(each),
                waived.get(each.key) if each.is_waivable else None,
            )
            for each in self.gate.gate.requirements
        ]

    @cached_property
    def configured(self) -> dict[str, Any]:
        """The configuration that counts now."""
        return configuration.read(self.gate.rollout)

    @cached_property
    def configured_at(self) -> datetime | None:
        """Since when it does."""
        changes = self.gate.rollout.changes.exclude(applied_at=None)
        newest = changes.order_by("-applied_at").values_list("applied_at", flat=True)
        return newest.first()

    @cached_property
    def stage(self) -> Stage:
        """The stage that is open, or else the first: drills and evidence are its."""
        return drills.stage_of(self.gate.rollout)

    @cached_property
    def attempt(self) -> Attempt | None:
        """Its attempt that goes on, if one does."""
        return stages.open_attempt(self.stage)

    @cached_property
    def standings(self) -> dict[Scenario, Standing]:
        """What the drills of each scenario say about the stage."""
        found = standing.of_stage(self.stage)
        drills = [each.drill for each in found if each.drill]
        prefetch_related_objects(drills, "conductor", "observer")
        return {each.scenario: each for each in found}

    @cached_property
    def verified(self) -> VerificationRun | None:
        """The newest verification run that has ended."""
        return verification.newest(self.gate.rollout)

    @cached_property
    def evaluation(self) -> Evaluation | None:
        """What was said last of the attempt."""
        return evidence.latest(self.attempt) if self.attempt else None

    @cached_property
    def failed(self) -> dict[str, int]:
        """By scenario, the last drill that has failed since the one that counts."""
        later = Q()
        for scenario, each in self.standings.items():
            if each.drill is not None:
                later |= Q(scenario=scenario, ended_at__gt=each.drill.ended_at)
        failed = Drill.objects.filter(stage=self.stage, state=practice.State.FAILED)
        newest = failed.filter(later).order_by().values("scenario")
        return dict(newest.annotate(last=Max("pk")).values_list("scenario", "last"))

    @cached_property
    def results(self) -> dict[str, VerificationResult]:
        """The checks of the newest verification run, by name."""
        found = self.verified.results.all() if self.verified else ()
        return {each.name: each for each in found}

    @cached_property
    def has_suite_changed(self) -> bool:
        """Whether the hosts have another verification file than that run had."""
        return verification.has_changed_since(self.verified)

    def read(self, requirement: Requirement) -> Reading:
        """What its source says of a requirement."""
        return _READ[requirement.source](self, requirement.of)


@read_once
def sources_of(gate: ReleaseGate) -> Sources:
    """The sources of a gate's rollout at this moment."""
    return Sources(gate, clock.now())


def rows_of(gate: ReleaseGate) -> list[Row]:
    """The evidence map of a gate, as it is now: every requirement with its reading."""
    return sources_of(gate).rows


def waivers_of(gate: ReleaseGate, *, at: datetime) -> dict[str, Waived]:
    """The waivers that count at a moment, by the requirement that they waive."""
    found = Waiver.objects.filter(gate=gate, ended_at=None, expires_at__gt=at)
    return {
        each.requirement: Waived(
            each.pk,
            each.reason,
            str(each.approval.requester),
            str(each.approval.decider),
            each.expires_at,
        )
        for each in found.select_related("approval__requester", "approval__decider")
    }


def _flags(sources: Sources, of: str) -> Reading:
    flags = without_credentials(sources.configured["flags"])
    caps = sorted(key for key in flags if CAPS in key)
    has_switch = ENABLED in flags
    digest = digest_of([sources.configured["flags"], sources.configured["segments"]])
    return Reading(
        state=_S.MET
        if has_switch and caps
        else _S.MISSING
        if not flags
        else _S.WANTING,
        says=f"{len(flags)} flags; {ENABLED if has_switch else 'nothing'} switches, "
        f"{len(caps)} cap",
        rests_on={"flags": digest},
        facts={"flags": sorted(flags), "caps": caps},
        since=sources.configured_at,
        link="/admin/rollout/flag/",
    )


def _plan(sources: Sources, of: str) -> Reading:
    plans = {key: each["plan"] for key, each in sources.configured["stages"].items()}
    named = " → ".join(plans)
    return Reading(
        state=_S.MET if plans else _S.MISSING,
        says=f"{len(plans)} stages: {named}" if plans else "there is no stage",
        rests_on={"plans": digest_of(plans)},
        since=sources.configured_at,
        link="/admin/rollout/stage/",
    )


def _triggers(sources: Sources, of: str) -> Reading:
    triggers = sources.configured["triggers"]
    back = sorted(
        key
        for key, each in triggers.items()
        if each["action"] in BACK and not each["is_dry_run"]
    )
    return Reading(
        state=_S.MET if back else _S.WANTING if triggers else _S.MISSING,
        says=f"{len(back)} of {len(triggers)} roll back or switch off"
        + (f": {', '.join(back)}" if back else ""),
        rests_on={"triggers": digest_of(triggers)},
        since=sources.configured_at,
        link="/admin/rollout/trigger/",
    )


def _drill(sources: Sources, of: str) -> Reading:
    found = sources.standings[Scenario(of)]
    drill = found.drill
    if drill is None:
        link = f"/admin/drills/drill/act/{of}/"
        return Reading(state=_S.MISSING, says=found.says, link=link)
    facts = found.looked.facts
    state, says = _S.MET if found.counts else _S.WANTING, found.says
    if facts.captured and facts.scan in (None, ScanVerdict.UNSCANNABLE):
        state = _S.UNSCANNED
    failed = sources.failed.get(found.scenario)
    if failed is not None:
        state, says = _S.WANTING, f"drill {failed} of it has failed since"
    return Reading(
        state=state,
        says=f"drill {drill.pk}: {says}",
        rests_on=_of_drill(found, scan=facts.scan, failed=failed),
        facts={
            "conductor": str(drill.conductor),
            "observer": str(drill.observer) if drill.observer else None,
            "environment": drill.environment,
        },
        since=drill.ended_at,
        expires_at=practice.counts_until(facts),
        link=f"/admin/drills/drill/{drill.pk}/change/",
    )


def _of_drill(found: Standing, **more: Any) -> dict[str, Any]:
    drill = found.drill
    kept = [[each.moment, each.path, each.digest] for each in found.looked.captures]
    return {
        "drill": drill.pk,
        "verdict": drill.state,
        "observer": drill.observer_id,
        "fingerprint": drill.fingerprint,
        "environment": drill.environment,
        "captures": digest_of(kept),
        **more,
    }


def _verification(sources: Sources, of: str) -> Reading:
    run = sources.verified
    if run is None:
        link = "/admin/drills/verificationrun/act/start/"
        return Reading(state=_S.MISSING, says="nothing was verified so far", link=link)
    result = sources.results.get(of)
    ended = run.verdict.finished_at
    link = f"/admin/drills/verificationrun/{run.pk}/change/"
    if result is None:
        says = f"run {run.pk} has no check {of}"
        return Reading(state=_S.MISSING, says=says, since=ended, link=link)
    state, says = _S.MET, f"run {run.pk} passed, exit {result.exit_code}"
    if result.outcome != checks.Outcome.PASSED:
        state, says = _S.WANTING, f"run {run.pk}: {result.outcome.replace('_', ' ')}"
    elif sources.has_suite_changed:
        state = _S.WANTING
        says = f"the verification file has changed since run {run.pk}"
    elif not checks.is_valid(ended, now=sources.now):
        state = _S.WANTING
        says = f"run {run.pk} is older than {checks.VALID_FOR.days} days"
    return Reading(
        state=state,
        says=says,
        rests_on={
            "run": run.pk,
            "suite": result.suite_digest,
            "outcome": result.outcome,
            "exit_code": result.exit_code,
            "transcript": result.transcript_digest,
        },
        facts={"sandbox": result.sandbox, "tools": result.tools},
        since=ended,
        expires_at=ended + checks.VALID_FOR,
        link=link,
    )


def _fallback(sources: Sources, of: str) -> Reading:
    """Documented: the rollout names its workflow; tested: a drill kept every byte."""
    workflow = sources.gate.rollout.fallback_workflow
    found = sources.standings[Scenario.HARD_GATE_FALLBACK]
    title = PLANS[Scenario.HARD_GATE_FALLBACK].title
    link = f"/admin/drills/drill/act/{Scenario.HARD_GATE_FALLBACK}/"
    if not workflow or found.drill is None:
        says = "no workflow is named" if not workflow else f"{title}: {found.says}"
        return Reading(state=_S.MISSING, says=says, link=link)
    drill = found.drill
    before = _captured(found, Moment.BEFORE)
    lost = sorted(path for path, _ in before - _captured(found, Moment.AFTER))
    state = _S.MET if found.counts and before and not lost else _S.WANTING
    says = f"to {workflow}; drill {drill.pk} kept {len(before)} artifacts"
    if lost:
        says = f"drill {drill.pk} lost or changed {', '.join(lost[:3])}"
    elif not before:
        says = f"drill {drill.pk} captured nothing before the fallback"
    elif not found.counts:
        says = f"drill {drill.pk}: {found.says}"
    return Reading(
        state=state,
        says=says,
        rests_on={"workflow": workflow, **_of_drill(found), "lost": lost},
        since=drill.ended_at,
        expires_at=found.until,
        link=f"/admin/drills/drill/{drill.pk}/change/",
    )


def _captured(found: Standing, moment: Moment) -> set[tuple[str, str]]:
    """What the run had written by then; its documents and inventory go on changing."""
    return {
        (each.path, each.digest)
        for each in found.looked.captures
        if each.moment == moment
        and not each.trouble
        and not captures.is_about(each.path)
    }


_PROVEN = (Verdict.PROMOTE, Verdict.AWAIT_APPROVAL)


def _evaluation(sources: Sources, of: str) -> Reading:
    """By its meaning: more runs that say the same change nothing."""
    stage, attempt = sources.stage, sources.attempt
    link = f"/admin/rollout/stage/{stage.pk}/change/"
    if attempt is None:
        says = f"{stage.name} is not open"
        return Reading(state=_S.MISSING, says=says, link=link)
    plan = StagePlan.from_json(stage.plan)
    rests_on = {"stage": stage.key, "attempt": attempt.number}
    if plan.is_judged_by_person or plan.promote_bar is None:
        return Reading(
            state=_S.MET,
            says=f"a person judges {stage.name}; there is no bar to reach",
            rests_on={**rests_on, "judged_by": "person"},
            since=attempt.started_at,
            link=link,
        )
    found = sources.evaluation
    if found is None:
        says = f"nothing was evaluated yet in {stage.name}"
        return Reading(state=_S.MISSING, says=says, rests_on=rests_on, link=link)
    current, _ = evidence.fingerprints(attempt)
    is_own = found.fingerprint == current
    is_proven = is_own and found.verdict in _PROVEN
    return Reading(
        state=_S.MET if is_proven else _S.WANTING,
        says=found.sentence if is_own else "it was judged under another configuration",
        rests_on={**rests_on, "fingerprint": current, "is_proven": is_proven},
        facts={
            "evaluation": found.digest,
            "number": found.number,
            "verdict": found.verdict,
            "rule": found.rule,
            "runs": found.judged_runs,
        },
        since=found.evaluated_at,
        link=f"/admin/rollout/evaluation/{found.pk}/change/",
    )


def serious(gate: ReleaseGate) -> Any:
    """The real incidents of severity 1 or 2 that a rollout has had, in their order."""
    return Incident.objects.filter(
        rollout_id=gate.rollout_id, kind=Kind.REAL, severity__in=BLOCKING
    ).order_by("pk")


def _incidents(sources: Sources, of: str) -> Reading:
    open_ones = list(serious(sources.gate).filter(is_over=False, state__in=ACTIVE)[:20])
    return Reading(
        state=_S.WANTING if open_ones else _S.MET,
        says="; ".join(f"incident {i.pk}: {i.title}" for i in open_ones)
        or "none of severity 1 or 2 is active",
        rests_on={"active": [each.pk for each in open_ones]},
        since=open_ones[0].opened_at if open_ones else None,
        link="/admin/drills/incident/",
    )


def _scans(sources: Sources, of: str) -> Reading:
    link = "/admin/rollout/scan/"
    if sources.attempt is None:
        says = f"{sources.stage.name} is not open: there are no runs"
        return Reading(state=_S.MET, says=says, rests_on={"not_clean": []}, link=link)
    kept = Artifact.objects.filter(
        run__attempt=sources.attempt, run__kind=RunKind.LIVE
    ).order_by()
    read = Scan.objects.filter(digest=OuterRef("digest"))
    late = kept.filter(~Exists(read), received_at__lt=sources.now - SETTLING)
    unread = late.values("digest").distinct().count()
    suspect = kept.filter(Exists(read.exclude(verdict=ScanVerdict.CLEAN)))
    digests = sorted(set(suspect.values_list("digest", flat=True)[:MOST_NAMED]))
    bad = sorted(
        digest
        for digest, each in scans.standings(digests).items()
        if each.verdict != ScanVerdict.CLEAN
    )
    says = "everything was read, and nothing found"
    if bad:
        says = f"{len(bad)} artifacts are not clean"
    if unread:
        says = f"{unread} artifacts were not scanned"
    return Reading(
        state=_S.UNSCANNED if unread else _S.WANTING if bad else _S.MET,
        says=says,
        rests_on={"not_clean": bad},
        facts={"unscanned": unread, "rules": scans.rules_version()},
        link=link,
    )


_READ: Mapping[Source, Callable[[Sources, str], Reading]] = {
    Source.FLAGS: _flags,
    Source.PLAN: _plan,
    Source.TRIGGERS: _triggers,
    Source.DRILL: _drill,
    Source.VERIFICATION: _verification,
    Source.FALLBACK: _fallback,
    Source.EVALUATION: _evaluation,
    Source.INCIDENTS: _incidents,
    Source.SCANS: _scans,
}
