"""Where webhooks may go: an address is read strictly, resolved once, and every answer is vetted."""

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
    """Nothing is sent to the address. The message goes on where “The address …” begins."""


class UnresolvableHostError(NotAllowedError):
    """The name leads nowhere by now; it may later."""


@dataclass(frozen=True, slots=True)
class Target:
    """
    An address as it was read. `host` is an ASCII name in lower case or an IP address in its one spelling.

    `path` begins with a slash and holds the query; `literal` is set when `host` is an IP address.
    """

    scheme: str
    host: str
    port: int
    path: str
    literal: IpAddress | None = None

    @property
    def url(self) -> str:
        """The address in its one spelling."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        port = "" if self.port == _DEFAULT_PORTS[self.scheme] else f":{self.port}"
        return f"{self.scheme}://{host}{port}{self.path}"


@dataclass(frozen=True, slots=True)
class ResolvedUrl:
    """An address that may be called, at these IP addresses and at no others."""

    target: Target
    addresses: tuple[IpAddress, ...]


class PinnedResolver(AbstractResolver):
    """Gives aiohttp the vetted IP addresses of the one name, and asks nobody."""

    def __init__(self, vetted: ResolvedUrl) -> None:
        self._vetted = vetted

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """The vetted answers; raises OSError for any other name."""
        if host != self._vetted.target.host:
            raise OSError("this name was not vetted")
        return [
            ResolveResult(
                hostname=host,
                host=str(address),
                port=port,
                family=socket.AF_INET if address.version == 4 else socket.AF_INET6,
                proto=socket.IPPROTO_TCP,
                flags=socket.AI_NUMERICHOST,
            )
            for address in self._vetted.addresses
        ]

    async def close(self) -> None:
        """There is nothing to close."""


async def resolve_and_check(
    url: str, allow_private: bool, *, seconds: float = RESOLVE_SECONDS
) -> ResolvedUrl:
    """
    Reads the address, resolves its name once and vets every answer.

    One answer that is not allowed refuses all. `allow_private` lets all pass that can be called at all.
    Raises NotAllowedError, and its subclass NotFoundError when the name is not found within `seconds`.
    """
    target = read_url(url, allow_private)
    found = (target.literal,) if target.literal else await _resolve(target, seconds)
    for address in found:
        if words := blocked_reason(address, allow_private):
            hint = "" if allow_private else "; BATON_WEBHOOK_ALLOW_PRIVATE allows such"
            raise NotAllowedError(f"leads to {words}{hint}")
    return ResolvedUrl(target, found)


def read_url(url: str, allow_private: bool) -> Target:
    """The parts of an address. Raises NotAllowedError for all that some other reader could read otherwise."""
    if len(url) > URL_LIMIT:
        raise NotAllowedError(f"is longer than {URL_LIMIT:,} characters")
    scheme, separator, rest = url.partition("://")
    scheme = scheme.lower()
    if not separator or scheme not in _DEFAULT_PORTS:
        raise NotAllowedError("does not begin with https:// or http://")
    if "#" in rest:
        raise NotAllowedError("has a fragment (#…), which is never sent")
    end = next((place for place, character in enumerate(rest) if character in "/?"), len(rest))
    authority, path = rest[:end], rest[end:]
    if not _PATH.fullmatch(path):
        raise NotAllowedError("has characters in its path that must be written as %-escapes")
    host, port = _split(authority)
    found = _read_host(host, allow_private)
    literal = None if isinstance(found, str) else found
    path = path if path.startswith("/") else f"/{path}"
    return Target(scheme, str(found), _port(port, scheme), path, literal)


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


def _read_host(host: str, allow_private: bool) -> IpAddress | str:
    if host.startswith("["):
        # A zone (%eth0) names an interface of this machine, which is nobody's to choose.
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
        raise NotAllowedError("is neither a name nor an IP address in its usual spelling") from None


def _ascii(host: str) -> str:
    host = "".join(letter.lower() if letter.isascii() else letter for letter in host)
    if host.isascii():
        return host
    try:
        # Strict: otherwise other dots than the plain one part the labels too.
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
    # In their order, each once; a zone says where a link-local one is, and those are refused or useless.
    found = dict.fromkeys(ipaddress.ip_address(str(answer[4][0]).partition("%")[0]) for answer in answers)
    if not found:
        raise UnresolvableHostError("has a name that does not resolve")
    return tuple(found)
