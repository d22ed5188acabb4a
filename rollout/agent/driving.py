"""Driving runs tick by tick: the portal is asked before each, the files judge each."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import structlog

from rollout.agent import commands, editing
from rollout.agent.cli import Cli, Running, start_of
from rollout.agent.config import Config
from rollout.agent.files import files_under
from rollout.agent.installation import Exporter
from rollout.agent.portal import Portal
from rollout.agent.runs import MOST_CRASHES, Root, is_going, may_go_on
from rollout.agent.state import State
from rollout.domain.cli_answers import (
    DISABLED,
    GATE_BLOCKED,
    LOCK_HELD,
    NOT_STARTED,
    TICK_INCOMPLETE,
    CliAnswer,
    Verdict,
)
from rollout.domain.runs import RunStatus

SOON_S, LATER_S, IDLE_S = 0.5, 5.0, 60.0
UNDRIVEN_S = 300.0  # whatever is to be done about such a run wakes it
OLD_MARKER_S = 60.0
# What a tick writes by itself: a run that waits for others does not wait for these.
_OWN = ("logs/", "metrics/", "operator/halt/", "operator/prompts/", "operator/state/")
_OWN_FILES = frozenset({"manifest.json", "gates.json", ".lock"})

log = structlog.get_logger(__name__)


class Driver:
    """Ticks runs that may go on; a run is ticked by one process at a time."""

    def __init__(
        self,
        config: Config,
        portal: Portal,
        state: State,
        exporter: Exporter,
        cli: Cli,
        report: Callable[[Root], Awaitable[None]],
    ) -> None:
        self.config = config.drive
        self.portal = portal
        self.state = state
        self.exporter = exporter
        self.cli = cli
        self.report = report
        self.room = asyncio.Semaphore(self.config.at_once)

    async def step(self, root: Root, manifest: Mapping[str, Any]) -> float:
        """A tick, or what has to be done before one; seconds until the next look."""
        record = root.record
        if record.is_crashed:
            return await self._recover(root)
        if not self.config.is_on or not self.exporter.is_enabled:
            return LATER_S if self.config.is_on else UNDRIVEN_S
        if record.resumes and record.status == RunStatus.PAUSED:
            return await self._resume(root)
        if not is_going(record.status):
            return IDLE_S
        if root.inputs is not None:
            # Each tick would check the gate anew, and its failure never be confirmed.
            left = IDLE_S if root.is_blocked else root.waits_until - time.monotonic()
            if left > 0 and root.inputs == await asyncio.to_thread(_inputs, root):
                return left
            root.inputs = None
        async with self.room:
            return await self._tick(root, manifest)

    async def _tick(self, root: Root, before: Mapping[str, Any]) -> float:
        if root.urgent.is_set() or not await may_go_on(self.portal, root):
            return 0.0 if root.directives or root.is_ended_by_portal else LATER_S
        if editing.locked_until(root.path) is not None:
            await editing.wait_until_free(root.path)
            return SOON_S  # whoever had it may have changed anything
        if editing.marker_age_s(root.path) > OLD_MARKER_S:
            editing.move_marker_aside(root.path)
        answer = await self._run_tick(root)
        after = await editing.read_manifest(root.path)
        root.record.status = str(after["status"])
        log.info(
            "ticked",
            run_id=root.run_id,
            verdict=answer.verdict,
            code=answer.code,
            stage=after["stage"]["current"],
            revision=after["revision"],
        )
        self.state.save(root.record)
        await self.report(root)
        return await self._after_tick(root, answer, before, after)

    async def _after_tick(
        self,
        root: Root,
        answer: CliAnswer,
        before: Mapping[str, Any],
        after: Mapping[str, Any],
    ) -> float:
        record = root.record
        if answer.code == NOT_STARTED:
            root.problem = f"No tick: {answer.message}"
            return LATER_S
        if answer.verdict == Verdict.UNCLEAR:
            record.is_crashed = True
            record.crashes += 1
            root.problem = f"A tick came to nothing: {answer.code} {answer.message}"
            self.state.save(record)
            return 0.0
        record.crashes = 0
        root.problem = ""
        root.is_blocked = answer.code == GATE_BLOCKED
        if root.is_blocked:
            root.inputs = await asyncio.to_thread(_inputs, root)
            return IDLE_S
        if after["revision"] != before["revision"]:
            return self.config.pause_s
        if answer.code == TICK_INCOMPLETE:
            editing.move_marker_aside(root.path)
            return self.config.pause_s
        if answer.code == LOCK_HELD:
            return SOON_S
        if answer.code == DISABLED:
            return LATER_S
        # Until others bring something, or it has waited long enough to try anyway.
        root.inputs = await asyncio.to_thread(_inputs, root)
        root.waits_until = time.monotonic() + self.config.waiting_s
        return SOON_S

    async def _run_tick(self, root: Root) -> CliAnswer:
        """One process; it gets some time to end when something is asked of its run."""
        record = root.record

        def begun(running: Running) -> None:
            root.running = running
            record.process = [running.process.pid, start_of(running.process.pid)]
            self.state.save(record)

        ticking = asyncio.create_task(
            self.cli.command(
                "tick",
                root.path,
                "next tick",
                *("--driver", self.config.driver),
                limit_s=self.config.tick_limit_s,
                begun=begun,
            )
        )
        called = asyncio.create_task(root.urgent.wait())
        try:
            await asyncio.wait({ticking, called}, return_when="FIRST_COMPLETED")
            if not ticking.done():
                await asyncio.wait({ticking}, timeout=self.config.interrupt_after_s)
            if not ticking.done() and root.running is not None:
                log.warning("tick_interrupted", run_id=root.run_id)
                root.running.stop()
            return await ticking
        finally:
            called.cancel()
            if not ticking.done():
                record.is_crashed = True
                ticking.cancel()
            root.running = None
            record.process = []

    async def _resume(self, root: Root) -> float:
        """What the agent has paused by itself goes on."""
        is_done = await commands.resume(self.cli, root, "It goes on.")
        self.state.save(root.record)
        await self.report(root)
        return SOON_S if is_done else LATER_S

    async def _recover(self, root: Root) -> float:
        """After a tick that died: wait for its lease, keep its marker, pause soon.

        Pausing starts the clock of its stage anew, so that it is not taken for hung.
        """
        record = root.record
        if (until := editing.locked_until(root.path)) is not None:
            log.info("waiting_for_lease", run_id=root.run_id, until=until.isoformat())
            await editing.wait_until_free(root.path)
        editing.move_marker_aside(root.path)
        if record.status == RunStatus.RUNNING:
            if not await commands.stop(
                self.cli, root, "pause", RunStatus.PAUSED, "A tick died."
            ):
                return LATER_S
            record.resumes = record.crashes < MOST_CRASHES
        record.is_crashed = False
        self.state.save(record)
        await self.report(root)
        return 0.0


def _inputs(root: Root) -> int:
    """What others have put into the run root, in a number."""
    return hash(
        tuple(
            (each.path, each.signature)
            for each in files_under(root.path)
            if each.signature is not None
            and each.path not in _OWN_FILES
            and not each.path.startswith(_OWN)
        )
    )
