"""The jobs of this app: thin, with ids in, and safe to run twice."""

from drills.services import (
    conducting,
    drills,
    lookout,
    opening,
    packs,
    reminders,
    schedules,
    sightings,
    signatures,
    verification,
)
from portal.domain.jobs import Queue
from portal.services import actors
from portal.services.jobs import define, held
from portal.services.schedule import every

define(sightings.TAKE_JOB, queue=Queue.SAFETY)
define(reminders.RING_JOB, queue=Queue.SAFETY)
define(verification.CARRY_OUT_JOB, queue=Queue.DRILLS, is_lasting=True)
define(verification.LOOK_JOB, queue=Queue.DRILLS)
every(verification.EVERY, verification.NAME, verification.ask_to_look)
define(drills.CONDUCT_JOB, queue=Queue.DRILLS, is_lasting=True)
define(schedules.DUE_JOB, queue=Queue.SAFETY)
define(packs.ASSEMBLE_JOB, queue=Queue.DRILLS, is_lasting=True)
define(signatures.LOOK_JOB, queue=Queue.SAFETY)
every(lookout.EVERY, lookout.NAME, lookout.sweep)
every(schedules.EVERY, schedules.NAME, schedules.sweep)
every(signatures.EVERY, signatures.NAME, signatures.sweep)


def take_signs(fingerprint: str) -> None:
    """Safe to run twice: a sign that was taken is not there any more."""
    opening.take_signs(
        fingerprint, by=actors.system(), reason="Something went wrong, by itself."
    )


def ring(timer_id: int) -> None:
    """Safe to run twice: a timer that has rung rings later, or was stopped."""
    reminders.ring(timer_id, by=actors.system(), reason="Its time has come.")


def carry_out_verification(run_id: int) -> None:
    """Safe to run twice: a check has one result, and a run one verdict."""
    verification.carry_out(run_id)


def look_at_verification_file() -> None:
    """Safe to run twice: it notes what is there now."""
    verification.look_at_file()


def conduct_drill(drill_id: int) -> None:
    """Safe to run twice: whoever comes second only puts back what was changed."""
    conducting.conduct(drill_id)


def meet_drill_schedule(schedule_id: int) -> None:
    """Safe to run twice: a schedule that was met is due again later."""
    schedules.meet(schedule_id, by=actors.system(), reason="It is due by its schedule.")


def assemble_pack(order_id: int) -> None:
    """Safe to run twice: an order has one pack, and files are found by their digest."""
    with held():
        packs.assemble(
            order_id, by=actors.system(), reason="Asked for; assembled by a worker."
        )


def look_at_signatures(gate_id: int) -> None:
    """Safe to run twice: a signature is found stale once."""
    signatures.look(gate_id, by=actors.system(), reason="Its evidence was looked at.")
