"""Network addresses: those of clients, for counting, and those that need no encryption."""

from collections.abc import Iterable
from ipaddress import IPv6Address, IPv6Network, ip_address, ip_network
from urllib.parse import urlsplit

# One customer of an IPv6 network has this many bits and more to choose from.
_IPV6_PREFIX = 64
# Providers give up to this much to one customer (RIPE-690).
_IPV6_SITE_PREFIX = 48


def network_of(address: str) -> str:
    """Return the network to count an address by: an IPv4 address itself, or the /64 of an IPv6 address.

    Anything else, such as the empty text of a Unix socket, is returned as it is.
    """
    if ":" not in address:
        return address
    try:
        parsed = IPv6Address(address)
    except ValueError:
        return address
    return str(parsed.ipv4_mapped or IPv6Network((int(parsed), _IPV6_PREFIX), strict=False))


def site_of(network: str) -> str | None:
    """Return the /48 that contains the IPv6 network of `network_of`, or None for anything else."""
    if "/" not in network:
        return None
    return str(IPv6Network(network).supernet(new_prefix=_IPV6_SITE_PREFIX))


def network_error(network: str) -> str | None:
    """Return why a text is no network in CIDR notation, such as 192.0.2.0/24, or None."""
    try:
        ip_network(network)
    except ValueError:
        return "is not a network address such as 192.0.2.0/24 or 2001:db8::/32"
    return None


def is_in_networks(address: str, networks: Iterable[str]) -> bool:
    """Return whether an address is in one of the networks. A text that is no address is in none."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return False
    plain = (parsed.ipv4_mapped or parsed) if isinstance(parsed, IPv6Address) else parsed
    return any(plain in ip_network(network) for network in networks)


def is_confidential(url: str) -> bool:
    """Return whether others cannot read what is sent to a URL: it is https, or stays on this machine."""
    try:
        parts = urlsplit(url)
        if parts.scheme == "https":
            return bool(parts.hostname)
        return parts.scheme == "http" and (
            parts.hostname == "localhost" or ip_address(parts.hostname or "").is_loopback
        )
    except ValueError:
        return False
