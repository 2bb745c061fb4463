"""Authentication: the one place that takes a token from a request, for every transport."""

from dataclasses import dataclass

from starlette.requests import HTTPConnection, Request

from resolvers.actor import Actor
from resolvers.context import Context
from resolvers.credentials import CredentialUse
from resolvers.errors import ForbiddenError, UnauthenticatedError
from resolvers.presented_credential import identify_caller
from server.http.call_report import record_of
from server.http.cookies import DEVICE, SESSION, presented_cookie
from server.http.log_context import bind_actor
from server.http.origins import is_own_page, may_call_from
from server.http.request_headers import header
from server.http.state import http_state


@dataclass(frozen=True, slots=True)
class Credential:
    """A token as it was presented: by an Authorization header, or by the session cookie."""

    token: str
    from_cookie: bool = False


@dataclass(frozen=True, slots=True)
class AuthenticatedCall:
    """The context of a call, and the token that it was made with, if any."""

    context: Context
    token: str | None


def presented_credential(
    connection: HTTPConnection, authorization: str | None, public_url: str
) -> Credential | None:
    """Return the token of an Authorization value, else that of the session cookie.

    Raises UnauthenticatedError for a malformed value, and ForbiddenError for a cookie that does not come from
    a page of this service.
    """
    token = bearer_token(authorization)
    if token is not None:
        return Credential(token)
    cookie = presented_cookie(connection, SESSION, public_url)
    if not cookie:
        return None
    if not is_own_page(connection, public_url):
        raise ForbiddenError(
            "The session cookie is valid only for pages of this service. Programs send "
            "`Authorization: Bearer` and a token."
        )
    return Credential(cookie, from_cookie=True)


def bearer_token(authorization: str | None) -> str | None:
    """Return the token of an Authorization header; raises UnauthenticatedError for another scheme."""
    if authorization is None:
        return None
    scheme, _, token = authorization.partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise UnauthenticatedError("The Authorization header must be “Bearer” and a token.")
    return token.strip()


async def authenticate(request: Request) -> AuthenticatedCall:
    """Return the context of a request's caller; without a credential it has no caller.

    Raises UnauthenticatedError for an invalid credential, and ForbiddenError for one that the calling page
    may not use.
    """
    state = http_state(request)
    services, url = state.services, state.settings.url
    credential = presented_credential(request, header(request, b"authorization"), url)
    if credential is None:
        return AuthenticatedCall(context_of(request, None), None)
    use = CredentialUse(client_address(request), services.session_idle)
    actor = await identify_caller(services, credential.token, use)
    # An expired cookie counts as none: signing in must still be possible.
    if actor is None and not credential.from_cookie:
        raise UnauthenticatedError("This credential is unknown, revoked or expired.")
    if not await may_call_from(services, request, actor, url):
        raise ForbiddenError("The AI agent's settings do not list this page's origin: see allowedOrigins.")
    bind_actor(actor)
    token = credential.token if actor else None
    return AuthenticatedCall(context_of(request, actor), token)


def context_of(request: Request, actor: Actor | None) -> Context:
    """Return the context of a request's call by an actor, or by a caller without a credential."""
    state, record = http_state(request), record_of(request)
    record.caller = actor
    return Context(
        state.services,
        actor,
        client_address(request),
        origin=header(request, b"origin"),
        device_cookie=presented_cookie(request, DEVICE, state.settings.url),
        user_agent=header(request, b"user-agent") or "",
        record=record,
    )


async def authenticate_token(request: Request, token: str) -> Context | None:
    """Return the context of the holder of a token that a URL contains, or None for an invalid one."""
    services = http_state(request).services
    use = CredentialUse(client_address(request), services.session_idle)
    actor = await identify_caller(services, token, use)
    bind_actor(actor)
    record = record_of(request)
    record.caller = actor
    return Context(services, actor, client_address(request), record=record) if actor else None


def client_address(connection: HTTPConnection) -> str:
    """Return the network address of the client, or an empty text for a Unix socket."""
    # Starlette's `client` makes an object of it for each look.
    client = connection.scope.get("client")
    return client[0] if client else ""
