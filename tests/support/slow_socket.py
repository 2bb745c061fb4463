"""Connections of clients that read slowly."""

import socket

# The system acknowledges what its program has read in steps of a share of this.
_RECEIVE_BYTES = 65_536


def slow_socket(port: int) -> socket.socket:
    """Return a connection to a port of this machine, whose system takes little before its program reads."""
    connected = socket.socket()
    connected.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BYTES)
    connected.connect(("127.0.0.1", port))
    return connected
