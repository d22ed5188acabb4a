"""A receiver of webhooks that behaves as badly as it is told to."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

Behaviour = Callable[[socket.socket, threading.Event], None]


@dataclass
class Request:
    """What came in: the headers in lower case, and the body."""

    line: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Receiver:
    """A listening socket; `behaviours` are used up one by one, the last one stays."""

    port: int
    behaviours: list[Behaviour]
    requests: list[Request] = field(default_factory=list)
    connections: int = 0
    broken_off: int = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hook"

    def next_behaviour(self) -> Behaviour:
        if len(self.behaviours) > 1:
            return self.behaviours.pop(0)
        return self.behaviours[0]


def answers(status: int, *headers: str, body: bytes = b"ok") -> Behaviour:
    """An ordinary answer."""

    def behave(peer: socket.socket, stopped: threading.Event) -> None:
        lines = [f"HTTP/1.1 {status} Whatever", f"Content-Length: {len(body)}"]
        head = "\r\n".join([*lines, "Connection: close", *headers, "", ""])
        peer.sendall(head.encode() + body)

    return behave


def trickles_headers(peer: socket.socket, stopped: threading.Event) -> None:
    """A header that never ends, one byte at a time."""
    peer.sendall(b"HTTP/1.1 200 OK\r\nX-Slow: ")
    while not stopped.wait(0.05):
        peer.sendall(b"x")


def trickles_body(status: int) -> Behaviour:
    """A body that never ends, one byte at a time."""

    def behave(peer: socket.socket, stopped: threading.Event) -> None:
        peer.sendall(f"HTTP/1.1 {status} W\r\nContent-Length: 999999\r\n\r\n".encode())
        while not stopped.wait(0.05):
            peer.sendall(b"x")

    return behave


def floods(peer: socket.socket, stopped: threading.Event) -> None:
    """A failure with a body that is as large as whoever reads it lets it be."""
    peer.sendall(b"HTTP/1.1 500 W\r\nTransfer-Encoding: chunked\r\n\r\n")
    chunk = b"10000\r\n" + b"x" * 65536 + b"\r\n"
    while not stopped.is_set():
        peer.sendall(chunk)


def says_nothing(peer: socket.socket, stopped: threading.Event) -> None:
    """Takes the request, and that is all."""
    stopped.wait(60)


@contextmanager
def a_receiver(*behaviours: Behaviour, wrap=None) -> Iterator[Receiver]:
    """A receiver in a thread; `wrap(socket)` can put TLS around each connection."""
    stopped = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(0.05)
        receiver = Receiver(listener.getsockname()[1], list(behaviours))

        def serve(peer: socket.socket) -> None:
            with suppress(OSError), peer if wrap is None else wrap(peer) as talking:
                talking.settimeout(5)
                request = _read(talking)
                if request is not None:
                    receiver.requests.append(request)
                    try:
                        receiver.next_behaviour()(talking, stopped)
                    except OSError:
                        receiver.broken_off += 1

        def listen() -> None:
            while not stopped.is_set():
                try:
                    peer, _ = listener.accept()
                except TimeoutError:
                    continue
                except OSError:
                    return
                receiver.connections += 1
                threading.Thread(target=serve, args=(peer,), daemon=True).start()

        thread = threading.Thread(target=listen, daemon=True)
        thread.start()
        try:
            yield receiver
        finally:
            stopped.set()
            thread.join(5)


def _read(peer: socket.socket) -> Request | None:
    raw = b""
    while b"\r\n\r\n" not in raw:
        more = peer.recv(65536)
        if not more:
            return None
        raw += more
    head, _, body = raw.partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    headers = {
        name.lower(): value.strip()
        for name, _, value in (line.partition(":") for line in lines)
    }
    while len(body) < int(headers.get("content-length", 0)):
        body += peer.recv(65536)
    return Request(first, headers, body)


def eventually(condition: Callable[[], object], *, limit_s: float = 5) -> bool:
    """Whether it comes true in time."""
    deadline = time.monotonic() + limit_s
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.01)
    return False
