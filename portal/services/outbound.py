"""Speaking to hosts that somebody has named, and to no others.

A name is resolved once, every address is checked, and the connection goes to what was
checked; TLS still asks for the name. No redirects, no proxies from the environment, no
cookies, nothing unpacked; one deadline for everything, however slowly a host answers.
"""

import socket
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from ssl import SSLContext
from typing import Any

import httpcore
import httpx

from portal.domain.addresses import Target, check_all

RESOLVE_LIMIT_S = 3.0
EXCERPT_BYTES = 300

Resolve = Callable[[str, int], Sequence[str]]


class Unreached(Exception):
    """No answer; the message says why, in words that may be shown."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back; `excerpt` is the beginning of what a failure says."""

    status: int
    retry_after: str = ""
    excerpt: str = ""


def resolve(host: str, port: int) -> list[str]:
    """The addresses of a host, as the system knows them; raises `Unreached`."""
    found: list[str] = []

    def ask() -> None:
        try:
            known = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError):
            return
        found.extend(dict.fromkeys(str(each[4][0]) for each in known))

    # The system's resolver knows no time limit.
    asking = threading.Thread(target=ask, daemon=True)
    asking.start()
    asking.join(RESOLVE_LIMIT_S)
    if not found:
        raise Unreached(f"The name {host} is not known, or nobody says so in time.")
    return list(found)


def post(
    target: Target,
    body: bytes,
    headers: dict[str, str],
    *,
    resolve: Resolve = resolve,
    limit_s: float,
    tls: SSLContext | None = None,
) -> Answer:
    """POST once and read the status; a body is read only of failures, and not far.

    Raises `ForbiddenAddress` before anything is sent, `Unreached` without an answer.
    """
    if target.scheme == "https":
        tls = tls or _usual_tls()
    deadline = time.monotonic() + limit_s
    addresses = check_all(
        resolve(target.host, target.port), is_allowed=target.is_allowed
    )
    url = httpcore.URL(
        scheme=target.scheme, host=target.host, port=target.port, target=target.path
    )
    backend = _Pinned(addresses, deadline)
    try:
        with (
            httpcore.ConnectionPool(
                ssl_context=tls,
                network_backend=backend,
                max_keepalive_connections=0,
            ) as pool,
            pool.stream(
                "POST",
                url,
                headers={"Host": target.authority, "Connection": "close", **headers},
                content=body,
            ) as response,
        ):
            return _read(response)
    except httpcore.TimeoutException:
        raise Unreached(f"No whole answer within {limit_s:g} s.") from None
    except httpcore.ConnectError as error:
        raise Unreached(f"No connection: {error}"[:300]) from None
    except (httpcore.NetworkError, httpcore.ProtocolError) as error:
        raise Unreached(f"It broke off: {error}"[:300]) from None


@cache
def _usual_tls() -> SSLContext:
    """Reading the authorities takes a while; a process does it once."""
    return httpx.create_ssl_context()


def _read(response: httpcore.Response) -> Answer:
    """The status counts, whatever becomes of the body."""
    given = {name.lower(): value for name, value in response.headers}
    excerpt = b""
    if not 200 <= response.status < 300:
        excerpt = _beginning(response.iter_stream())
    return Answer(
        response.status,
        given.get(b"retry-after", b"").decode("latin-1")[:100],
        excerpt.decode("utf-8", "replace").replace("\0", "�"),
    )


def _beginning(chunks: Iterable[bytes]) -> bytes:
    read = b""
    try:
        for chunk in chunks:
            read += chunk
            if len(read) >= EXCERPT_BYTES:
                break
    except (httpcore.TimeoutException, httpcore.NetworkError, httpcore.ProtocolError):
        pass  # an answer with a status is an answer
    return read[:EXCERPT_BYTES]


class _Pinned(httpcore.NetworkBackend):
    """Connects to the addresses that were checked, whatever name it is given."""

    def __init__(self, addresses: Sequence[str], deadline: float) -> None:
        self._addresses = addresses
        self._deadline = deadline
        self._inner = httpcore.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        failure: Exception = httpcore.ConnectError("no address")
        for address in self._addresses:
            try:
                stream = self._inner.connect_tcp(
                    address, port, timeout=_left(self._deadline)
                )
            except httpcore.ConnectError as error:
                failure = error
                continue
            return _Limited(stream, self._deadline)
        raise failure

    def connect_unix_socket(
        self, path: str, timeout: float | None = None, socket_options: Any = None
    ) -> httpcore.NetworkStream:
        raise httpcore.ConnectError("no sockets of this host")

    def sleep(self, seconds: float) -> None:
        time.sleep(min(seconds, _left(self._deadline)))


class _Limited(httpcore.NetworkStream):
    """A stream with one deadline, instead of a new limit for every byte."""

    def __init__(self, inner: httpcore.NetworkStream, deadline: float) -> None:
        self._inner = inner
        self._deadline = deadline

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._inner.read(max_bytes, timeout=_left(self._deadline))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._inner.write(buffer, timeout=_left(self._deadline))

    def close(self) -> None:
        self._inner.close()

    def start_tls(
        self,
        ssl_context: SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> httpcore.NetworkStream:
        secured = self._inner.start_tls(
            ssl_context, server_hostname, timeout=_left(self._deadline)
        )
        return _Limited(secured, self._deadline)

    def get_extra_info(self, info: str) -> Any:
        return self._inner.get_extra_info(info)


def _left(deadline: float) -> float:
    """The time that is left; raises httpcore's own exception when there is none."""
    left = deadline - time.monotonic()
    if left <= 0:
        raise httpcore.ReadTimeout("the deadline has passed")
    return left
