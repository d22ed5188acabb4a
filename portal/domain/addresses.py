"""Which addresses the portal may speak to on somebody else's word.

Whoever names a target could name the portal's own neighbours: its database, a cloud's
metadata service, a printer. So a target is a name of the public network, spelled in the
one way that everybody reads alike, and every address that it leads to is public. Hosts
that the operator allows may be private, but never link-local.
"""

import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_network,
)
from urllib.parse import urlsplit

from portal.errors import Invalid, NotAllowed

LONGEST_URL = 2000
PORTS = frozenset({443, 8443})

IPAddress = IPv4Address | IPv6Address

# IANA's special-purpose registries, IPv4; what `is_global` says depends on the version
# of Python.
_NOT_PUBLIC_4 = [
    ip_network(each)
    for each in (
        "0.0.0.0/8",
        "10.0.0.0/8",
        "100.64.0.0/10",  # carrier-grade NAT
        "127.0.0.0/8",
        "169.254.0.0/16",
        "172.16.0.0/12",
        "192.0.0.0/24",
        "192.0.2.0/24",
        "192.31.196.0/24",
        "192.52.193.0/24",
        "192.88.99.0/24",
        "192.168.0.0/16",
        "192.175.48.0/24",
        "198.18.0.0/15",
        "198.51.100.0/24",
        "203.0.113.0/24",
        "224.0.0.0/3",  # multicast, reserved, broadcast
    )
]
# Of IPv6 only global unicast, without what carries an IPv4 address inside: mapped,
# compatible and NAT64 addresses are outside of it, 6to4 and Teredo are taken out.
_GLOBAL_UNICAST = ip_network("2000::/3")
_NOT_PUBLIC_6 = [
    ip_network(each)
    for each in (
        "2001::/23",  # Teredo, ORCHID, benchmarks
        "2001:db8::/32",
        "2002::/16",  # 6to4
        "2620:4f:8000::/48",
        "3fff::/20",
    )
]
# What an allowed host may be beside: never a metadata service, nor what is no host.
_PRIVATE = [
    ip_network(each)
    for each in (
        "10.0.0.0/8",
        "100.64.0.0/10",
        "127.0.0.0/8",
        "172.16.0.0/12",
        "192.168.0.0/16",
        "::1/128",
        "fc00::/7",
    )
]
_METADATA = [ip_network("fd00:ec2::/32"), ip_network("100.100.100.200/32")]
_LOCAL_NAMES = (
    *("localhost", "local", "localdomain", "internal", "intranet", "lan", "home"),
    *("corp", "private", "home.arpa", "in-addr.arpa", "ip6.arpa", "onion", "test"),
    *("invalid", "example"),
)
_LABEL = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\Z")
_SPELLED = re.compile(r"[\x21-\x7e]+\Z")
_QUAD = re.compile(
    r"(?:(?:25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)\.){3}"
    r"(?:25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)\Z"
)
_NUMERIC = re.compile(r"(?:\d+|0x[0-9a-f]*)\Z")


class ForbiddenAddress(NotAllowed):
    """The portal does not speak to this."""

    code = "ADDRESS_FORBIDDEN"


@dataclass(frozen=True, slots=True)
class Target:
    """Where a request goes, taken apart once; nobody reads the URL a second time."""

    scheme: str
    host: str  # lower case; without the brackets of IPv6
    port: int
    path: str  # with the query
    is_allowed: bool  # the operator has named this host

    @property
    def authority(self) -> str:
        """What the `Host` header says."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        usual = 443 if self.scheme == "https" else 80
        return host if self.port == usual else f"{host}:{self.port}"


def read_url(url: str, *, allowed: Collection[str] = ()) -> Target:
    """The target that a URL names.

    `allowed` has the hosts that the operator has named, as `host` or `host:port`; only
    they may be private, use other ports, or plain `http`. Raises `Invalid` for what
    cannot be read in one way only, `ForbiddenAddress` for what is not public.
    """
    if len(url) > LONGEST_URL or not _SPELLED.match(url) or "\\" in url:
        raise _unreadable(f"is at most {LONGEST_URL} printable ASCII characters")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise _unreadable("is no URL") from None
    if parts.scheme not in ("http", "https"):
        raise _unreadable("begins with https://")
    if "@" in parts.netloc or "%" in parts.netloc:
        raise _unreadable("has a host and nothing else between the slashes")
    if "#" in url:
        raise _unreadable("has no fragment")
    host = _host(parts.netloc)
    port = (443 if parts.scheme == "https" else 80) if port is None else port
    if port == 0:
        raise _unreadable("has no port 0")
    is_allowed = host in allowed or f"{host}:{port}" in allowed
    if not is_allowed:
        _check_public(host)
        if parts.scheme != "https":
            raise _forbidden("Only https is spoken to hosts that are not allowed.")
        if port not in PORTS:
            known = " and ".join(str(each) for each in sorted(PORTS))
            raise _forbidden(f"The ports are {known}.")
    path = parts.path or "/"
    query = f"?{parts.query}" if parts.query else ""
    return Target(parts.scheme, host, port, path + query, is_allowed)


def _host(netloc: str) -> str:
    """The host of an authority, in lower case; only spellings that are read alike."""
    netloc = netloc.lower()
    if netloc.startswith("["):
        literal = netloc[1:].split("]")[0]
        try:
            return str(IPv6Address(literal))
        except ValueError:
            raise _unreadable("has no IPv6 address between its brackets") from None
    host = netloc.partition(":")[0].removesuffix(".")
    labels = host.split(".")
    if len(host) > 253 or not all(_LABEL.match(label) for label in labels):
        raise _unreadable("names a host by letters, digits, hyphens and dots")
    if _NUMERIC.match(labels[-1]) and not _QUAD.match(host):
        raise _forbidden("An IPv4 address is written as four decimal numbers.")
    return host


def _check_public(host: str) -> None:
    if ":" in host or _QUAD.match(host):
        check_address(host, is_allowed=False)
        return
    is_local = any(host == name or host.endswith(f".{name}") for name in _LOCAL_NAMES)
    if "." not in host or is_local:
        raise _forbidden(f"{host} is no name of the public network.")


def check_address(address: str, *, is_allowed: bool) -> str:
    """The address, if it may be connected to; raises `ForbiddenAddress`."""
    try:
        found: IPAddress = ip_address(address)
    except ValueError:
        raise _forbidden("This is no address.") from None
    is_fine = is_public(found)
    if is_allowed:
        is_private = _is_in(found, _PRIVATE) and not _is_in(found, _METADATA)
        is_fine = is_fine or is_private
    if not is_fine or "%" in address:
        raise _forbidden(f"{found} is not to be spoken to.")
    return str(found)


def check_all(addresses: Iterable[str], *, is_allowed: bool) -> list[str]:
    """Every address that a name leads to; one that is forbidden forbids the name."""
    found = [check_address(each, is_allowed=is_allowed) for each in addresses]
    if not found:
        raise _forbidden("The name leads nowhere.")
    return found


def is_public(address: IPAddress) -> bool:
    """Whether this is an address of the public network, and nothing inside another."""
    if isinstance(address, IPv4Address):
        return not _is_in(address, _NOT_PUBLIC_4)
    return address in _GLOBAL_UNICAST and not _is_in(address, _NOT_PUBLIC_6)


def _is_in(address: IPAddress, networks: Iterable[IPv4Network | IPv6Network]) -> bool:
    return any(address in network for network in networks)


def _unreadable(says: str) -> Invalid:
    return Invalid(
        f"A target {says}.",
        code="TARGET_INVALID",
        errors=[{"pointer": "/target", "detail": says}],
    )


def _forbidden(says: str) -> ForbiddenAddress:
    return ForbiddenAddress(
        f"{says} The operator can allow a host in WEBHOOK_ALLOWED_HOSTS.",
        errors=[{"pointer": "/target", "detail": "is not to be spoken to"}],
    )
