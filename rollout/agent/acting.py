"""What the agent does to a run because the portal says so, one thing at a time."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import structlog

from rollout.agent import commands, editing
from rollout.agent.cli import Cli, age_s, end_group, reason_to_give, start_of
from rollout.agent.config import Config
from rollout.agent.driving import Driver
from rollout.agent.files import Moving
from rollout.agent.installation import Exporter
from rollout.agent.portal import Away, Portal, Said
from rollout.agent.runs import OPTION_C, STANDARD, Root
from rollout.agent.state import State
from rollout.domain import manifest_edits
from rollout.domain.directives import FOR_OPEN_RUNS, DirectiveKind
from rollout.domain.fallback import SUMMARY_PATH
from rollout.domain.installations import SettingsState
from rollout.domain.runs import FINAL, RunStatus
from rollout.domain.watchdog import CAUSE as TIMED_OUT
from rollout.domain.watchdog import CHECKPOINT_JSON, CHECKPOINT_TEXT

SOON_S, LATER_S, IDLE_S = 0.5, 5.0, 60.0
SWITCHED_OFF = "The switch is engaged."

log = structlog.get_logger(__name__)


class Actor:
    """Carries out verdicts, directives and the switch; lets the driver go on else."""

    def __init__(
        self,
        config: Config,
        portal: Portal,
        state: State,
        exporter: Exporter,
        cli: Cli,
        report: Callable[[Root], Awaitable[None]],
    ) -> None:
        self.config = config
        self.portal = portal
        self.state = state
        self.exporter = exporter
        self.cli = cli
        self.report = report
        self.driver = Driver(config, portal, state, exporter, cli, report)

    async def attend(self, root: Root) -> None:
        """See to a run until it has ended."""
        while root.is_open or root.directives or root.is_ended_by_portal:
            root.wake.clear()
            try:
                wait = await self.step(root)
                root.problem = root.problem if wait == LATER_S else ""
            except (Away, Moving) as trouble:
                wait = SOON_S if isinstance(trouble, Moving) else LATER_S
            except Said as said:
                root.problem, wait = f"The portal says {said.code}: {said}", LATER_S
            except OSError as error:
                root.problem, wait = f"Its files cannot be used: {error}", LATER_S
            if root.problem and wait == LATER_S:
                log.warning("trouble", run_id=root.run_id, why=root.problem)
                # What was just tried changes files, too: that is no news.
                await asyncio.sleep(SOON_S)
                if not root.urgent.is_set():
                    root.wake.clear()
            try:
                async with asyncio.timeout(wait):
                    await root.wake.wait()
            except TimeoutError:
                continue

    async def step(self, root: Root) -> float:
        """The next thing to do about a run; how many seconds nothing is to do then."""
        record = root.record
        if not record.workflow:
            return LATER_S
        if record.process and self._is_at_work(root):
            return SOON_S
        manifest = await editing.read_manifest(root.path)
        record.status = str(manifest["status"])
        if root.directives:
            return await self._follow(root, root.directives[0])
        if record.status not in FINAL and root.is_ended_by_portal:
            return await self._heed(root, manifest)
        root.urgent.clear()
        if record.status in FINAL:
            root.is_ended_by_portal = False
            await self.report(root)
            return SOON_S
        if record.workflow == STANDARD:
            return await self._end_as_standard(root, manifest)
        if self.exporter.is_stopping_runs:
            return await self._pull_lever(root, manifest)
        if record.lever is not None and self._is_released():
            await self._let_go_of_lever(root)
            return 0.0
        if record.workflow != OPTION_C:
            return IDLE_S
        return await self.driver.step(root, manifest)

    def _is_at_work(self, root: Root) -> bool:
        """Whether what an earlier life of the agent has started is still at work."""
        pid, start = root.record.process
        if start_of(pid) == start != 0:
            is_late = age_s(start) > self.config.drive.tick_limit_s
            if root.urgent.is_set() or is_late:
                end_group(pid)
            return True
        root.record.process = []
        root.record.is_crashed |= editing.locked_until(root.path) is not None
        self.state.save(root.record)
        return False

    def _is_released(self) -> bool:
        state = self.exporter.settings_state
        return state in (SettingsState.ENABLED, SettingsState.DISABLED)

    # The two levers of the switch

    async def _pull_lever(self, root: Root, manifest: Mapping[str, Any]) -> float:
        """The manifest's own lever; what the agent drives is paused with it."""
        record = root.record
        if record.lever is None:
            record.lever = manifest_edits.enabled_in(manifest)
            is_driven = self.config.drive.is_on and record.workflow == OPTION_C
            record.resumes |= is_driven and record.status == RunStatus.RUNNING
            self.state.save(record)
        if manifest_edits.enabled_in(manifest) is not False:
            await editing.set_lever(root.path, False, SWITCHED_OFF)
        if record.resumes and record.status == RunStatus.RUNNING:
            await editing.stop_by_hand(
                root.path, RunStatus.PAUSED, SWITCHED_OFF, self.config.cli.command
            )
        await self.report(root)
        return IDLE_S

    async def _let_go_of_lever(self, root: Root) -> None:
        """Back to what it was; the settings file follows when all are."""
        record = root.record
        await editing.set_lever(root.path, record.lever, "The switch is released.")
        record.lever = None
        self.state.save(record)
        await self.report(root)

    # Ends

    async def _end_as_standard(self, root: Root, manifest: Mapping[str, Any]) -> float:
        """Decided for the standard workflow: off by its manifest, and cancelled."""
        why = f"Decided for the standard workflow: {root.record.why}."
        await self._switch_off_and_cancel(root, manifest, why)
        return LATER_S

    async def _switch_off_and_cancel(
        self, root: Root, manifest: Mapping[str, Any], why: str
    ) -> None:
        if manifest_edits.enabled_in(manifest) is not False:
            await editing.set_lever(root.path, False, why)
        await commands.stop(self.cli, root, "cancel", RunStatus.CANCELLED, why)
        await self.report(root)

    async def _heed(self, root: Root, manifest: Mapping[str, Any]) -> float:
        """The portal has ended the run: its own files come to say so, too."""
        found = await self.portal.run(root.run_id)
        if found["status"] not in FINAL:
            root.is_ended_by_portal = False
            return 0.0
        offer, cause = found.get("fallback"), str(found["cause"])
        log.info("heeding", run_id=root.run_id, status=found["status"], cause=cause)
        if offer and offer["failure"]:
            known = {"gate": str(offer["gate_id"]), "reason": str(offer["reason"])}
            if not await self._adapted(root, self.config.cli.fallback, known):
                summary = await self.portal.fetch(root.run_id, SUMMARY_PATH)
                await editing.fail(
                    root.path, offer["failure"], {SUMMARY_PATH: summary}, cause
                )
        elif cause == TIMED_OUT:
            if not await self._adapted(
                root, self.config.cli.watchdog, {"reason": cause}
            ):
                await self._write_timeout(root, cause)
        elif asked := await self.portal.directives_of(root.run_id):
            root.ask(asked)  # rerouted: that wants to be acknowledged
            return 0.0
        else:
            why = f"The portal has ended it: {cause}."
            await self._switch_off_and_cancel(root, manifest, why)
        await self.report(root)
        root.is_ended_by_portal = False
        return SOON_S

    async def _adapted(
        self, root: Root, template: tuple[str, ...], known: Mapping[str, str]
    ) -> bool:
        """Whether a command of the installation's own has ended the run."""
        if not template:
            return False
        await editing.wait_until_free(root.path)
        answer = await self.cli.adapter(template, root.path, known)
        manifest = await editing.read_manifest(root.path)
        is_done = manifest["status"] in FINAL
        log.info("adapter", run_id=root.run_id, verdict=answer.verdict, is_done=is_done)
        return is_done

    async def _write_timeout(self, root: Root, cause: str) -> None:
        files = {
            path: await self.portal.fetch(root.run_id, path)
            for path in (CHECKPOINT_TEXT, CHECKPOINT_JSON)
        }
        failure = editing.timeout_failure(files[CHECKPOINT_JSON])
        await editing.fail(root.path, failure, files, cause)

    # Directives

    async def _follow(self, root: Root, directive: Mapping[str, Any]) -> float:
        """Do what is asked, report the manifest that shows it, acknowledge.

        What ends a run is acknowledged first: its last manifest closes all directives.
        """
        kind = DirectiveKind(directive["kind"])
        why = str(directive["reason"])
        if kind in FOR_OPEN_RUNS:
            is_done = await self._turn(root, kind, why)
            if is_done:
                await self.report(root)
                await self._acknowledge(root, directive)
        else:
            async with root.reporting:
                is_done = await self._cancel(root, kind, why)
                if is_done:
                    await self._acknowledge(root, directive)
            await self.report(root)
        self.state.save(root.record)
        if not is_done:
            return LATER_S
        root.directives = root.directives[1:]
        return 0.0

    async def _acknowledge(self, root: Root, directive: Mapping[str, Any]) -> None:
        revision = (await editing.read_manifest(root.path))["revision"]
        try:
            await self.portal.acknowledge(root.run_id, str(directive["id"]), revision)
        except Said as said:  # over already
            log.info("not_acknowledged", run_id=root.run_id, code=said.code)
            return
        log.info(
            "followed",
            run_id=root.run_id,
            directive=directive["kind"],
            revision=revision,
        )

    async def _turn(self, root: Root, kind: DirectiveKind, why: str) -> bool:
        if kind == DirectiveKind.RESUME:
            return await self._resume(root, why)
        root.record.resumes = False
        return await commands.stop(self.cli, root, "pause", RunStatus.PAUSED, why)

    async def _cancel(self, root: Root, kind: DirectiveKind, why: str) -> bool:
        if kind == DirectiveKind.REROUTE and root.record.status not in FINAL:
            await editing.set_lever(root.path, False, reason_to_give(why))
        return await commands.stop(self.cli, root, "cancel", RunStatus.CANCELLED, why)

    async def _resume(self, root: Root, why: str) -> bool:
        if root.record.status == RunStatus.PAUSED and not self.exporter.is_enabled:
            root.problem = "It cannot be resumed: Option C is off here."
            return False
        root.record.crashes = 0
        return await commands.resume(self.cli, root, why)
