"""The host names under which the service may be called, by the header `Host`.

A page of a name that an attacker points at this service would otherwise count as one of its own pages.
"""

import ipaddress
from dataclasses import dataclass
from functools import lru_cache
from http import HTTPStatus
from urllib.parse import urlsplit

from starlette.types import Scope

from server.settings import Settings

# Probes call a process by its address.
PROBE_PATHS = frozenset({"/healthz", "/readyz", "/metrics"})
MISDIRECTED_DETAIL = (
    "This service is not called by that host name. Set BATON_PUBLIC_URL to the address that people use, and "
    "BATON_HOSTS to further host names."
)
AMBIGUOUS_DETAIL = "A request has exactly one Host header."

_LOCAL = frozenset({"localhost", "127.0.0.1", "::1"})


@dataclass(frozen=True, slots=True)
class AllowedHosts:
    """Names and addresses that requests may use for this service.

    With `own_address`, the address at which a connection arrived is allowed, too. Listening on all addresses
    would otherwise answer only on the machine itself.
    """

    names: frozenset[str]
    own_address: bool = False

    @classmethod
    def of(cls, settings: Settings) -> "AllowedHosts":
        """Return the hosts of the settings: those that are set, else the local ones."""
        names = set(settings.host_names)
        if settings.public_url:
            return cls(frozenset({*names, urlsplit(settings.public_url).hostname or ""}))
        names |= {settings.host.lower(), *_LOCAL}
        return cls(frozenset(names), own_address=settings.host in {"0.0.0.0", "::"})  # noqa: S104 - compared

    def refusal(self, scope: Scope) -> tuple[HTTPStatus, str] | None:
        """Return the status and the reason of a refusal, or None for a request that may be answered."""
        values = [value for name, value in scope["headers"] if name == b"host"]
        if len(values) > 1:
            return HTTPStatus.BAD_REQUEST, AMBIGUOUS_DETAIL
        host = host_name(values[0].decode("latin-1")) if values else None
        if host is None or not self._allows(host, scope):
            return HTTPStatus.MISDIRECTED_REQUEST, MISDIRECTED_DETAIL
        return None

    def _allows(self, host: str, scope: Scope) -> bool:
        if host in self.names:
            return True
        if self.own_address and scope.get("server") and host == scope["server"][0]:
            return True
        return scope["path"] in PROBE_PATHS and (host in _LOCAL or _is_address(host))


@lru_cache(64)
def host_name(value: str) -> str | None:
    """Return the name in a Host header, in lower case and without a port; None if it is malformed."""
    try:
        parts = urlsplit(f"//{value}")
        _ = parts.port  # raises for a port that is none
    except ValueError:
        return None
    if parts.netloc != value or "@" in value or not value.isascii():
        return None
    return (parts.hostname or "").rstrip(".") or None


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
