"""A run root in the agent's hands, and the questions that it puts to the portal."""

import asyncio
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import structlog

from rollout.agent.cli import Running
from rollout.agent.config import Installation
from rollout.agent.files import Moving, NoFile, read_document
from rollout.agent.portal import Portal, Said
from rollout.agent.state import RunRecord
from rollout.domain.runs import FINAL, RunStatus

MOST_CRASHES = 3  # in a row, before a run stays paused
OPTION_C, STANDARD, UNASKED = "option_c", "standard", "unasked"

log = structlog.get_logger(__name__)


@dataclass(slots=True, eq=False)
class Root:
    """A run root; one task acts on it, and whoever wants something of it wakes that.

    `urgent` is set while something is asked that cannot wait for a tick to end.
    """

    record: RunRecord
    path: Path
    reporting: asyncio.Lock = field(default_factory=asyncio.Lock)
    sending: asyncio.Lock = field(default_factory=asyncio.Lock)
    wake: asyncio.Event = field(default_factory=asyncio.Event)
    urgent: asyncio.Event = field(default_factory=asyncio.Event)
    directives: list[dict[str, Any]] = field(default_factory=list)
    is_ended_by_portal: bool = False
    running: Running | None = None
    inputs: int | None = None  # what a waiting run had when it began to wait
    is_blocked: bool = False  # by a gate: only other inputs make another tick worth it
    waits_until: float = 0.0
    attempts: int = 0
    problem: str = ""

    @property
    def run_id(self) -> str:
        """The run's name."""
        return self.record.run_id

    @property
    def is_open(self) -> bool:
        """Whether there may be something to do about it."""
        return self.record.status not in FINAL and not self.record.was_final

    @property
    def is_given_up(self) -> bool:
        """Whether its ticks came to nothing too often in a row."""
        return self.record.crashes >= MOST_CRASHES and self.is_open

    def ask(self, directives: list[dict[str, Any]]) -> None:
        """Something is asked of it."""
        self.directives = directives
        self.rouse()

    def rouse(self) -> None:
        """Something cannot wait."""
        self.urgent.set()
        self.wake.set()


def question(
    record: RunRecord, manifest: dict[str, Any], place: Installation
) -> dict[str, Any]:
    """What the portal is asked about a run, from its own documents."""
    query = manifest.get("query") or {}
    constraints = query.get("constraints") or {}
    try:
        _, config = read_document(Path(record.root) / "run-config.json")
    except (Moving, NoFile):
        config = {}
    effective = config.get("effective")
    effective = effective if isinstance(effective, dict) else {}
    known = {
        "run_id": record.run_id,
        "team": place.team,
        "environment": place.environment,
        "mode": manifest.get("mode"),
        "query_class": constraints.get("query_class") or place.query_class,
        "sensitivity": effective.get("sensitivity") or query.get("sensitivity"),
    }
    return {name: value for name, value in known.items() if isinstance(value, str)}


async def decide(
    portal: Portal, record: RunRecord, manifest: dict[str, Any], place: Installation
) -> None:
    """Have the portal decide for a new run root; in doubt it is the standard workflow.

    A run that had ended before it was found is only reported.
    """
    if manifest.get("status") in FINAL:
        record.workflow, record.was_final = UNASKED, True
        return
    asked = question(record, manifest, place)
    try:
        decision = await portal.decide(asked)
        record.asked = asked
    except Said as said:
        if said.code != "DECISION_CONFLICT":
            record.workflow, record.why = STANDARD, f"{said.code}: {said}"
            log.error("not_decided", run_id=record.run_id, why=record.why)
            return
        # Whoever started the run has asked with other words; that answer holds.
        decision = await portal.decision(str(said.facts["decision_id"]))
    record.workflow, record.why = str(decision["workflow"]), str(decision["reason"])
    log.info("decided", run_id=record.run_id, workflow=record.workflow, why=record.why)


async def may_go_on(portal: Portal, root: Root) -> bool:
    """Ask before a tick; what is asked of the run instead is noted in it."""
    record = root.record
    if record.asked:
        decision = await portal.decide(record.asked)
        if decision["workflow"] != OPTION_C:
            log.info("not_allowed", run_id=root.run_id, why=decision["reason"])
            root.is_ended_by_portal |= decision["reason"] == "RUN_FINAL"
            return False
    else:
        found = await portal.run(root.run_id)
        if found["status"] in FINAL:
            root.is_ended_by_portal = True
            return False
    if asked := await portal.directives_of(root.run_id):
        root.ask(asked)
        return False
    return True


def is_going(status: Any) -> bool:
    """Whether a run in this status can be ticked."""
    return status in (RunStatus.CREATED, RunStatus.RUNNING)
