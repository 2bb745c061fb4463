"""Connections that TCP keeps alive while they are idle.

Firewalls and load balancers between two machines forget silent connections after some minutes, and report
nothing. The next statement on such a connection would wait for its time limit.
"""

import socket
from typing import Any

import asyncpg

# The first probe comes after the idle seconds. Usual limits of firewalls begin at four minutes.
_IDLE_SECONDS, _INTERVAL_SECONDS, _PROBES = 60, 15, 4
# Systems without one of them have other names or fixed values.
_OPTIONS = {"TCP_KEEPIDLE": _IDLE_SECONDS, "TCP_KEEPINTVL": _INTERVAL_SECONDS, "TCP_KEEPCNT": _PROBES}


class KeptAliveConnection(asyncpg.Connection):
    """A connection whose system probes it while it is idle, and closes it when the other end is gone."""

    def __init__(self, protocol: Any, transport: Any, *others: Any) -> None:
        super().__init__(protocol, transport, *others)
        keep_alive(transport.get_extra_info("socket"))


def keep_alive(connected: socket.socket) -> None:
    """Have the system probe a TCP connection while it is idle. Another one stays as it is."""
    if connected.family not in (socket.AF_INET, socket.AF_INET6):
        return
    connected.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in _OPTIONS.items():
        if option := getattr(socket, name, None):
            connected.setsockopt(socket.IPPROTO_TCP, option, value)
