"""Load over raw sockets: one process, a few microseconds per request of its own."""

import json
import selectors
import socket
import statistics
import time
from collections.abc import Callable, Sequence
from typing import NamedTuple

CONNECTIONS = 8
ROUNDS = 24
ROUND_S = 0.5
WARM_S = 2.0


class Load(NamedTuple):
    """What came back."""

    per_s: float
    latencies_s: list[float]
    busy: float  # the share of its time that the client itself worked

    @property
    def p99_ms(self) -> float:
        """The latency that one request in a hundred exceeds."""
        ordered = sorted(self.latencies_s)
        return ordered[int(0.99 * len(ordered))] * 1000


class Side(NamedTuple):
    """One of two servers under the same load."""

    port: int
    requests: Sequence[bytes]


class Compared(NamedTuple):
    """Two sides, measured by turns, and what the client did meanwhile."""

    left: list[Load]
    right: list[Load]

    def median(self, of: Callable[[Load], float]) -> tuple[float, float, float]:
        """Of both sides, and of the ratios of their rounds."""
        left, right = list(map(of, self.left)), list(map(of, self.right))
        ratios = [a / b for a, b in zip(left, right, strict=True)]
        return (
            statistics.median(left),
            statistics.median(right),
            statistics.median(ratios),
        )

    @property
    def busy(self) -> float:
        """How much of its time the client worked, at most; near 1 it is too slow."""
        return max(each.busy for each in [*self.left, *self.right])


def post(path: str, body: object, **headers: str) -> bytes:
    """A request as it goes over the wire."""
    raw = json.dumps(body).encode()
    lines = [
        f"POST {path} HTTP/1.1",
        "Host: bench",
        "Content-Type: application/json",
        f"Content-Length: {len(raw)}",
        *(f"{name}: {value}" for name, value in headers.items()),
    ]
    return "\r\n".join([*lines, "", ""]).encode() + raw


def load(side: Side, *, connections: int = CONNECTIONS, seconds: float) -> Load:
    """Each connection asks one request after the other, for so long."""
    with selectors.DefaultSelector() as selector:
        opened = [_Connection(side, n * 37) for n in range(connections)]
        try:
            for each in opened:
                selector.register(each.socket, selectors.EVENT_READ, each)
            began, worked = time.perf_counter(), time.process_time()
            for each in opened:
                each.ask()
            latencies: list[float] = []
            while time.perf_counter() - began < seconds:
                for key, _ in selector.select(timeout=5):
                    if (waited := key.data.hear()) is not None:
                        latencies.append(waited)
                        key.data.ask()
            took = time.perf_counter() - began
            busy = (time.process_time() - worked) / took
        finally:
            for each in opened:
                each.socket.close()
    return Load(len(latencies) / took, latencies, busy)


class _Connection:
    def __init__(self, side: Side, first: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", side.port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.requests, self.number = side.requests, first
        self.asked_at = 0.0
        self.heard = b""

    def ask(self) -> None:
        self.heard = b""
        self.number += 1
        self.asked_at = time.perf_counter()
        self.socket.sendall(self.requests[self.number % len(self.requests)])

    def hear(self) -> float | None:
        """Read on; how long the answer took, once it is whole."""
        part = self.socket.recv(262_144)
        self.heard = self.heard + part if self.heard else part
        end = self.heard.find(b"\r\n\r\n")
        if end < 0 and part:
            return None
        if not self.heard.startswith(b"HTTP/1.1 200"):
            raise SystemExit(f"error: not an answer: {self.heard[:500]!r}")
        head = self.heard[:end].lower()
        length = int(head.partition(b"content-length: ")[2].partition(b"\r\n")[0])
        if len(self.heard) < end + 4 + length:
            return None
        return time.perf_counter() - self.asked_at


def compare(
    left: Side,
    right: Side,
    *,
    connections: int = CONNECTIONS,
    rounds: int = ROUNDS,
    seconds: float = ROUND_S,
    warm_s: float = WARM_S,
) -> Compared:
    """Both sides under load, never together.

    By turns in short rounds, in changing order: what else the machine does meets both.
    """
    for side in (left, right):
        load(side, connections=connections, seconds=warm_s)
    found = Compared([], [])
    for number in range(rounds):
        turns = [(left, found.left), (right, found.right)]
        for side, loads in turns if number % 2 else turns[::-1]:
            loads.append(load(side, connections=connections, seconds=seconds))
    return found
