"""The portal, as the agent calls it: patient for a while, then away."""

import asyncio
import random
import time
from collections.abc import AsyncIterator, Mapping
from typing import Any
from urllib.parse import quote

import httpx
import structlog

from rollout.agent.config import PortalConfig
from rollout.domain.artifacts import field_from_digest

FIRST_RETRY_S = 0.25
LAST_URGENT_S, LAST_REPORT_S = 5.0, 30.0
PATIENCE_S = 15.0
LONGEST_RETRY_AFTER_S = 300.0
POLL_S = 25
MOST_CONNECTIONS = 12

log = structlog.get_logger(__name__)


class Away(Exception):
    """The portal does not answer, or not to this agent."""


class Said(Exception):
    """The portal says no; `code` and `facts` are those of its problem."""

    def __init__(self, answer: httpx.Response) -> None:
        try:
            found = answer.json()
        except ValueError:
            found = {}
        self.facts: Mapping[str, Any] = found if isinstance(found, dict) else {}
        self.status = answer.status_code
        self.code = str(self.facts.get("code") or answer.status_code)
        super().__init__(str(self.facts.get("detail") or self.code))


class Lane:
    """Calls that wait together, so that the portal's return meets no crowd."""

    def __init__(self, longest_s: float) -> None:
        self.longest_s = longest_s
        self.wait_s = FIRST_RETRY_S
        self.not_before = 0.0
        self.trouble = ""

    def is_well(self) -> None:
        """It answers."""
        self.wait_s, self.not_before, self.trouble = FIRST_RETRY_S, 0.0, ""

    def failed(self, trouble: str, retry_after: str | None = None) -> None:
        """It does not; of several that fail together one counts."""
        if trouble != self.trouble:
            log.warning("portal_away", trouble=trouble)
        self.trouble = trouble
        now = time.monotonic()
        asked = float(retry_after) if (retry_after or "").isdigit() else 0.0
        wait = self.wait_s * random.uniform(0.5, 1.0)
        if self.not_before <= now:
            self.wait_s = min(self.longest_s, self.wait_s * 2)
        self.not_before = max(
            self.not_before, now + max(wait, min(asked, LONGEST_RETRY_AFTER_S))
        )


class Portal:
    """HTTP and a token; every call can be made again without harm.

    What is urgent (settings, decisions, directives) never waits because the vault of
    the portal is full: reports have a lane of their own.
    """

    def __init__(self, config: PortalConfig) -> None:
        self.rollout = config.rollout
        self.urgent = Lane(LAST_URGENT_S)
        self.reports = Lane(LAST_REPORT_S)
        limits = httpx.Limits(
            max_connections=MOST_CONNECTIONS, max_keepalive_connections=MOST_CONNECTIONS
        )
        self.client = httpx.AsyncClient(
            base_url=f"{config.url}/api/v1",
            headers={"Authorization": f"Bearer {config.token}"},
            timeout=httpx.Timeout(30, connect=5, pool=None),
            limits=limits,
        )

    async def close(self) -> None:
        """Let go of its connections."""
        await self.client.aclose()

    @property
    def trouble(self) -> str:
        """Why it is away, or nothing."""
        return self.urgent.trouble or self.reports.trouble

    async def call(
        self,
        method: str,
        path: str,
        *,
        lane: Lane | None = None,
        patience_s: float = PATIENCE_S,
        **how: Any,
    ) -> httpx.Response:
        """An answer below 400; `Said` for a refusal, `Away` after some patience."""
        lane = lane or self.urgent
        deadline = time.monotonic() + patience_s
        how["params"] = {"rollout": self.rollout, **how.get("params", {})}
        while True:
            now = time.monotonic()
            if lane.not_before > deadline:
                raise Away(lane.trouble)
            await asyncio.sleep(max(0.0, lane.not_before - now))
            answer = await self._try(lane, method, path, **how)
            if answer is not None:
                return answer
            if time.monotonic() >= deadline:
                raise Away(lane.trouble)

    async def _try(
        self, lane: Lane, method: str, path: str, **how: Any
    ) -> httpx.Response | None:
        """An answer that is one, or None after making a note of when to try again."""
        try:
            answer = await self.client.request(method, path, **how)
        except (httpx.TransportError, httpx.DecodingError) as error:
            lane.failed(f"{type(error).__name__} {error}".strip())
            return None
        status = answer.status_code
        if status == 429 or status >= 500:
            lane.failed(f"It answers {status}.", answer.headers.get("Retry-After"))
            return None
        if status in (401, 403):
            lane.failed(f"It refuses the token: {Said(answer)}")
            return None
        lane.is_well()
        if status >= 400:
            raise Said(answer)
        return answer

    # What the agent asks

    async def settings(
        self, known: Mapping[str, str | None], etag: str
    ) -> httpx.Response:
        """The settings export: 200 or 304, at once or not at all."""
        headers = {"If-None-Match": etag} if etag else {}
        params = {name: value for name, value in known.items() if value is not None}
        return await self.call(
            "GET",
            "/settings-export",
            params=params,
            headers=headers,
            patience_s=0,
            timeout=5,
        )

    async def decide(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        """The decision for a run, asked anew each time."""
        key = f"agent-{time.time_ns()}-{random.randrange(2**32)}"
        answer = await self.call(
            "POST", "/decisions", json=dict(asked), headers={"Idempotency-Key": key}
        )
        return answer.json()

    async def decision(self, decision_id: str) -> dict[str, Any]:
        """A decision that was made before."""
        path = f"/decisions/{quote(decision_id, safe='')}"
        return (await self.call("GET", path)).json()

    async def directives(self) -> list[dict[str, Any]]:
        """What is asked of all runs; waits until something is."""
        answer = await self.call(
            "GET", "/directives", params={"wait": str(POLL_S)}, timeout=POLL_S + 15
        )
        return list(answer.json()["directives"])

    async def directives_of(self, run_id: str) -> list[dict[str, Any]]:
        """What is asked of a run now."""
        answer = await self.call("GET", f"{_run(run_id)}/directives")
        return list(answer.json()["directives"])

    async def acknowledge(self, run_id: str, directive_id: str, revision: int) -> None:
        """A directive has been followed, as this revision of the manifest shows."""
        await self.call(
            "POST",
            f"{_run(run_id)}/directives/{quote(directive_id, safe='')}/ack",
            json={"revision": revision},
            headers={"Idempotency-Key": f"ack-{directive_id}"},
        )

    async def document(self, run_id: str, kind: str, raw: bytes) -> dict[str, Any]:
        """Report a document; what became of it, and of its run."""
        answer = await self.call(
            "PUT",
            f"{_run(run_id)}/{kind}",
            lane=self.reports,
            content=raw,
            headers={"Content-Type": "application/json"},
        )
        return answer.json()

    async def events(self, run_id: str, lines: bytes) -> None:
        """Report whole lines of telemetry."""
        await self.call(
            "POST",
            f"{_run(run_id)}/events",
            lane=self.reports,
            content=lines,
            headers={"Content-Type": "application/x-ndjson"},
        )

    async def artifact(
        self,
        run_id: str,
        path: str,
        digest: str,
        size: int,
        content: bytes | AsyncIterator[bytes],
    ) -> None:
        """Send a file."""
        await self.call(
            "PUT",
            f"{_run(run_id)}/artifacts/{quote(path)}",
            lane=self.reports,
            patience_s=PATIENCE_S if isinstance(content, bytes) else 0,  # read once
            content=content,
            headers={
                "Content-Digest": field_from_digest(digest),
                "Content-Length": str(size),
                "Content-Type": "application/octet-stream",
            },
            timeout=httpx.Timeout(120, connect=5, pool=None),
        )

    async def run(self, run_id: str) -> dict[str, Any]:
        """A run as the portal sees it."""
        return (await self.call("GET", _run(run_id))).json()

    async def fetch(self, run_id: str, path: str) -> bytes:
        """A small artifact's bytes."""
        found = await self.call("GET", f"{_run(run_id)}/artifacts/{quote(path)}")
        return found.content

    async def report(self, name: str, facts: Mapping[str, Any]) -> list[dict[str, Any]]:
        """Say how the agent is; the runs that the portal has ended."""
        answer = await self.call("PUT", f"/agents/{quote(name)}", json=dict(facts))
        return list(answer.json()["ended"])


def _run(run_id: str) -> str:
    return f"/runs/{quote(run_id, safe='')}"
