"""The log of a running server."""

import re
from datetime import UTC, datetime

import httpx

from tests.support.baton_client import Server, wait_for

_TIMESTAMP = re.compile(r'"timestamp":"([^"Z]+)Z"')


def written_log(server: Server, begun: int = 0) -> str:
    """Return the log from the byte `begun` on, with every line that was logged before this call.

    The server writes lines a moment later and keeps their order. So the line of a later call is waited for.
    """
    now = datetime.now(UTC).replace(tzinfo=None).isoformat(timespec="microseconds")
    assert httpx.get(f"{server.url}/nothing", trust_env=False).status_code == 404

    def written() -> str | None:
        text = server.log.read_bytes()[begun:].decode()
        return text if max(_TIMESTAMP.findall(text), default="") > now else None

    return str(wait_for(written, "the lines of the log"))
