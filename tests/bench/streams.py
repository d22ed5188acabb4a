"""A thousand streams: what they cost, and how fast all of them are told."""

import asyncio
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import httpx
import psycopg

from portal.services.bell import EDGE
from tests.bench import servers
from tests.faults.conftest import KEY, ROOT, Portal
from tests.live import a_free_port

STREAMS = 1000
ROUNDS = 5
MOST_MB = 150
SETTLE_S = 3.0


def figures() -> Iterator[dict[str, object]]:
    """The edge and the bare app are started and ended here."""
    with servers.a_portal() as portal:
        yield from asyncio.run(_measured(portal, portal.token))


async def _measured(portal: Portal, token: str) -> list[dict[str, object]]:
    bare_port, edge_port = a_free_port(), a_free_port()
    bare = _start(
        portal,
        *("-m", "uvicorn", "tests.bench.fanout:application", "--port", str(bare_port)),
        *("--no-access-log", "--log-level", "warning", "--backlog", "2048"),
    )
    edge = _start(portal, "manage.py", "edge", "--port", str(edge_port))
    try:
        for port, path in ((bare_port, "/"), (edge_port, "/livez")):
            await _until_it_answers(port, path)
        edge_path = _stream_of(edge_port, token)
        idle_mb = _megabytes(edge)
        crowds = {
            "bare": await Crowd.gathered(bare_port, "/stream"),
            "edge": await Crowd.gathered(edge_port, edge_path),
        }
        await asyncio.sleep(SETTLE_S)
        full_mb = _megabytes(edge)
        waits: dict[str, list[float]] = {"bare": [], "edge": []}
        spreads: list[float] = []
        for _ in range(ROUNDS):
            waits["bare"].append(await _fired(crowds["bare"], bare_port))
            thrown, spread = await _thrown(crowds["edge"], portal)
            waits["edge"].append(thrown)
            spreads.append(spread)
            await asyncio.to_thread(portal.release_switch)
            await asyncio.sleep(1)
        for crowd in crowds.values():
            crowd.go()
    finally:
        for process in (bare, edge):
            process.kill()  # it would wait for its streams
            process.wait()
    bare_s, edge_s = (statistics.median(each) for each in waits.values())
    return [
        {
            "what": f"memory of an edge process with {STREAMS} idle streams",
            "n": STREAMS,
            "without_mb": idle_mb,
            "with_mb": full_mb,
            "bar": MOST_MB,
            "is_met": full_mb < MOST_MB,
        },
        {
            "what": "switch thrown, from the commit to the slowest percent of "
            f"{STREAMS} streams / bare ASGI fan-out",
            "rounds": ROUNDS,
            "bare_p99_ms": round(1000 * bare_s, 1),
            "edge_p99_ms": round(1000 * edge_s, 1),
            "edge_first_to_p99_ms": round(1000 * statistics.median(spreads), 1),
            "ratio": round(edge_s / bare_s, 2),
            "bar": 2.0,
            "is_met": edge_s <= 2 * bare_s,
        },
    ]


class Crowd:
    """Connections that note when they were told."""

    def __init__(self) -> None:
        self.told_at: list[float] = []
        self.everybody = asyncio.Event()
        self._transports: list[asyncio.Transport] = []

    @classmethod
    async def gathered(cls, port: int, path: str) -> "Crowd":
        """All of them, connected."""
        crowd = cls()
        loop = asyncio.get_running_loop()
        for _ in range(STREAMS):
            transport, _ = await loop.create_connection(
                lambda: _Stream(crowd, path), "127.0.0.1", port
            )
            crowd._transports.append(transport)
        await asyncio.sleep(1)
        return crowd

    def expect(self) -> None:
        """Forget what was before."""
        self.told_at.clear()
        self.everybody.clear()

    def tell(self) -> None:
        """One of them was told."""
        self.told_at.append(time.perf_counter())
        if len(self.told_at) == STREAMS:
            self.everybody.set()

    async def p99(self, since: float) -> float:
        """How long the slowest percent waited; everybody has to have been told."""
        async with asyncio.timeout(30):
            await self.everybody.wait()
        return sorted(self.told_at)[int(0.99 * STREAMS)] - since

    def go(self) -> None:
        """Hang up."""
        for transport in self._transports:
            transport.abort()


class _Stream(asyncio.Protocol):
    """One connection, as cheap as can be."""

    def __init__(self, crowd: Crowd, path: str) -> None:
        self.crowd, self.path = crowd, path

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        transport.write(f"GET {self.path} HTTP/1.1\r\nHost: bench\r\n\r\n".encode())

    def data_received(self, data: bytes) -> None:
        if b"refetchEvaluation" in data:
            self.crowd.tell()


async def _fired(crowd: Crowd, port: int) -> float:
    crowd.expect()
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    since = time.perf_counter()
    writer.write(b"POST /fire HTTP/1.1\r\nHost: bench\r\nConnection: close\r\n\r\n")
    waited = await crowd.p99(since)
    await reader.read()
    writer.close()
    return waited


async def _thrown(crowd: Crowd, portal: Portal) -> tuple[float, float]:
    """From the commit, and from the first that was told, to the slowest percent."""
    crowd.expect()
    committed: list[float] = []
    is_listening = threading.Event()

    def listen() -> None:
        with psycopg.connect(
            host=str(portal.servers.sockets),
            user="portal",
            dbname="portal",
            autocommit=True,
        ) as connection:
            connection.execute(f"LISTEN {EDGE}")
            is_listening.set()
            for _ in connection.notifies(timeout=30, stop_after=1):
                committed.append(time.perf_counter())

    listener = threading.Thread(target=listen)
    listener.start()
    await asyncio.to_thread(is_listening.wait)
    await asyncio.to_thread(
        portal.manage, "engage_switch", KEY, "--reason", "The bench throws it."
    )
    await asyncio.to_thread(listener.join)
    waited = await crowd.p99(committed[0])
    return waited, waited - (min(crowd.told_at) - committed[0])


def _start(portal: Portal, *arguments: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, *arguments],
        cwd=ROOT,
        env=portal.environment,
        stdin=subprocess.DEVNULL,
    )


async def _until_it_answers(port: int, path: str) -> None:
    async with httpx.AsyncClient() as client:
        for _ in range(200):
            with suppress(httpx.HTTPError):
                await client.get(f"http://127.0.0.1:{port}{path}")
                return
            await asyncio.sleep(0.1)
    raise SystemExit("error: a server does not answer")


def _stream_of(port: int, token: str) -> str:
    answer = httpx.post(
        f"http://127.0.0.1:{port}/ofrep/v1/evaluate/flags",
        headers={"Authorization": f"Bearer {token}"},
        json={},
    )
    return str(answer.json()["eventStreams"][0]["endpoint"]["requestUri"])


def _megabytes(process: subprocess.Popen[bytes]) -> float:
    status = Path(f"/proc/{process.pid}/status").read_text()
    kilobytes = status.split("VmRSS:")[1].split()[0]
    return round(int(kilobytes) / 1024, 1)
