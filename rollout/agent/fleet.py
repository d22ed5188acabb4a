"""All run roots of an installation: found, reported when they change, attended."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import structlog

from rollout.agent import roots, runs
from rollout.agent.config import Config
from rollout.agent.files import Moving, NoFile, read_document
from rollout.agent.portal import Away, Portal
from rollout.agent.reporting import TROUBLE_AFTER_S, Reporter
from rollout.agent.runs import MOST_CRASHES, Root
from rollout.agent.state import State
from rollout.domain.runs import FINAL

AT_ONCE = 8
EVERY_FILE_EACH = 5  # rescans; documents and telemetry are looked at in all of them
AGAIN_S, LOOK_AGAIN_S = 2.0, 1.0
SHOWN_NOTES = 3

log = structlog.get_logger(__name__)


async def _nobody(root: Root) -> None:
    """Until the agent says who attends."""


class Fleet:
    """Run roots by the name of their run."""

    def __init__(
        self,
        config: Config,
        portal: Portal,
        state: State,
        reporter: Reporter,
        *,
        dry_run: bool,
    ) -> None:
        self.config = config
        self.portal = portal
        self.state = state
        self.reporter = reporter
        self.dry_run = dry_run
        self.attend: Callable[[Root], Awaitable[None]] = _nobody
        self.roots: dict[str, Root] = {}
        self.by_path: dict[Path, Root] = {}
        self.unread: dict[Path, float] = {}
        self.awaited: set[Path] = set()
        self.troubles: dict[str, str] = {}
        self.dirty: dict[str, float] = {}
        self.deep: set[str] = set()
        self.scans = 0
        self.bell = asyncio.Event()
        self.room = asyncio.Semaphore(AT_ONCE)
        self.tasks: dict[tuple[str, str], asyncio.Task[None]] = {}
        self.is_started = False

    # Finding

    def known(self) -> list[Root]:
        """All run roots."""
        return list(self.roots.values())

    def rescan(self) -> None:
        """Find new run roots, and look at those again where something may happen."""
        found = roots.find(self.config.installation.runs_root)
        self.troubles = dict(found.troubles)
        for path in found.roots:
            self._meet(path)
        is_deep = self.scans % EVERY_FILE_EACH == 0
        self.scans += 1
        for root in self.known():
            self.mark(root.run_id, is_deep=is_deep)

    def _meet(self, path: Path) -> None:
        if path in self.by_path:
            return
        try:
            run_id = roots.run_id_of(path)
        except Moving as why:
            since = self.unread.setdefault(path, time.monotonic())
            if time.monotonic() - since > TROUBLE_AFTER_S:
                self.troubles[path.name] = str(why)
            if self.is_started and path not in self.awaited:
                self.awaited.add(path)
                asyncio.get_running_loop().call_later(LOOK_AGAIN_S, self._await, path)
            return
        self.unread.pop(path, None)
        if (other := self.roots.get(run_id)) is not None and other.path.exists():
            self.troubles[path.name] = f"has the run_id of {other.path.name}: {run_id}"
            return
        root = Root(self.state.load(run_id, path), path)
        self.roots[run_id] = self.by_path[path] = root
        log.info("found", run_id=run_id, root=str(path))
        self.mark(run_id)

    def _await(self, path: Path) -> None:
        """Look again whether a manifest is whole now."""
        self.awaited.discard(path)
        self._meet(path)

    def changed(self, paths: set[Path]) -> None:
        """Files have changed."""
        runs_root = self.config.installation.runs_root
        touched: set[Path] = set()
        for path in paths:
            if path.name == roots.LEDGER:
                self.rescan()
            touched |= {path, *path.parents}
        for path in touched & self.by_path.keys():
            root = self.by_path[path]
            self.mark(root.run_id)
            root.wake.set()
        for path in touched - self.by_path.keys():
            is_inside = path != runs_root and path.is_relative_to(runs_root)
            if is_inside and (path / roots.MANIFEST).exists() and not path.is_symlink():
                self._meet(path)

    # Reporting

    def mark(self, run_id: str, *, is_deep: bool = True) -> None:
        """Something about a run may be new: its documents, or any of its files."""
        self.dirty.setdefault(run_id, time.monotonic())
        if is_deep:
            self.deep.add(run_id)
        self.bell.set()

    @property
    def lag_s(self) -> float:
        """How long the oldest change has waited."""
        return max((time.monotonic() - at for at in self.dirty.values()), default=0.0)

    def start(self) -> None:
        """Begin to report and to attend."""
        self.is_started = True
        self._spawn("", "dispatch", self._dispatch())

    async def stop(self, patience_s: float) -> None:
        """End what is at work; ticks get some time."""
        for root in self.known():
            root.rouse()
        ticking = [
            task
            for (run_id, what), task in self.tasks.items()
            if what == "attend" and self.roots[run_id].running is not None
        ]
        for task in list(self.tasks.values()):
            if task not in ticking:
                task.cancel()
        while ticking and any(root.running for root in self.known()) and patience_s > 0:
            await asyncio.sleep(0.1)
            patience_s -= 0.1
        for task in self.tasks.values():
            task.cancel()
        await asyncio.gather(*self.tasks.values(), return_exceptions=True)
        for root in self.known():
            self.state.save(root.record)

    def _spawn(self, run_id: str, what: str, work: Awaitable[None]) -> None:
        task = asyncio.ensure_future(work)
        self.tasks[run_id, what] = task
        task.add_done_callback(lambda done: self._ended(run_id, what, done))

    def _ended(self, run_id: str, what: str, task: asyncio.Task[None]) -> None:
        if self.tasks.get((run_id, what)) is task:
            del self.tasks[run_id, what]
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("task_failed", run_id=run_id, what=what, exc_info=error)

    async def _dispatch(self) -> None:
        """Whatever is dirty gets a task, unless one is at it: that one looks again."""
        while True:
            await self.bell.wait()
            self.bell.clear()
            for run_id in list(self.dirty):
                if (run_id, "report") not in self.tasks:
                    self._spawn(run_id, "report", self._report_while_dirty(run_id))

    async def _report_while_dirty(self, run_id: str) -> None:
        """Documents and telemetry; they never wait for files."""
        root = self.roots[run_id]
        while run_id in self.dirty:
            since = self.dirty.pop(run_id)
            try:
                async with self.room:
                    await self.report(root)
            except Away:
                await asyncio.sleep(AGAIN_S)
                self.dirty.setdefault(run_id, since)
                continue
            except OSError as error:
                root.problem = f"Its documents cannot be read: {error}"
                log.warning("trouble", run_id=run_id, why=root.problem)
            self._begin_to_attend(root)
            if run_id in self.deep and (run_id, "files") not in self.tasks:
                self._spawn(run_id, "files", self._send_while_deep(run_id))

    async def _send_while_deep(self, run_id: str) -> None:
        """Files, the more patiently the more there are."""
        root = self.roots[run_id]
        while run_id in self.deep:
            self.deep.discard(run_id)
            try:
                await self._send_files(root)
            except Away:
                self.deep.add(run_id)
                await asyncio.sleep(AGAIN_S)
            except OSError as error:
                root.problem = f"Its files cannot be read: {error}"
                log.warning("trouble", run_id=run_id, why=root.problem)

    async def report_all(self, root: Root) -> None:
        """Documents, telemetry, files: in one go."""
        self.dirty.pop(root.run_id, None)
        await self.report(root)
        await self._send_files(root)

    async def report(self, root: Root) -> None:
        """Have a new run decided for, then tell what its documents say."""
        async with root.reporting:
            if not root.record.workflow and not await self._decide(root):
                return
            if await self.reporter.documents(root.record):
                root.is_ended_by_portal = True
                root.rouse()
            await self.reporter.events(root.record)
            root.record.was_final |= root.record.status in FINAL
            self.state.save(root.record)

    async def _decide(self, root: Root) -> bool:
        try:
            _, manifest = read_document(root.path / roots.MANIFEST)
        except (Moving, NoFile):
            asyncio.get_running_loop().call_later(AGAIN_S, self.mark, root.run_id)
            return False
        record = root.record
        record.status = str(manifest.get("status"))
        place = self.config.installation
        if self.dry_run:
            log.info("would_ask", asked=runs.question(record, manifest, place))
            return True
        await runs.decide(self.portal, record, manifest, place)
        self.state.save(record)
        return True

    async def _send_files(self, root: Root) -> None:
        async with root.sending:
            await self.reporter.files(root.record)
            self.state.save(root.record)

    # Attending

    def _begin_to_attend(self, root: Root) -> None:
        if not self.is_started or self.dry_run or (root.run_id, "attend") in self.tasks:
            return
        if root.is_open or root.directives or root.is_ended_by_portal:
            self._spawn(root.run_id, "attend", self.attend(root))

    def ask(self, run_id: str, directives: list[dict[str, object]]) -> None:
        """Something is asked of a run, if it is one of ours."""
        if (root := self.roots.get(run_id)) is not None:
            root.ask(directives)
            self._begin_to_attend(root)

    def end(self, run_id: str) -> None:
        """The portal has ended a run, and its files do not say so yet."""
        if (root := self.roots.get(run_id)) is not None and root.is_open:
            root.is_ended_by_portal = True
            root.rouse()
            self._begin_to_attend(root)

    def has_levers(self) -> bool:
        """Whether a run that is open is still switched off by its manifest."""
        return any(r.is_open and r.record.lever is not None for r in self.known())

    def stop_all(self) -> None:
        """The switch is engaged: every open run has to be seen to, at once."""
        for root in self.known():
            if root.is_open and root.record.lever is None:
                root.rouse()

    def wake_all(self) -> None:
        """What is allowed may have changed."""
        for root in self.known():
            root.wake.set()

    def problems(self) -> list[str]:
        """What people should know about run roots."""
        found = [f"{path}: {why}" for path, why in self.troubles.items()]
        for root in self.known():
            if root.problem:
                found.append(f"{root.run_id}: {root.problem}")
            if root.is_given_up:
                found.append(
                    f"{root.run_id}: {MOST_CRASHES} ticks in a row came to nothing; "
                    "it stays paused until it is resumed."
                )
            notes = list(root.record.notes.items())
            found += [f"{root.run_id}/{p}: {why}" for p, why in notes[:SHOWN_NOTES]]
        return found
