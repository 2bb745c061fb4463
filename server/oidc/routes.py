"""The routes of signing in by the OpenID provider.

A browser is sent to the provider, comes back with a code, and is returned to the dashboard: signed in, or
with the reason why not. Addresses are built from BATON_PUBLIC_URL only: no caller chooses where it goes.
"""

import hmac
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib import import_module
from typing import TYPE_CHECKING
from uuid import UUID

import structlog
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from resolvers.context import Context
from resolvers.credentials import SESSION_LIFETIME
from resolvers.device_tokens import DEVICE_LIFETIME
from resolvers.errors import ErrorCode, ForbiddenError, NotFoundError, RateLimitedError
from resolvers.oidc_sign_in import OidcAccount, SignInRefusedError, members_of_account, sign_in_as
from resolvers.rate_limits import SIGN_IN_FROM
from rules.network_address import network_of
from rules.sign_in import SignInRefusal
from rules.typeid import MEMBER, MalformedIdError, parse_id
from server.http.authentication import context_of
from server.http.call_report import record_of
from server.http.cookies import ACCOUNT, DEVICE, SESSION, SIGN_IN, set_cookie
from server.http.origins import is_own_page
from server.oidc.pages import choice_page
from server.oidc.pending import PendingSignIn, forget, keep, kept
from server.oidc.provider_calls import ProviderError
from server.settings import Settings

if TYPE_CHECKING:
    from server.oidc.provider import OidcProvider

START = "/sign-in/oidc"
CALLBACK = f"{START}/callback"
MEMBERS = f"{START}/members"

_OFF = "Signing in by an OpenID provider is off here. Set BATON_OIDC_ISSUER to turn it on."
_LONGEST_CODE = 4_096

_logger = structlog.get_logger(__name__)


class _NotSignedInError(Exception):
    """A sign-in that failed, with its reason, the code for reports and a detail for the log."""

    def __init__(self, reason: SignInRefusal, detail: str, code: ErrorCode = ErrorCode.FORBIDDEN) -> None:
        super().__init__(detail)
        self.reason = reason
        self.code = code


def load_provider(settings: Settings) -> "OidcProvider | None":
    """Return the provider of the settings, or None. Only with one the extra is imported."""
    if not (settings.oidc_issuer and settings.oidc_client_id and settings.oidc_client_secret):
        return None
    module = import_module("server.oidc.provider")
    registration = module.Registration(
        settings.oidc_issuer,
        settings.oidc_client_id,
        settings.oidc_client_secret.get_secret_value(),
        settings.url + CALLBACK,
    )
    provider: OidcProvider = module.OidcProvider(registration)
    return provider


class SignInRoutes:
    """The routes; without a provider they answer 404."""

    def __init__(self, settings: Settings) -> None:
        self._issuer = settings.oidc_issuer
        self._url = settings.url
        self._provider = load_provider(settings)

    @property
    def routes(self) -> list[Route]:
        """The routes of all steps."""
        return [
            Route(START, self._start_sign_in, methods=["GET"]),
            Route(CALLBACK, self._finish_sign_in, methods=["GET"]),
            Route(MEMBERS + "/{memberId}", self._choose_member, methods=["POST"]),
        ]

    async def _start_sign_in(self, request: Request) -> Response:
        provider = self._required_provider()
        pending = PendingSignIn.begin(request.query_params.get("path", "/"))
        try:
            async with _refusals(context_of(request, None)):
                response = RedirectResponse(await provider.authorization_url(pending), 303)
        except _NotSignedInError as refusal:
            return self._refused(request, refusal, pending.path)
        keep(request, response, SIGN_IN, pending)
        return response

    async def _finish_sign_in(self, request: Request) -> Response:
        self._required_provider()
        values = kept(request, SIGN_IN)
        pending = PendingSignIn(**values) if values else None
        try:
            async with _refusals(context_of(request, None)) as context:
                response = await self._answered(request, context, pending)
        except _NotSignedInError as refusal:
            response = self._refused(request, refusal, pending.path if pending else "/")
        forget(request, response, SIGN_IN)
        return response

    async def _answered(self, request: Request, context: Context, pending: PendingSignIn | None) -> Response:
        """Return the answer to what the provider says about a pending sign-in of this browser."""
        answer = request.query_params
        state = answer.get("state", "").encode()
        if pending is None or not hmac.compare_digest(pending.state.encode(), state):
            raise _NotSignedInError(SignInRefusal.EXPIRED, "the state is not of this browser")
        if answer.get("iss", self._issuer) != self._issuer:
            raise ProviderError("the answer is of another issuer")
        if "error" in answer:
            detail = f"the provider answered {answer['error'][:80]!r}"
            raise _NotSignedInError(SignInRefusal.CANCELLED, detail)
        code = answer.get("code", "")
        if not 0 < len(code) <= _LONGEST_CODE:
            raise ProviderError("the answer has no code")
        account = await self._required_provider().account(code, pending)
        choices = await members_of_account(context, account)
        if len(choices) == 1:
            return await self._signed_in(request, context, account, choices[0].member_id, pending.path)
        response = choice_page(choices, self._url + MEMBERS, account.email)
        keep(request, response, ACCOUNT, account)
        return response

    async def _choose_member(self, request: Request) -> Response:
        self._required_provider()
        if not is_own_page(request, self._url):
            raise ForbiddenError("A workspace is chosen on the page that Baton shows after signing in.")
        try:
            member_id = parse_id(MEMBER, request.path_params["memberId"])
        except MalformedIdError:
            raise NotFoundError("team member") from None
        values = kept(request, ACCOUNT)
        try:
            async with _refusals(context_of(request, None)) as context:
                if values is None:
                    raise _NotSignedInError(SignInRefusal.EXPIRED, "the choice has expired")
                response = await self._signed_in(request, context, OidcAccount(**values), member_id, "/")
        except _NotSignedInError as refusal:
            response = self._refused(request, refusal, "/")
        forget(request, response, ACCOUNT)
        return response

    async def _signed_in(
        self, request: Request, context: Context, account: OidcAccount, member_id: UUID | None, path: str
    ) -> Response:
        signed_in = await sign_in_as(context, account, member_id)
        response = RedirectResponse(f"{self._url}/app{path}", 303)
        set_cookie(response, SESSION, signed_in.token, SESSION_LIFETIME, self._url)
        set_cookie(response, DEVICE, signed_in.device, DEVICE_LIFETIME, self._url)
        return response

    def _refused(self, request: Request, refusal: _NotSignedInError, path: str) -> Response:
        """Return to the dashboard, whose sign-in screen shows the reason."""
        record_of(request).outcome = refusal.code
        _logger.warning("sign_in.refused", reason=refusal.reason, detail=str(refusal))
        return RedirectResponse(f"{self._url}/app{path}#sign-in-refused={refusal.reason}", 303)

    def _required_provider(self) -> "OidcProvider":
        if self._provider is None:
            raise HTTPException(404, _OFF)
        return self._provider


@asynccontextmanager
async def _refusals(context: Context) -> AsyncIterator[Context]:
    """Count a sign-in of the caller's network, and raise _NotSignedInError for what is expected to fail."""
    try:
        await context.services.rate_limiter.acquire(SIGN_IN_FROM, "sign-ins of", network_of(context.address))
        yield context
    except ProviderError as error:
        raise _NotSignedInError(SignInRefusal.PROVIDER, str(error), ErrorCode.UNAVAILABLE) from error
    except RateLimitedError as error:
        raise _NotSignedInError(SignInRefusal.TOO_OFTEN, str(error), error.code) from error
    except SignInRefusedError as error:
        raise _NotSignedInError(error.reason, str(error)) from error
