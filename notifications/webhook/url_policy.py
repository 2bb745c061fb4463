"""URL policy of webhooks: a URL is parsed strictly, resolved once, and every IP address is checked."""

import asyncio
import ipaddress
import re
import socket
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address

import idna
from aiohttp.abc import AbstractResolver, ResolveResult

from notifications.webhook.ip_ranges import IpAddress, blocked_reason

URL_LIMIT = 2_000
RESOLVE_SECONDS = 5.0

_DEFAULT_PORTS = {"http": 80, "https": 443}
_LABEL = re.compile(r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?")
# Such a last label makes some resolvers read the whole name as a number: 127.1, 0x7f.1, 2130706433.
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")
_PORT = re.compile(r"[1-9][0-9]{0,4}")
# RFC 3986 and square brackets, which many queries have in them.
_PATH = re.compile(r"(?:[A-Za-z0-9\-._~!$&'()*+,;=:@/?\[\]]|%[0-9A-Fa-f]{2})*")
_LOCAL_NAMES = frozenset({"localhost", "localdomain", "local", "internal", "home.arpa"})


class NotAllowedError(Exception):
    """A URL that webhooks must not use. The message continues a sentence that begins with “The URL”."""


class UnresolvableHostError(NotAllowedError):
    """A host name that does not resolve currently, and may do so later."""


@dataclass(frozen=True, slots=True)
class Target:
    """A parsed URL. `host` is an ASCII name in lower case or an IP address in canonical form.

    `path` begins with a slash and holds the query; `literal` is set when `host` is an IP address.
    """

    scheme: str
    host: str
    port: int
    path: str
    literal: IpAddress | None = None

    @property
    def url(self) -> str:
        """The URL in canonical form."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        port = "" if self.port == _DEFAULT_PORTS[self.scheme] else f":{self.port}"
        return f"{self.scheme}://{host}{port}{self.path}"


@dataclass(frozen=True, slots=True)
class ResolvedUrl:
    """A URL that may be called, with the only IP addresses to connect to."""

    target: Target
    addresses: tuple[IpAddress, ...]


class PinnedResolver(AbstractResolver):
    """A resolver for aiohttp that knows the checked IP addresses of one name, and no other name."""

    def __init__(self, resolved: ResolvedUrl) -> None:
        self._resolved = resolved

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """Return the checked addresses. Raise OSError for any other name."""
        if host != self._resolved.target.host:
            raise OSError("this name was not checked")
        return [
            ResolveResult(
                hostname=host,
                host=str(address),
                port=port,
                family=socket.AF_INET if address.version == 4 else socket.AF_INET6,
                proto=socket.IPPROTO_TCP,
                flags=socket.AI_NUMERICHOST,
            )
            for address in self._resolved.addresses
        ]

    async def close(self) -> None:
        """Do nothing: there is nothing to close."""


async def resolve_and_check(
    url: str, allow_private: bool, *, seconds: float = RESOLVE_SECONDS
) -> ResolvedUrl:
    """Parse the URL, resolve its name once and check every address.

    One address that is not allowed refuses the URL. `allow_private` allows every address that can be called.
    Raise NotAllowedError, or its subclass UnresolvableHostError if the name is not resolved in `seconds`.
    """
    target = parse_url(url, allow_private)
    addresses = (target.literal,) if target.literal else await _resolve(target, seconds)
    for address in addresses:
        if words := blocked_reason(address, allow_private):
            hint = "" if allow_private else "; BATON_WEBHOOK_ALLOW_PRIVATE allows it"
            raise NotAllowedError(f"leads to {words}{hint}")
    return ResolvedUrl(target, addresses)


def parse_url(url: str, allow_private: bool) -> Target:
    """Return the parts of a URL. Raise NotAllowedError for all that another parser could read differently."""
    if len(url) > URL_LIMIT:
        raise NotAllowedError(f"is longer than {URL_LIMIT:,} characters")
    scheme, separator, rest = url.partition("://")
    scheme = scheme.lower()
    if not separator or scheme not in _DEFAULT_PORTS:
        raise NotAllowedError("does not begin with https:// or http://")
    if "#" in rest:
        raise NotAllowedError("has a fragment (#…), which is never sent")
    end = next((index for index, character in enumerate(rest) if character in "/?"), len(rest))
    authority, path = rest[:end], rest[end:]
    if not _PATH.fullmatch(path):
        raise NotAllowedError("has characters in its path that must be written as %-escapes")
    host, port = _split(authority)
    parsed = _parse_host(host, allow_private)
    literal = None if isinstance(parsed, str) else parsed
    path = path if path.startswith("/") else f"/{path}"
    return Target(scheme, str(parsed), _port(port, scheme), path, literal)


def _split(authority: str) -> tuple[str, str | None]:
    if "@" in authority:
        raise NotAllowedError("has a user name or a password in it")
    if authority.startswith("["):
        host, bracket, after = authority.partition("]")
        if not bracket or (after and not after.startswith(":")):
            raise NotAllowedError("has no valid host")
        return host + bracket, after[1:] if after else None
    host, colon, port = authority.partition(":")
    return host, port if colon else None


def _port(port: str | None, scheme: str) -> int:
    if port is None:
        return _DEFAULT_PORTS[scheme]
    if not _PORT.fullmatch(port) or int(port) > 65_535:
        raise NotAllowedError("has a port that is not between 1 and 65535")
    return int(port)


def _parse_host(host: str, allow_private: bool) -> IpAddress | str:
    if host.startswith("["):
        # A zone (%eth0) names an interface of this machine: not the caller's choice.
        return _ip(IPv6Address, "" if "%" in host else host[1:-1])
    name = _ascii(host)
    labels = name.split(".")
    if len(name) > 253 or not all(_LABEL.fullmatch(label) for label in labels):
        raise NotAllowedError("has no valid host")
    if _NUMBER.fullmatch(labels[-1]):
        return _ip(IPv4Address, name)
    if not allow_private and _is_local(labels):
        raise NotAllowedError("has a name of a private network; BATON_WEBHOOK_ALLOW_PRIVATE allows those")
    return name


def _ip(kind: type[IPv4Address] | type[IPv6Address], text: str) -> IpAddress:
    try:
        return kind(text)
    except ValueError:
        raise NotAllowedError("has a host that is neither a name nor a usual IP address") from None


def _ascii(host: str) -> str:
    host = "".join(letter.lower() if letter.isascii() else letter for letter in host)
    if host.isascii():
        return host
    try:
        # Strict: otherwise dots of other scripts separate labels too.
        return idna.encode(host, strict=True).decode()
    except idna.IDNAError:
        raise NotAllowedError("has a host that is no valid international name") from None


def _is_local(labels: list[str]) -> bool:
    return len(labels) == 1 or not _LOCAL_NAMES.isdisjoint({labels[-1], ".".join(labels[-2:])})


async def _resolve(target: Target, seconds: float) -> tuple[IpAddress, ...]:
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(seconds):
            answers = await loop.getaddrinfo(
                target.host, target.port, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP
            )
    except TimeoutError:
        raise UnresolvableHostError(f"has a name that was not resolved within {seconds:g} s") from None
    except OSError:
        raise UnresolvableHostError("has a name that does not resolve") from None
    # In their order, without repetition. Zones are dropped: link-local addresses are refused or useless.
    addresses = dict.fromkeys(ipaddress.ip_address(str(answer[4][0]).partition("%")[0]) for answer in answers)
    if not addresses:
        raise UnresolvableHostError("has a name that does not resolve")
    return tuple(addresses)
