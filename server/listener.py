"""The listening socket of a process, and the configuration of uvicorn on it."""

import socket
from collections.abc import Callable
from functools import partial
from typing import Any

import uvicorn

from server.graphql.uvicorn_protocols import RequestProtocol
from server.http.connection_limits import (
    ConnectionLimits,
    connections_in_all,
    raise_descriptor_limit,
    trusted_networks,
)
from server.settings import Settings

STOP_SECONDS = 8
# Usual clients and proxies keep idle connections for 60 s. A shorter time here would reset some requests.
KEEP_ALIVE_SECONDS = 75
# Connections that the kernel keeps until they are accepted: at most `net.core.somaxconn`, 4,096 on Linux. The
# kernel ignores further ones, and their clients try again after 1, 3 and 7 s.
BACKLOG = 16_384


def bind(host: str, port: int, settings: str = "BATON") -> socket.socket:
    """Return a socket with this address, which `{settings}_HOST` and `{settings}_PORT` name.

    Raises PortTakenError.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        sock.bind((host, port))
    except OSError as error:
        sock.close()
        raise PortTakenError(host, port, settings, error.strerror or "") from error
    return sock


class PortTakenError(Exception):
    """The address is in use, or is not one of this machine."""

    def __init__(self, host: str, port: int, settings: str, why: str) -> None:
        super().__init__(
            f"Cannot listen on {host}:{port} ({why}). Set {settings}_PORT to a free port, or {settings}_HOST "
            "to an address of this machine."
        )


def uvicorn_config(app: Callable[..., Any], settings: Settings, **options: Any) -> uvicorn.Config:
    """Return the configuration of uvicorn with the limits of connections, and with further `options`."""
    in_all = connections_in_all(raise_descriptor_limit())
    config = uvicorn.Config(
        app,
        log_config=None,
        access_log=False,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=STOP_SECONDS,
        server_header=False,
        backlog=BACKLOG,
        # Those of proxies on this machine, or of the ones that FORWARDED_ALLOW_IPS names.
        proxy_headers=True,
        **options,
    )
    proxies = config.forwarded_allow_ips
    trusted = trusted_networks(proxies if isinstance(proxies, str) else ",".join(proxies))
    limits = ConnectionLimits(settings.connections_per_address, in_all, trusted)
    config.http = partial(RequestProtocol, limits=limits)  # type: ignore[assignment] # uvicorn only calls it
    return config
