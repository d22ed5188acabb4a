"""Whether a drill counts, until when, and whether a stage has what it needs."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from django.conf import settings
from django.db.models import QuerySet

from drills.domain import drills as domain
from drills.domain.drills import (
    COUNTS,
    VALID_FOR,
    Facts,
    Moment,
    State,
    Terms,
    Validity,
)
from drills.domain.scenarios import PLANS, Scenario
from drills.models import Drill, DrillCapture
from drills.services import twins
from portal import clock
from portal.services.reading import read_once
from rollout.domain.readiness import Check, Light
from rollout.models import Stage
from rollout.services import scans

NAME = "Drills fresh"
MOST_LOOKED_AT = 5  # of the drills of a scenario that passed, the newest


@dataclass(frozen=True, slots=True)
class Looked:
    """What a drill has captured, in the order of capturing, and what that comes to."""

    captures: list[DrillCapture]
    facts: Facts


@dataclass(frozen=True, slots=True)
class Standing:
    """What the drills of a scenario say about a stage; `drill` is the best of them."""

    scenario: Scenario
    drill: Drill | None
    validity: Validity
    says: str
    until: datetime | None = None
    looked: Looked | None = None  # where there is a drill

    @property
    def counts(self) -> bool:
        """Whether the scenario needs no drill now."""
        return self.validity in COUNTS


def facts_of(drill: Drill) -> Facts:
    """What decides whether a drill counts, as it is now."""
    return _looked_at([drill])[drill.pk].facts


def _looked_at(found: Iterable[Drill]) -> dict[int, Looked]:
    """By drill, in three queries for however many."""
    taken: dict[int, list[DrillCapture]] = {drill.pk: [] for drill in found}
    if not taken:
        return {}
    for each in DrillCapture.objects.filter(drill__in=taken).order_by("pk"):
        taken[each.drill_id].append(each)
    read = scans.standings(each.digest for rows in taken.values() for each in rows)
    return {
        drill.pk: Looked(taken[drill.pk], facts_from(drill, taken[drill.pk], read))
        for drill in found
    }


def facts_from(
    drill: Drill, taken: Collection[DrillCapture], read: Mapping[str, scans.Standing]
) -> Facts:
    """The same from what is at hand: its captures, and what contents count as now."""
    digests = {each.digest for each in taken}
    is_read = digests <= read.keys()
    whole = [each.moment for each in taken if not each.trouble]
    moments = set(whole)
    is_both = Moment.UPLOADED in moments or moments >= {Moment.BEFORE, Moment.AFTER}
    return Facts(
        state=State(drill.state),
        ended_at=drill.ended_at,
        is_observed=drill.observer_id is not None,
        captured=len(whole) if is_both else 0,
        scan=domain.worst([read[digest].verdict for digest in digests])
        if is_read
        else None,
        fingerprint=drill.fingerprint,
        environment=drill.environment,
    )


def terms_of(stage: Stage) -> Terms:
    """Under which circumstances a drill for this stage has to count now."""
    return Terms(clock.now(), twins.fingerprint_of(stage), settings.ENVIRONMENT)


def validity_of(drill: Drill) -> tuple[Validity, str]:
    """What a drill says about today, and why."""
    return domain.validity(facts_of(drill), terms_of(drill.stage))


@read_once
def of_stage(stage: Stage) -> list[Standing]:
    """What the drills of each scenario say about a stage.

    The newest one that passed decides, if it counts; else the best of the newest few.
    """
    passed = Drill.objects.filter(stage=stage, state=State.PASSED)
    newest = passed.order_by("scenario", "-ended_at").distinct("scenario")
    by_scenario = {Scenario(each.scenario): each for each in newest}
    looked_at = _looked_at(by_scenario.values())
    terms = terms_of(stage)
    found = []
    for scenario in Scenario:
        drill = by_scenario.get(scenario)
        if drill is None:
            nothing = (Validity.NOT_COUNTED, "no drill has passed")
            found.append(Standing(scenario, None, *nothing))
            continue
        best = _standing_of(drill, looked_at[drill.pk], terms)
        if not best.counts:
            best = _best(best, passed.filter(scenario=scenario), terms)
        found.append(best)
    return found


def _best(newest: Standing, passed: QuerySet[Drill], terms: Terms) -> Standing:
    """The best of the newest few drills of a scenario; the newer of equal ones."""
    older = list(passed.order_by("-ended_at")[1:MOST_LOOKED_AT])
    looked_at = _looked_at(older)
    others = [_standing_of(drill, looked_at[drill.pk], terms) for drill in older]
    return min([newest, *others], key=lambda each: _ORDER[each.validity])


def _standing_of(drill: Drill, looked: Looked, terms: Terms) -> Standing:
    validity, says = domain.validity(looked.facts, terms)
    until = domain.counts_until(looked.facts)
    return Standing(Scenario(drill.scenario), drill, validity, says, until, looked)


_ORDER = {validity: number for number, validity in enumerate(Validity)}


def drills_fresh(stage: Stage) -> Check:
    """Every scenario was practised on the stage's configuration, and observed."""
    found = of_stage(stage)
    lacking = [each for each in found if not each.counts]
    until = min((each.until for each in found if each.until), default=None)
    if lacking:
        first = lacking[0]
        more = f", and {len(lacking) - 1} more scenarios" if lacking[1:] else ""
        drill = f" (drill {first.drill.pk})" if first.drill else ""
        return Check(
            name=NAME,
            light=Light.RED,
            says=f"{PLANS[first.scenario].title}{drill}: {first.says}{more}",
            remedy=_remedy(first),
            link=_link(first),
        )
    soon = [each for each in found if each.validity == Validity.DUE_SOON]
    return Check(
        name=NAME,
        light=Light.AMBER if soon else Light.GREEN,
        says=f"all {len(found)} scenarios were practised within {VALID_FOR.days} days",
        expires_at=until,
        remedy=_remedy(soon[0]) if soon else "",
        link=f"/admin/drills/drill/act/{soon[0].scenario}/" if soon else "",
    )


def _waits_for_observer(standing: Standing) -> bool:
    return standing.looked is not None and (
        domain.lacking(standing.looked.facts) == [domain.NO_OBSERVER]
    )


def _remedy(standing: Standing) -> str:
    if _waits_for_observer(standing):
        return "Confirm the drill as its observer"
    return f"Start the drill: {PLANS[standing.scenario].title}"


def _link(standing: Standing) -> str:
    if standing.drill is not None and _waits_for_observer(standing):
        return f"/admin/drills/drill/{standing.drill.pk}/change/"
    return f"/admin/drills/drill/act/{standing.scenario}/"
