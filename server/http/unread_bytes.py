"""The bytes that a client has not taken yet, in this process and in the system's buffer of the connection."""

import asyncio
import fcntl
import struct
import termios

_COUNT = struct.Struct("i")


def unread_bytes(transport: asyncio.WriteTransport) -> int:
    """Return the bytes that the client's system has not acknowledged, or 0 if this process holds none.

    The transport's own buffer is not enough: Linux reports a connection as writable again only after a third
    of its buffer has been taken. A slow client may need minutes for that.
    """
    held = transport.get_write_buffer_size()
    return held + _unacknowledged_bytes(transport) if held else 0


def _unacknowledged_bytes(transport: asyncio.WriteTransport) -> int:
    try:
        count = fcntl.ioctl(transport.get_extra_info("socket"), termios.TIOCOUTQ, bytes(_COUNT.size))
    except (OSError, ValueError):  # closed, or a system without it
        return 0
    return int(_COUNT.unpack(count)[0])
