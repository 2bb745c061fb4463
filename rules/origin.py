"""Origins of web pages, as browsers name them: a scheme, a host and a port."""

from collections.abc import Iterable
from urllib.parse import urlsplit

_DEFAULT_PORTS = {"http": 80, "https": 443, "ws": 80, "wss": 443}

HostPort = tuple[str, int | None]


def host_and_port(url: str) -> HostPort | None:
    """Return the host and port of an origin or URL; None if it has none, such as the `null` of a sandbox."""
    try:
        parts = urlsplit(url)
        port = parts.port or _DEFAULT_PORTS.get(parts.scheme)
    except ValueError:
        return None
    return (parts.hostname, port) if parts.hostname else None


def normalized(origin: str) -> str:
    """Return the origin in the form in which equal ones are equal, for counting."""
    address = host_and_port(origin)
    return f"{_scheme(origin)}://{address[0]}:{address[1]}" if address else origin


def is_listed(origin: str, allowed: Iterable[str]) -> bool:
    """Return whether `origin` is among the allowed ones. Scheme, host and port must be the same."""
    address, scheme = host_and_port(origin), _scheme(origin)
    return address is not None and any(
        host_and_port(other) == address and _scheme(other) == scheme for other in allowed
    )


def _scheme(url: str) -> str:
    return url.partition(":")[0].lower()
