"""Which web pages may call: a browser says in `Origin` whose page it runs."""

from urllib.parse import urlsplit

from starlette.requests import HTTPConnection

from resolvers.actor import Actor
from resolvers.allowed_origins import allowed_origins
from resolvers.context import Services

_DEFAULT_PORTS = {"http": 80, "https": 443, "ws": 80, "wss": 443}

Place = tuple[str, int | None]


def is_foreign(connection: HTTPConnection, public_url: str) -> bool:
    """
    Whether a page of another site calls.

    One's own are those of the host that is called, and those of the public URL, which a proxy may hide.
    Programs send no origin, and no browser lets a page leave it out here: those are not foreign.
    """
    origin = connection.headers.get("origin")
    if origin is None:
        return False
    place = _place(origin)
    if place is None:
        return True
    scheme = urlsplit(origin).scheme
    return place not in {_place(f"{scheme}://{connection.headers.get('host', '')}"), _place(public_url)}


async def may_call_from(
    services: Services, connection: HTTPConnection, actor: Actor | None, public_url: str
) -> bool:
    """
    Whether the calling page may use this credential.

    Only widget tokens are bound: to the service itself and to their agent's allowed origins. Others are kept
    from pages by those who hold them.
    """
    if actor is None or not actor.is_customer or not is_foreign(connection, public_url):
        return True
    allowed = await allowed_origins(services.database, actor)
    origin = connection.headers["origin"]
    place = _place(origin)
    return place is not None and any(
        _place(one) == place and urlsplit(one).scheme == urlsplit(origin).scheme for one in allowed
    )


def _place(origin: str) -> Place | None:
    """The host and port of an origin or a URL; None for what has none, such as the `null` of a sandbox."""
    try:
        parts = urlsplit(origin)
        port = parts.port or _DEFAULT_PORTS.get(parts.scheme)
    except ValueError:
        return None
    return (parts.hostname, port) if parts.hostname else None
