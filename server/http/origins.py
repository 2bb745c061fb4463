"""The web pages that may call. A browser names the page's origin in the header `Origin`."""

from starlette.requests import HTTPConnection

from resolvers.actor import Actor
from resolvers.allowed_origins import allowed_origins
from resolvers.context import Services
from rules.origin import is_listed


def is_foreign(connection: HTTPConnection, public_url: str) -> bool:
    """Return whether a page of another site calls.

    Baton's own pages have the scheme and host that were called, or those of the public URL, which a proxy may
    hide. Programs send no origin and are not foreign; browsers always send one here.
    """
    origin = connection.headers.get("origin")
    if origin is None:
        return False
    called = f"{_scheme(connection)}://{connection.headers.get('host', '')}"
    return not is_listed(origin, (called, public_url))


def is_own_page(connection: HTTPConnection, public_url: str) -> bool:
    """Return whether the browser reports that a page of this service calls.

    A call without origin, such as a link to an export, must come with `Sec-Fetch-Site: same-origin`.
    """
    if "origin" in connection.headers:
        return not is_foreign(connection, public_url)
    return connection.headers.get("sec-fetch-site") == "same-origin"


def _scheme(connection: HTTPConnection) -> str:
    return "https" if connection.scope.get("scheme") in {"https", "wss"} else "http"


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
