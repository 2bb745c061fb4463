"""The web pages that may call. A browser names the page's origin in the header `Origin`."""

from urllib.parse import urlsplit

from starlette.requests import HTTPConnection

from resolvers.actor import Actor
from resolvers.allowed_origins import allowed_origins
from resolvers.context import Services
from rules.origin import host_and_port, is_listed


def is_foreign(connection: HTTPConnection, public_url: str) -> bool:
    """Return whether a page of another site calls.

    Baton's own pages have the called host, or the host of the public URL, which a proxy may hide. Programs
    send no origin and are not foreign; browsers always send one here.
    """
    origin = connection.headers.get("origin")
    if origin is None:
        return False
    address = host_and_port(origin)
    if address is None:
        return True
    called = f"{urlsplit(origin).scheme}://{connection.headers.get('host', '')}"
    return address not in {host_and_port(called), host_and_port(public_url)}


async def may_call_from(
    services: Services, connection: HTTPConnection, actor: Actor | None, public_url: str
) -> bool:
    """Return whether the calling page may use this credential.

    Only widget tokens are restricted: to the service itself and to the allowed origins of their AI agent. The
    holders of other credentials keep them away from pages.
    """
    if actor is None or not actor.is_customer or not is_foreign(connection, public_url):
        return True
    return is_listed(connection.headers["origin"], await allowed_origins(services.database, actor))
