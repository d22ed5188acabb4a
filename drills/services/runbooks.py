"""Runbooks: what ships, and how two people change them."""

from typing import Any

from django.db import transaction

from drills.domain import baseline_runbooks as baseline
from drills.domain import matrix, runbooks
from drills.domain.runbooks import Runbook
from drills.domain.verbs import Verb
from drills.models import MatrixRow, OperatorRunbook
from portal.domain.roles import May
from portal.errors import Invalid, NotFound, WrongMoment
from portal.models import Actor, Approval
from portal.services.access import require
from portal.services.approvals import Approvable, request
from portal.services.ledger import record

CHANGE_RUNBOOK = "drills.runbook.change"
RETIRE_RUNBOOK = "drills.runbook.retire"


@transaction.atomic
def seed(*, by: Actor, reason: str) -> list[str]:
    """Make the runbooks that ship; what is there, or was retired, stays as it is."""
    require(by, May.MANAGE_ACCESS)
    known = set(OperatorRunbook.objects.values_list("key", flat=True))
    made = []
    for key, ships in baseline.RUNBOOKS.items():
        if key not in known:
            runbook = OperatorRunbook(key=key, version=1, is_live=True)
            runbook.say(ships)
            runbook.save_as(by, reason=reason)
            record(
                Verb.RUNBOOK_CREATED,
                runbook,
                by=by,
                reason=reason,
                says=ships.to_json(),
            )
            made.append(f"runbook {key}")
    return made


def find(key: str) -> OperatorRunbook:
    """The runbook of that key, or a refusal."""
    found = OperatorRunbook.objects.filter(key=key).first()
    if found is None:
        raise NotFound(f"There is no runbook {key!r}.")
    return found


def for_row(row: str) -> list[OperatorRunbook]:
    """The runbooks in use for a row of the matrix."""
    found = OperatorRunbook.objects.filter(is_live=True, rows__contains=[row])
    return list(found)


def for_scenario(scenario: str) -> list[OperatorRunbook]:
    """The runbooks in use that a scenario of drills practises."""
    found = OperatorRunbook.objects.filter(is_live=True, scenarios__contains=[scenario])
    return list(found)


@transaction.atomic
def propose(key: str, says: dict[str, Any], *, by: Actor, reason: str) -> Approval:
    """Ask for a new runbook, or for another wording; somebody else approves it."""
    matrix.check_key(key)
    wanted = runbooks.read(says)
    require(by, May.PROPOSE_CHANGE)
    _check_rows(wanted)
    found = OperatorRunbook.objects.select_for_update(no_key=True).filter(key=key)
    runbook = found.first()
    if runbook is None:
        runbook = OperatorRunbook(key=key)
        runbook.say(wanted)
        runbook.save_as(by, reason=reason)
        record(
            Verb.RUNBOOK_CREATED, runbook, by=by, reason=reason, says=wanted.to_json()
        )
    elif runbook.is_live and runbook.runbook == wanted:
        raise WrongMoment(
            "The runbook says that already.", possible=["another wording"]
        )
    return request(
        CHANGE_RUNBOOK,
        runbook.pk,
        by=by,
        reason=reason,
        payload={"runbook": wanted.to_json()},
    )


def propose_retirement(key: str, *, by: Actor, reason: str) -> Approval:
    """Ask for a runbook to be offered no more; somebody else approves it."""
    runbook = find(key)
    if not runbook.is_live:
        raise WrongMoment(f"The runbook {key} is not in use.", possible=[])
    return request(RETIRE_RUNBOOK, runbook.pk, by=by, reason=reason)


def _check_rows(wanted: Runbook) -> None:
    """Refuse rows that the matrix does not have."""
    known = set(
        MatrixRow.objects.filter(key__in=wanted.rows).values_list("key", flat=True)
    )
    unknown = [n for n, key in enumerate(wanted.rows) if key not in known]
    if unknown:
        raise Invalid(
            f"The matrix has no row {wanted.rows[unknown[0]]!r}.",
            errors=[
                {"pointer": f"/rows/{number}", "detail": "is no row of the matrix"}
                for number in unknown
            ],
        )


def _locked(runbook_id: str) -> OperatorRunbook:
    rows = OperatorRunbook.objects.select_for_update(no_key=True)
    found = rows.filter(pk=runbook_id).first()
    if found is None:
        raise NotFound(f"There is no runbook {runbook_id}.")
    return found


def _base(runbook: OperatorRunbook) -> dict[str, object]:
    return {"version": runbook.version, "is_live": runbook.is_live}


def _check(runbook: OperatorRunbook, payload: dict[str, Any]) -> None:
    _check_rows(runbooks.read(payload["runbook"]))


def _apply(
    runbook: OperatorRunbook, payload: dict[str, Any], *, by: Actor, reason: str
) -> None:
    before = runbook.runbook.to_json() if runbook.version else None
    runbook.say(runbooks.read(payload["runbook"]))
    runbook.version += 1
    runbook.is_live = True
    runbook.save_as(by, reason=reason)
    record(
        Verb.RUNBOOK_CHANGED,
        runbook,
        by=by,
        reason=reason,
        version=runbook.version,
        before=before,
        after=runbook.runbook.to_json(),
    )


def _retire(
    runbook: OperatorRunbook, payload: dict[str, Any], *, by: Actor, reason: str
) -> None:
    runbook.version += 1
    runbook.is_live = False
    runbook.save_as(by, reason=reason)
    record(Verb.RUNBOOK_RETIRED, runbook, by=by, reason=reason, version=runbook.version)


change = Approvable(
    act=CHANGE_RUNBOOK,
    title="Change a runbook",
    ask=May.PROPOSE_CHANGE,
    confirm=May.APPROVE_CHANGE,
    subject=_locked,
    base=_base,
    check=_check,
    apply=_apply,
)
retire = Approvable(
    act=RETIRE_RUNBOOK,
    title="Retire a runbook",
    ask=May.PROPOSE_CHANGE,
    confirm=May.APPROVE_CHANGE,
    subject=_locked,
    base=_base,
    apply=_retire,
)
