"""Limits of open TCP connections, per address and in all: file descriptors remain for the service itself."""

import ipaddress
import resource
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from contextlib import suppress
from enum import Enum
from functools import lru_cache, partial

import structlog
from prometheus_client import Gauge

from rules.network_address import network_of

RESERVED_DESCRIPTORS = 128  # for the database, pub/sub, outgoing requests and files
HEALTH_CONNECTIONS = 64  # above the limit for all: they get answers about health only
WARNING_SHARE = 0.8
WARNING_SECONDS = 60.0
_ADDRESSES_KEPT = 1_024

CONNECTIONS = Gauge("baton_open_connections", "Open TCP connections of clients.")

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

_logger = structlog.get_logger(__name__)


class Admission(Enum):
    """Decision on a new connection."""

    ADMITTED = "admitted"
    HEALTH_ONLY = "health only"
    REFUSED = "refused"


class ConnectionLimits:
    """Open connections of this process, counted per address: an IPv4 address, or the /64 of an IPv6 address.

    `trusted` are the networks of proxies, to which the limit per address does not apply.
    """

    def __init__(self, per_address: int, in_all: int, trusted: Iterable[Network] = ()) -> None:
        self._per_address, self._in_all = per_address, in_all
        # Behind a proxy, all connections come from its address.
        self._is_trusted = lru_cache(_ADDRESSES_KEPT)(partial(_is_in, list(trusted)))
        self._counts: Counter[str] = Counter()
        self._open = 0
        self._warned_at = float("-inf")

    def admit(self, address: str) -> Admission:
        """Decide on a connection, and count it unless it is refused. Call `release` at its end."""
        group = network_of(address)
        if self._counts[group] >= self._per_address and not self._is_trusted(address):
            self._warn("connections.address_limit", address=address, limit=self._per_address)
            return Admission.REFUSED
        if self._open >= self._in_all + HEALTH_CONNECTIONS:
            return Admission.REFUSED
        self._counts[group] += 1
        self._open += 1
        CONNECTIONS.inc()
        if self._open > WARNING_SHARE * self._in_all:
            self._warn("connections.many", open=self._open, limit=self._in_all)
        return Admission.ADMITTED if self._open <= self._in_all else Admission.HEALTH_ONLY

    def release(self, address: str) -> None:
        """Forget a connection that `admit` has counted."""
        group = network_of(address)
        self._counts[group] -= 1
        if not self._counts[group]:
            del self._counts[group]
        self._open -= 1
        CONNECTIONS.dec()

    def _warn(self, event: str, **values: object) -> None:
        now = time.monotonic()
        if now - self._warned_at >= WARNING_SECONDS:
            self._warned_at = now
            _logger.warning(event, **values)


def _is_in(networks: Sequence[Network], address: str) -> bool:
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return not address  # a Unix socket has no address
    return any(parsed in network for network in networks)


def trusted_networks(text: str) -> list[Network]:
    """Return the networks in a value of uvicorn's FORWARDED_ALLOW_IPS; `*` trusts every address."""
    items = [item.strip() for item in text.split(",")]
    if "*" in items:
        items = ["0.0.0.0/0", "::/0"]
    networks = []
    for item in items:
        with suppress(ValueError):  # uvicorn takes other words as the names of Unix sockets
            networks.append(ipaddress.ip_network(item))
    return networks


def raise_descriptor_limit() -> int:
    """Raise the soft limit of file descriptors to the hard one, and return it."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard


def connections_in_all(descriptors: int) -> int:
    """Return how many connections the process can have with this limit of file descriptors."""
    return max(descriptors - RESERVED_DESCRIPTORS - HEALTH_CONNECTIONS, HEALTH_CONNECTIONS)
