"""The response matrix: what ships, what matches, and how two people change it."""

from functools import lru_cache
from typing import Any

from django.db import transaction

from drills.domain import baseline
from drills.domain import matrix as domain
from drills.domain.matrix import Index, Row
from drills.domain.signs import Origin
from drills.domain.verbs import Verb
from drills.models import MatrixRow
from portal.domain.roles import May
from portal.errors import NotFound, WrongMoment
from portal.models import Actor, Approval
from portal.services.access import require
from portal.services.approvals import Approvable, request
from portal.services.ledger import record

CHANGE_ROW = "drills.matrix_row.change"
RETIRE_ROW = "drills.matrix_row.retire"


@transaction.atomic
def seed(*, by: Actor, reason: str) -> list[str]:
    """Make the rows that ship; what is there, or was retired, stays as it is."""
    require(by, May.MANAGE_ACCESS)
    known = set(MatrixRow.objects.values_list("key", flat=True))
    made = []
    for key, ships in baseline.ROWS.items():
        if key not in known:
            row = MatrixRow(key=key, version=1, is_live=True)
            row.say(ships)
            row.save_as(by, reason=reason)
            record(
                Verb.MATRIX_ROW_CREATED, row, by=by, reason=reason, says=ships.to_json()
            )
            made.append(key)
    return made


def match(origin: Origin) -> MatrixRow | None:
    """The row for a sign, as it is now."""
    latest = MatrixRow.history.order_by("-history_id").values_list("history_id")[:1]
    key = domain.match(_index(tuple(latest)), origin)
    return MatrixRow.objects.get(key=key) if key is not None else None


@lru_cache(maxsize=1)
def _index(version: object) -> Index:
    """The index of all rows; every change of a row has a version that is newer."""
    return domain.index(_live())


def _live(**replaced: Row) -> dict[str, Row]:
    found = {each.key: each.row for each in MatrixRow.objects.filter(is_live=True)}
    return found | replaced


def find(key: str) -> MatrixRow:
    """The row of that key, or a refusal."""
    found = MatrixRow.objects.filter(key=key).first()
    if found is None:
        raise NotFound(f"There is no row {key!r} in the matrix.")
    return found


@transaction.atomic
def propose(key: str, says: dict[str, Any], *, by: Actor, reason: str) -> Approval:
    """Ask for a new row, or for another wording of one; somebody else approves it."""
    domain.check_key(key)
    wanted = domain.read(says)
    require(by, May.PROPOSE_CHANGE)
    _lock_all()  # so that versions come one after the other, as `_index` needs it
    domain.index(_live(**{key: wanted}))
    row = MatrixRow.objects.filter(key=key).first()
    if row is None:
        row = MatrixRow(key=key)
        row.say(wanted)
        row.save_as(by, reason=reason)
        record(
            Verb.MATRIX_ROW_CREATED, row, by=by, reason=reason, says=wanted.to_json()
        )
    elif row.is_live and row.row == wanted:
        raise WrongMoment("The row says that already.", possible=["another wording"])
    return request(
        CHANGE_ROW, row.pk, by=by, reason=reason, payload={"row": wanted.to_json()}
    )


def propose_retirement(key: str, *, by: Actor, reason: str) -> Approval:
    """Ask for a row to match nothing any more; somebody else approves it."""
    row = find(key)
    if not row.is_live:
        raise WrongMoment(f"The row {key} matches nothing already.", possible=[])
    return request(RETIRE_ROW, row.pk, by=by, reason=reason)


def _lock_all() -> dict[str, MatrixRow]:
    """All rows by their ids, locked: no two of them ever claim the same sign."""
    rows = MatrixRow.objects.select_for_update(no_key=True).order_by("pk")
    return {str(row.pk): row for row in rows}


def _locked(row_id: str) -> MatrixRow:
    found = _lock_all()
    if row_id not in found:
        raise NotFound(f"There is no row {row_id} in the matrix.")
    return found[row_id]


def _base(row: MatrixRow) -> dict[str, object]:
    return {"version": row.version, "is_live": row.is_live}


def _check(row: MatrixRow, payload: dict[str, Any]) -> None:
    domain.index(_live(**{row.key: domain.read(payload["row"])}))


def _apply(row: MatrixRow, payload: dict[str, Any], *, by: Actor, reason: str) -> None:
    before = row.row.to_json() if row.version else None
    row.say(domain.read(payload["row"]))
    row.version += 1
    row.is_live = True
    row.save_as(by, reason=reason)
    record(
        Verb.MATRIX_ROW_CHANGED,
        row,
        by=by,
        reason=reason,
        version=row.version,
        before=before,
        after=row.row.to_json(),
    )


def _retire(row: MatrixRow, payload: dict[str, Any], *, by: Actor, reason: str) -> None:
    row.version += 1
    row.is_live = False
    row.save_as(by, reason=reason)
    record(Verb.MATRIX_ROW_RETIRED, row, by=by, reason=reason, version=row.version)


change = Approvable(
    act=CHANGE_ROW,
    title="Change a row of the matrix",
    ask=May.PROPOSE_CHANGE,
    confirm=May.APPROVE_CHANGE,
    subject=_locked,
    base=_base,
    check=_check,
    apply=_apply,
)
retire = Approvable(
    act=RETIRE_ROW,
    title="Retire a row of the matrix",
    ask=May.PROPOSE_CHANGE,
    confirm=May.APPROVE_CHANGE,
    subject=_locked,
    base=_base,
    apply=_retire,
)
