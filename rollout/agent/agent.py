"""The agent: its loops, and its one round when it is asked for that only."""

import asyncio
import signal
import socket
import time
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from pathlib import Path
from typing import Any

import structlog
from watchfiles import awatch

from portal import clock
from portal.domain.redaction import redact
from rollout.agent import VERSION
from rollout.agent.acting import Actor
from rollout.agent.cli import Cli
from rollout.agent.config import Config
from rollout.agent.files import Moving
from rollout.agent.fleet import Fleet
from rollout.agent.installation import Exporter
from rollout.agent.portal import Away, Portal, Said
from rollout.agent.reporting import Reporter
from rollout.agent.runs import Root
from rollout.agent.state import State

LOOK_S = 1.0
DEBOUNCE_MS, STEP_MS = 300, 150
AGAIN_S = 5.0
LAST_WORDS_S = 3.0
MOST_PROBLEMS, LONGEST_PROBLEM = 50, 400

log = structlog.get_logger(__name__)


class Agent:
    """One installation's agent."""

    def __init__(self, config: Config, state: State, *, dry_run: bool) -> None:
        self.config = config
        self.dry_run = dry_run
        self.started_at = clock.now()
        self.state = state
        self.portal = Portal(config.portal)
        self.exporter = Exporter(config, self.portal, state, dry_run=dry_run)
        self.reporter = Reporter(
            self.portal,
            state,
            settle_s=config.every.settle_s,
            largest=config.largest_file_bytes,
            look_again=self._look_again,
            dry_run=dry_run,
        )
        self.fleet = Fleet(config, self.portal, state, self.reporter, dry_run=dry_run)
        self.exporter.has_levers = self.fleet.has_levers
        cli = Cli(config)
        self.actor = Actor(
            config, self.portal, state, self.exporter, cli, self.fleet.report
        )
        self.fleet.attend = self.actor.attend
        self.watch_problem = ""
        self.is_stopping = asyncio.Event()

    def _look_again(self, run_id: str, after_s: float) -> None:
        asyncio.get_running_loop().call_later(after_s, self.fleet.mark, run_id)

    # One round

    async def once(self) -> bool:
        """Export, report, act once; whether all is well."""
        await self.exporter.ask()
        self.exporter.apply()
        self.fleet.rescan()
        with suppress(Away):
            for each in await self._asked_now():
                self._deliver([each])
        for root in self.fleet.known():
            with suppress(Away):
                await self.fleet.report_all(root)
                if root.is_open and not self.dry_run:
                    await self._act_once(root)
                    await self.fleet.report_all(root)
        if not self.dry_run:
            with suppress(Away, Said):
                await self._report_itself()
        problems = self.problems()
        for problem in problems:
            log.warning("problem", says=problem)
        return not problems

    async def _asked_now(self) -> list[dict[str, Any]]:
        """What is asked of the runs that are known, without waiting for more."""
        found: list[dict[str, Any]] = []
        for root in self.fleet.known():
            if root.is_open:
                with suppress(Said):
                    found += await self.portal.directives_of(root.run_id)
        return found

    async def _act_once(self, root: Root) -> None:
        try:
            await self.actor.step(root)
        except (Said, Moving, OSError) as trouble:
            root.problem = str(trouble)

    # For ever

    async def run(self) -> None:
        """Until it is told to stop."""
        loop = asyncio.get_running_loop()
        for each in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(each, self.is_stopping.set)
        # Before anything else: what was open may have to be shut.
        self.exporter.apply()
        log.info("started", version=VERSION, name=self.config.name)
        loops = [
            asyncio.create_task(self._keep_on(name, each))
            for name, each in {
                "settings": self._settings,
                "watching": self._look,
                "directives": self._directives,
                "files": self._watch,
                "rescan": self._rescan,
                "report": self._report,
            }.items()
        ]
        self.fleet.start()
        await self.is_stopping.wait()
        log.info("stopping")
        for each in loops:
            each.cancel()
        await self.fleet.stop(self.config.drive.interrupt_after_s + LAST_WORDS_S)
        await asyncio.gather(*loops, return_exceptions=True)
        if self.config.disable_on_stop and not self.dry_run:
            self.exporter.shut()

    async def _keep_on(
        self, name: str, each: Callable[[], Coroutine[Any, Any, None]]
    ) -> None:
        """A loop that ends by mistake is begun again; the others go on meanwhile."""
        while True:
            try:
                await each()
            except Exception:
                log.exception("loop_failed", loop=name)
            await asyncio.sleep(AGAIN_S)

    async def _settings(self) -> None:
        while True:
            await self.exporter.ask()
            self._apply()
            await asyncio.sleep(self.config.every.settings_s)

    async def _look(self) -> None:
        """The kill file and the dead man's limit wait for no answer."""
        while True:
            self._apply()
            await asyncio.sleep(LOOK_S)

    def _apply(self) -> None:
        before = self.exporter.wanted
        self.exporter.apply()
        if self.exporter.is_stopping_runs:
            self.fleet.stop_all()
        elif self.exporter.wanted != before or self.fleet.has_levers():
            self.fleet.wake_all()

    async def _directives(self) -> None:
        while True:
            began = time.monotonic()
            try:
                self._deliver(await self.portal.directives())
            except Away:
                await asyncio.sleep(LOOK_S)
            except Said as said:
                log.error("directives_refused", code=said.code)
                await asyncio.sleep(AGAIN_S)
            # What is asked is sent again until it is acknowledged.
            await asyncio.sleep(max(0.0, LOOK_S - (time.monotonic() - began)))

    def _deliver(self, directives: list[dict[str, Any]]) -> None:
        asked: dict[str, list[dict[str, Any]]] = {}
        for each in directives:
            asked.setdefault(str(each["run_id"]), []).append(each)
        for run_id, those in asked.items():
            if self.dry_run:
                log.info("would_follow", run_id=run_id, kind=those[0]["kind"])
            else:
                self.fleet.ask(run_id, those)

    async def _watch(self) -> None:
        """Changes as the system tells of them; the rescan finds what it does not."""
        runs_root = self.config.installation.runs_root
        try:
            async for changes in awatch(
                runs_root,
                watch_filter=None,
                debounce=DEBOUNCE_MS,
                step=STEP_MS,
                ignore_permission_denied=True,
            ):
                self.watch_problem = ""
                self.fleet.changed({Path(path) for _, path in changes})
        except (OSError, RuntimeError) as error:
            self.watch_problem = f"The runs root cannot be watched: {error}."
            log.error("not_watched", error=str(error))

    async def _rescan(self) -> None:
        while True:
            self.fleet.rescan()
            # Without being told of changes, it has to look more often.
            is_blind = bool(self.watch_problem)
            await asyncio.sleep(LOOK_S if is_blind else self.config.every.rescan_s)

    async def _report(self) -> None:
        while True:
            with suppress(Away):
                try:
                    await self._report_itself()
                except Said as said:
                    log.error("report_refused", code=said.code, why=str(said))
            await asyncio.sleep(self.config.every.report_s)

    async def _report_itself(self) -> None:
        if self.dry_run:
            return
        place, word = self.config.installation, self.exporter.word
        roots = self.fleet.known()
        ended = await self.portal.report(
            self.config.name,
            {
                "version": VERSION,
                "team": place.team or "",
                "environment": place.environment or "",
                "host": socket.gethostname(),
                "roots": len(roots),
                "open_roots": sum(root.is_open for root in roots),
                "lag_s": round(max(self.reporter.lag_s, self.fleet.lag_s), 3),
                "settings_state": str(self.exporter.settings_state),
                "is_enabled": self.exporter.is_file_enabled,
                "epoch": word.epoch if word else None,
                "revision": word.revision if word else None,
                "problems": self.problems(),
                "started_at": self.started_at.isoformat(),
            },
        )
        for each in ended:
            self.fleet.end(str(each["run_id"]))

    def problems(self) -> list[str]:
        """What people should know, in words."""
        found = [*self.exporter.problems(), *self.fleet.problems()]
        if self.portal.trouble:
            found.insert(0, f"The portal: {self.portal.trouble}")
        if self.watch_problem:
            found.insert(0, self.watch_problem)
        return [_shown(each) for each in found[:MOST_PROBLEMS]]


def _shown(problem: str) -> str:
    """Without secrets, and without what no text can hold: names of files can be odd."""
    plain = problem.encode("utf-8", "replace").decode()
    return redact("".join(c if c.isprintable() else "?" for c in plain))[
        :LONGEST_PROBLEM
    ]


def run(config: Config, *, once: bool = False, dry_run: bool = False) -> int:
    """Run an agent; 1 when one round found problems, else 0."""
    state = State(config.state, is_read_only=dry_run)
    try:
        return asyncio.run(_run(config, state, once=once, dry_run=dry_run))
    finally:
        state.close()


async def _run(config: Config, state: State, *, once: bool, dry_run: bool) -> int:
    agent = Agent(config, state, dry_run=dry_run)
    work: Awaitable[Any] = agent.once() if once or dry_run else agent.run()
    try:
        is_well = await work
    finally:
        await agent.portal.close()
    return 0 if is_well is not False else 1
