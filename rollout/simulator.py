"""A research system that is not one: a process of its own, with HTTP and a token.

It does what the real one does: asks for a decision, writes its documents revision by
revision, asks before it goes on, and looks at its checkpoints whether something is
asked of it. It can be killed at any moment; started again with the same state
directory it goes on where it was.
"""

import asyncio
import json
import random
import time
from base64 import b64encode
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import nullcontext, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

import httpx

from rollout.domain.simulation import (
    Act,
    Advance,
    Crash,
    Event,
    Fault,
    File,
    Gate,
    Hang,
    Manifest,
    Plan,
    Report,
    Run,
    Step,
)

QUERY_CLASSES = (
    "fixture_replay",
    "gate_evidence",
    "local_spec_analysis",
    "offline_synthesis",
)
FIRST_RETRY_S, LAST_RETRY_S = 0.2, 5.0
POLL_S = 25
AT_ONCE = 16  # requests
URGENT_AT_ONCE = 8
ASK_AGAIN_S = 2.0  # after the portal said no
FINAL = frozenset({"failed", "completed", "cancelled"})
# An advance is refused for good with these; with the others it may be allowed later.
FOR_GOOD = frozenset({"RUN_FINAL", "WAVE_CAP_EXCEEDED", "REVIEW_CAP_EXCEEDED"})


class Stopped(Exception):
    """The whole simulation cannot go on; the message is one clear line."""


class Ended(Exception):
    """One run has come to its end, and how."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What is simulated, and how fast.

    `rate` is in runs begun per minute; `speed` how many seconds of a run's story pass
    in one second; `skew_s` how far its clock is ahead of ours.
    """

    url: str
    token: str
    state: Path
    runs: int = 10
    rate: float = 60.0
    at_once: int = 1000
    seed: str = "1"
    teams: tuple[str, ...] = ("alpha", "beta")
    pass_rates: Mapping[str, float] = field(default_factory=dict)
    speed: float = 1.0
    faults: Mapping[int, Fault] = field(default_factory=dict)
    skew_s: float = 0.0
    clock: datetime | None = None
    stage_timeout_s: int | None = None
    prefix: str = "sim"
    query_classes: tuple[str, ...] = QUERY_CLASSES
    sensitivity: str = "no_web"
    environment: str = ""
    ignores_switch: bool = False  # it asks, and goes on whatever it is told


class Portal:
    """The portal, as a service sees it; what can be tried again is."""

    def __init__(self, settings: Settings) -> None:
        # Few at once, as polite clients do; what the portal asks for does not queue.
        self.room = asyncio.Semaphore(AT_ONCE)
        most = AT_ONCE + URGENT_AT_ONCE
        limits = httpx.Limits(max_connections=most, max_keepalive_connections=most)
        self.client = httpx.AsyncClient(
            base_url=settings.url,
            headers={"Authorization": f"Bearer {settings.token}"},
            timeout=httpx.Timeout(40, connect=5, pool=None),
            limits=limits,
        )

    async def _try(self, method: str, path: str, **how: Any) -> httpx.Response | None:
        try:
            return await self.client.request(method, path, **how)
        except httpx.TransportError:
            return None

    async def call(
        self, method: str, path: str, *, is_urgent: bool = False, **how: Any
    ) -> httpx.Response:
        """An answer that is one: outages and overload are waited for."""
        wait = FIRST_RETRY_S
        while True:
            async with nullcontext() if is_urgent else self.room:
                answer = await self._try(method, path, **how)
            if answer is not None:
                if answer.status_code in (401, 403):
                    raise Stopped(f"The portal refuses the token: {_detail(answer)}")
                if answer.status_code != 429 and answer.status_code < 500:
                    return answer
                wait = max(wait, float(answer.headers.get("Retry-After", 0)))
            await asyncio.sleep(wait * random.uniform(0.5, 1.0))
            wait = min(LAST_RETRY_S, wait * 2)

    async def document(
        self, run_id: str, kind: str, content: Any, *, is_urgent: bool = False
    ) -> dict[str, Any]:
        """Report a document; what became of it."""
        path = f"/api/v1/runs/{run_id}/{kind}"
        answer = await self.call("PUT", path, json=content, is_urgent=is_urgent)
        if answer.status_code >= 400:
            raise Ended(f"{kind} refused: {_code(answer)}")
        return answer.json()


def _detail(answer: httpx.Response) -> str:
    try:
        return str(answer.json().get("detail", answer.status_code))
    except ValueError:
        return str(answer.status_code)


def _code(answer: httpx.Response) -> str:
    try:
        return str(answer.json().get("code", answer.status_code))
    except ValueError:
        return str(answer.status_code)


@dataclass(slots=True)
class Checkpoint:
    """What has to survive a kill: the rest follows from it.

    `journal` are the acts from outside, each with the place in the story where it
    happened; `outcome` is empty while the run goes on.
    """

    run_id: str
    began: str = ""
    flags: dict[str, Any] = field(default_factory=dict)
    waves: list[int] = field(default_factory=lambda: [2, 2])
    place: int = 0
    journal: list[list[Any]] = field(default_factory=list)
    outcome: str = ""

    @classmethod
    def load(cls, path: Path, run_id: str) -> "Checkpoint":
        """The run's checkpoint, or a new one."""
        try:
            return cls(**json.loads(path.read_text()))
        except (OSError, ValueError, TypeError):
            return cls(run_id)

    def save(self, path: Path) -> None:
        """Write it so that a kill leaves the old one or the new one."""
        written = path.with_suffix(".tmp")
        names = ("run_id", "began", "flags", "waves", "place", "journal", "outcome")
        written.write_text(json.dumps({name: getattr(self, name) for name in names}))
        written.replace(path)


class Simulation:
    """All runs of a simulation."""

    def __init__(self, settings: Settings, say: Callable[[str], None]) -> None:
        self.settings = settings
        self.say = say
        self.portal = Portal(settings)
        self.asked: dict[str, list[dict[str, Any]]] = {}
        self.bells: dict[str, asyncio.Event] = {}
        self.outcomes: Counter[str] = Counter()
        self.room = asyncio.Semaphore(settings.at_once)

    async def go(self) -> Counter[str]:
        """Simulate until every run has ended; how they did."""
        self.settings.state.mkdir(parents=True, exist_ok=True)
        listener = asyncio.create_task(self._listen())
        try:
            async with asyncio.TaskGroup() as group:
                begun_at = time.monotonic()
                for number in range(1, self.settings.runs + 1):
                    checkpoint = self._checkpoint(number)
                    if checkpoint.outcome:
                        continue
                    await self.room.acquire()
                    group.create_task(self._one(number))
                    if checkpoint.began:
                        continue  # it goes on at once; only new runs keep to the rate
                    begun_at += 60 / self.settings.rate
                    await asyncio.sleep(max(0, begun_at - time.monotonic()))
        except* Stopped as stopped:
            raise Stopped(str(stopped.exceptions[0])) from None
        finally:
            listener.cancel()
            with suppress(asyncio.CancelledError, Stopped):
                await listener
            await self.portal.client.aclose()
        return self.outcomes

    async def _listen(self) -> None:
        """One long poll for all runs; each is woken when something is asked of it."""
        while True:
            began = time.monotonic()
            answer = await self.portal.call(
                "GET", f"/api/v1/directives?wait={POLL_S}", is_urgent=True
            )
            found: dict[str, list[dict[str, Any]]] = {}
            for each in answer.json().get("directives", []):
                found.setdefault(each["run_id"], []).append(each)
            self.asked = found
            for run_id in found:
                if run_id in self.bells:
                    self.bells[run_id].set()
            # What is asked is sent again until it is acknowledged.
            await asyncio.sleep(max(0, 0.2 - (time.monotonic() - began)))

    def _path(self, run_id: str) -> Path:
        return self.settings.state / f"{run_id}.json"

    def _run_id(self, number: int) -> str:
        return f"{self.settings.prefix}-{self.settings.seed}-{number:04d}"

    def _checkpoint(self, number: int) -> Checkpoint:
        run_id = self._run_id(number)
        return Checkpoint.load(self._path(run_id), run_id)

    async def _one(self, number: int) -> None:
        run_id = self._run_id(number)
        self.bells[run_id] = asyncio.Event()
        try:
            while True:
                checkpoint = self._checkpoint(number)
                if checkpoint.outcome:
                    break
                try:
                    await _Journey(self, number, checkpoint).go()
                except Crashed:
                    await asyncio.sleep(1 / self.settings.speed)
                except Ended as ended:
                    checkpoint.outcome = str(ended)
                    checkpoint.save(self._path(run_id))
                    self.outcomes[str(ended)] += 1
                    self.say(f"{run_id}: {ended}")
        finally:
            del self.bells[run_id]
            self.room.release()


class Crashed(Exception):
    """The run has lost everything but its checkpoint."""


class _Journey:
    """One run on its way."""

    def __init__(
        self, simulation: Simulation, number: int, checkpoint: Checkpoint
    ) -> None:
        self.simulation = simulation
        self.settings = simulation.settings
        self.portal = simulation.portal
        self.number = number
        self.checkpoint = checkpoint
        self.run_id = checkpoint.run_id
        self.run: Run | None = None

    async def go(self) -> None:
        """Go along the story to its end; always raises `Ended` or `Crashed`."""
        if not self.checkpoint.began:
            await self._decide()
        self._go_back_to_the_checkpoint()
        if self.run.manifest_revision:  # the last one may not have arrived
            await self._report("manifest", self.run.manifest())
        if self.run.status == "paused":  # it was, when it was killed
            await self._listen_for(0)
        while not self.run.is_over:
            step = self.run.steps[self.run.place]
            if isinstance(step, Advance):
                await self._may_advance(step)
            self.run.take()
            await self._do(step)
            self._save()
            await self._pass_time(step)
            if isinstance(step, Crash):
                raise Crashed
        if self.run.status not in FINAL:
            await self._wait_for_the_verdict()
        raise Ended(self.run.status)

    async def _decide(self) -> None:
        asked = {
            "run_id": self.run_id,
            "team": self._of(self.settings.teams),
            "mode": "standard",
            "query_class": self._of(self.settings.query_classes),
            "sensitivity": self.settings.sensitivity,
        }
        if self.settings.environment:
            asked["environment"] = self.settings.environment
        answer = await self.portal.call(
            "POST",
            "/api/v1/decisions",
            json=asked,
            headers={"Idempotency-Key": f"decide-{self.run_id}"},
        )
        if answer.status_code >= 400:
            raise Ended(f"no decision: {_code(answer)}")
        decision = answer.json()
        if decision["workflow"] != "option_c":
            raise Ended(f"standard workflow: {decision['reason']}")
        now = self.settings.clock or datetime.now(UTC)
        began = now + timedelta(seconds=self.settings.skew_s)
        flags = decision["flags"]
        self.checkpoint.flags = flags
        self.checkpoint.waves = [
            min(6, flags.get("PAI_DR_CLI_MAX_WAVE1_AGENTS", 2)),
            min(6, flags.get("PAI_DR_CLI_MAX_WAVE2_AGENTS", 2)),
        ]
        self.checkpoint.began = began.isoformat(timespec="milliseconds")
        self.checkpoint.save(self.simulation._path(self.run_id))

    def _of(self, choices: tuple[str, ...]) -> str:
        """One after the other, by the number of the run."""
        return choices[self.number % len(choices)]

    def _go_back_to_the_checkpoint(self) -> None:
        checkpoint = self.checkpoint
        plan = Plan(
            run_id=self.run_id,
            seed=f"{self.settings.seed}/{self.number}",
            waves=tuple(checkpoint.waves),
            pass_rates=self.settings.pass_rates,
            fault=self.settings.faults.get(self.number),
            stage_timeout_s=self.settings.stage_timeout_s,
            sensitivity=self.settings.sensitivity,
        )
        began = datetime.fromisoformat(checkpoint.began)
        run = self.run = Run(plan, checkpoint.flags, began)
        journal = list(checkpoint.journal)
        while run.place < checkpoint.place or journal:
            if journal and journal[0][0] == run.place:
                run.happens(Act(journal.pop(0)[1]))
            else:
                run.take()

    def _save(self) -> None:
        self.checkpoint.place = self.run.place
        self.checkpoint.save(self.simulation._path(self.run_id))

    async def _do(self, step: Step) -> None:
        run = self.run
        match step:
            case Manifest() | Advance():
                if step == Manifest(status="running") and run.is_over:
                    await self._revive()
                else:
                    await self._report("manifest", run.manifest())
            case Gate():
                await self._report("gates", run.gates_document())
            case Event():
                line = json.dumps(run.event(step)).encode()
                await self._sent(
                    await self.portal.call(
                        "POST", f"/api/v1/runs/{self.run_id}/events", content=line
                    )
                )
            case File() | Report():
                content = run.artifact(step)
                digest = b64encode(sha256(content).digest()).decode()
                await self._sent(
                    await self.portal.call(
                        "PUT",
                        f"/api/v1/runs/{self.run_id}/artifacts/{step.path}",
                        content=content,
                        headers={
                            "Content-Digest": f"sha-256=:{digest}:",
                            "Content-Type": "application/octet-stream",
                        },
                    )
                )
            case Hang():
                raise Ended("hung")

    async def _sent(self, answer: httpx.Response) -> None:
        if answer.status_code >= 400:
            raise Ended(f"refused: {_code(answer)}")

    async def _report(self, kind: str, document: dict[str, Any]) -> None:
        taken = await self.portal.document(self.run_id, kind, document)
        self._heed(taken["status"])

    def _heed(self, status: str) -> None:
        """Stop where the portal has ended the run."""
        if status in FINAL and self.run.status not in FINAL:
            raise Ended(f"{status} by the portal")

    async def _revive(self) -> None:
        try:
            await self.portal.document(self.run_id, "manifest", self.run.manifest())
        except Ended as refused:
            raise Ended(f"completed; revival {refused}") from None
        raise Ended("revived")

    async def _may_advance(self, step: Advance) -> None:
        """Ask until the portal allows it, or has ended the run."""
        while True:
            # Each question is a new one: the answer depends on the switch, now.
            key = f"{self.run_id}-{self.run.place}-{time.time_ns()}"
            answer = await self.portal.call(
                "POST",
                f"/api/v1/runs/{self.run_id}/advance",
                json={"from_stage": self.run.stage, "to_stage": step.onward},
                headers={"Idempotency-Key": key},
            )
            if answer.status_code == 200:
                return
            if self.settings.ignores_switch and _code(answer) == "DISABLED":
                return
            if _code(answer) in FOR_GOOD:
                await self._look_at_the_verdict()
                raise Ended(f"not allowed to go on: {_code(answer)}")
            await self._listen_for(ASK_AGAIN_S)
            await self._look_at_the_verdict()

    async def _wait_for_the_verdict(self) -> None:
        while True:
            await self._look_at_the_verdict()
            await self._listen_for(ASK_AGAIN_S)

    async def _look_at_the_verdict(self) -> None:
        answer = await self.portal.call("GET", f"/api/v1/runs/{self.run_id}")
        if answer.status_code == 200:
            self._heed(answer.json()["status"])

    async def _pass_time(self, step: Step) -> None:
        seconds = getattr(step, "seconds", 0.0) / self.settings.speed
        if seconds:
            await self._listen_for(seconds)

    # Checkpoints, where the run looks whether something is asked of it

    async def _listen_for(self, seconds: float) -> None:
        ends_at = time.monotonic() + seconds
        while True:
            await self._follow()
            left = ends_at - time.monotonic()
            if left <= 0 and self.run.status != "paused":
                return
            bell = self.simulation.bells[self.run_id]
            bell.clear()
            patience = left if self.run.status != "paused" else POLL_S
            with suppress(TimeoutError):
                await asyncio.wait_for(bell.wait(), max(0.01, patience))

    async def _follow(self) -> None:
        asked = self.simulation.asked.pop(self.run_id, [])
        for directive in asked:
            kind = directive["kind"]
            act = Act.CANCEL if kind in ("cancel", "reroute") else Act(kind)
            is_news = (act == Act.PAUSE) != (self.run.status == "paused")
            if act == Act.CANCEL or is_news:
                self.checkpoint.journal.append([self.run.place, str(act)])
                self.run.happens(act)
                self._save()
                await self.portal.document(
                    self.run_id, "manifest", self.run.manifest(), is_urgent=True
                )
            await self._acknowledge(directive)
            if act == Act.CANCEL:
                raise Ended(f"cancelled ({kind})")

    async def _acknowledge(self, directive: Mapping[str, Any]) -> None:
        # A refusal says that it is over; there is nothing left to do then.
        await self.portal.call(
            "POST",
            f"/api/v1/runs/{self.run_id}/directives/{directive['id']}/ack",
            json={"revision": self.run.manifest_revision},
            headers={"Idempotency-Key": f"ack-{directive['id']}"},
            is_urgent=True,
        )


def simulate(settings: Settings, say: Callable[[str], None]) -> Counter[str]:
    """Simulate; raises `Stopped` when it cannot go on."""
    return asyncio.run(Simulation(settings, say).go())
