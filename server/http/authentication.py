"""Turning what a request carries into who is calling."""

from starlette.requests import Request

from resolvers.context import Context, Services
from resolvers.credentials import actor_of
from resolvers.errors import ForbiddenError, UnauthenticatedError
from server.http.origins import is_foreign, may_call_from

SESSION_COOKIE = "baton_session"


async def context_of(request: Request) -> Context:
    """
    Who calls, and from where; nobody without a credential.

    Raises UnauthenticatedError for a credential that is not good, and ForbiddenError for a cookie that
    another site sends along.
    """
    services: Services = request.app.state.services
    url: str = request.app.state.settings.url
    address = request.client.host if request.client else ""
    token = bearer_token(request.headers.get("authorization"))
    if token is None and (token := request.cookies.get(SESSION_COOKIE)):
        if is_foreign(request, url):
            raise ForbiddenError("The session cookie is good for pages of this service alone.")
        # A cookie that has run out is as good as none: signing in must still be possible.
        return Context(services, await actor_of(services.database, services.widget_tokens, token), address)
    if token is None:
        return Context(services, None, address)
    actor = await actor_of(services.database, services.widget_tokens, token)
    if actor is None:
        raise UnauthenticatedError("This credential is unknown, revoked or has run out.")
    if not await may_call_from(services, request, actor, url):
        raise ForbiddenError("The AI agent's settings do not list this page's origin: see allowedOrigins.")
    return Context(services, actor, address)


def bearer_token(header: str | None) -> str | None:
    """The token of an Authorization header; raises UnauthenticatedError for another scheme."""
    if header is None:
        return None
    scheme, _, token = header.partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise UnauthenticatedError("The Authorization header must be “Bearer” and a token.")
    return token.strip()
