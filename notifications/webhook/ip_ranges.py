"""Ranges of IP addresses outside the public internet.

Sources: the IANA IPv4 and IPv6 special-purpose address registries (RFC 6890 and its updates), and the IANA
IPv6 address space registry. `ipaddress.is_global` is no substitute: it passes NAT64, multicast, site-local,
6to4 and v4-compatible addresses.
"""

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_network

IpAddress = IPv4Address | IPv6Address
IpNetwork = IPv4Network | IPv6Network

# The name of each range. The first that matches is used.
_NOT_PUBLIC: dict[IpNetwork, str] = {
    ip_network(network): words
    for network, words in {
        "0.0.0.0/8": "“this network”",
        "10.0.0.0/8": "a private network",
        "100.64.0.0/10": "a carrier's shared network",
        "127.0.0.0/8": "this very machine",
        "168.63.129.16/32": "a cloud's own service",
        "169.254.0.0/16": "a link-local address",
        "172.16.0.0/12": "a private network",
        "192.0.0.0/24": "an address for protocols",
        "192.0.2.0/24": "an address for documentation",
        "192.31.196.0/24": "an address for protocols",
        "192.52.193.0/24": "an address for protocols",
        "192.88.99.0/24": "a 6to4 relay",
        "192.168.0.0/16": "a private network",
        "192.175.48.0/24": "an address for protocols",
        "198.18.0.0/15": "a network for benchmarks",
        "198.51.100.0/24": "an address for documentation",
        "203.0.113.0/24": "an address for documentation",
        "224.0.0.0/4": "a multicast address",
        "240.0.0.0/4": "a reserved address",
        "::/128": "no address",
        "::1/128": "this very machine",
        "::/96": "an IPv4 address in disguise",
        "::ffff:0:0/96": "an IPv4 address in disguise",
        "::ffff:0:0:0/96": "an IPv4 address in disguise",
        "64:ff9b::/96": "an IPv4 address in disguise",
        "64:ff9b:1::/48": "an IPv4 address in disguise",
        "100::/64": "an address that discards",
        "100:0:0:1::/64": "an address for protocols",
        "2001::/32": "an IPv4 address in disguise",
        "2001:2::/48": "a network for benchmarks",
        "2001::/23": "an address for protocols",
        "2001:db8::/32": "an address for documentation",
        "2002::/16": "an IPv4 address in disguise",
        "2620:4f:8000::/48": "an address for protocols",
        "3fff::/20": "an address for documentation",
        "5f00::/16": "an address for segment routing",
        "fc00::/7": "a private network",
        "fe80::/10": "a link-local address",
        "fec0::/10": "a private network",
        "ff00::/8": "a multicast address",
    }.items()
}

# The only range allocated to the public so far.
_GLOBAL_UNICAST = IPv6Network("2000::/3")

# Addresses that make no sense in a private network either.
_SENSELESS: dict[IpNetwork, str] = {
    IPv4Network("0.0.0.0/8"): "“this network”",
    IPv4Network("224.0.0.0/4"): "a multicast address",
    IPv4Network("255.255.255.255/32"): "a broadcast address",
    IPv6Network("::/128"): "no address",
    IPv6Network("ff00::/8"): "a multicast address",
}

# IPv6 ranges that embed an IPv4 address, with the number of bits to its right.
_EMBEDDED = {
    IPv6Network("::/96"): 0,
    IPv6Network("::ffff:0:0/96"): 0,
    IPv6Network("::ffff:0:0:0/96"): 0,
    IPv6Network("64:ff9b::/96"): 0,
    IPv6Network("2002::/16"): 80,
}


def blocked_reason(address: IpAddress, allow_private: bool) -> str | None:
    """Return the kind of an address that is not allowed, or None. `allow_private` allows private ranges."""
    if allow_private:
        return _named(_SENSELESS, address) or _named(_SENSELESS, _inner(address))
    if isinstance(address, IPv6Address) and address not in _GLOBAL_UNICAST:
        return _named(_NOT_PUBLIC, address) or "a reserved address"
    return _named(_NOT_PUBLIC, address)


def _named(table: dict[IpNetwork, str], address: IpAddress) -> str | None:
    return next((words for network, words in table.items() if address in network), None)


def _inner(address: IpAddress) -> IpAddress:
    if isinstance(address, IPv4Address) or int(address) <= 1:
        return address
    right = next((bits for network, bits in _EMBEDDED.items() if address in network), None)
    return address if right is None else IPv4Address(int(address) >> right & 0xFFFF_FFFF)
