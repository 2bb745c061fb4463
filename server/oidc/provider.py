"""The OpenID provider: its metadata and keys, the authorization code, and the ID token.

Authlib builds the requests and checks the claims, joserfc the signature. This module is imported only if the
settings name a provider, since both belong to the extra `oidc`.
"""

from dataclasses import dataclass
from typing import Any

from authlib.common.errors import AuthlibBaseError
from authlib.oauth2.auth import ClientAuth
from authlib.oauth2.rfc6749.parameters import prepare_grant_uri, prepare_token_request
from authlib.oauth2.rfc7636 import create_s256_code_challenge
from authlib.oidc.core import CodeIDToken
from joserfc import jwt
from joserfc.errors import InvalidKeyIdError, JoseError
from joserfc.jwk import KeySet

from resolvers.oidc_sign_in import OidcAccount
from rules.email_address import email_address_error
from rules.network_address import is_confidential
from server.oidc.pending import PendingSignIn
from server.oidc.provider_calls import SECONDS, KeptAnswer, ProviderError, fetch_json

# Asymmetric ones only: with HS256 the public key, and with `none` anybody, could sign.
ALGORITHMS = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512"]
SCOPE = "openid email profile"

_LEEWAY_SECONDS = 60
_KEYS = 100
_KEY_TYPES = ("RSA", "EC")
_LONGEST_SUBJECT = 255
_ENDPOINTS = ("authorization_endpoint", "token_endpoint", "jwks_uri")
_TRUE = (True, "true", 1, "1")


@dataclass(frozen=True, slots=True)
class Registration:
    """Baton's registration at the provider."""

    issuer: str
    client_id: str
    client_secret: str
    redirect_uri: str


class OidcProvider:
    """A provider that is discovered by its issuer. Each call takes at most `seconds`."""

    def __init__(self, registration: Registration, *, seconds: float = SECONDS) -> None:
        self._registration = registration
        self._seconds = seconds
        self._metadata = KeptAnswer(self._load_metadata)
        self._keys = KeptAnswer(self._load_keys)

    async def authorization_url(self, pending: PendingSignIn) -> str:
        """Return the address at which the provider signs the person in; raises ProviderError."""
        metadata = await self._metadata.get()
        url: str = prepare_grant_uri(
            metadata["authorization_endpoint"],
            self._registration.client_id,
            "code",
            redirect_uri=self._registration.redirect_uri,
            scope=SCOPE,
            state=pending.state,
            nonce=pending.nonce,
            code_challenge=create_s256_code_challenge(pending.verifier),
            code_challenge_method="S256",
        )
        return url

    async def account(self, code: str, pending: PendingSignIn) -> OidcAccount:
        """Return the account for which the provider has issued the code; raises ProviderError."""
        metadata = await self._metadata.get()
        tokens = await self._tokens(metadata, code, pending)
        claims = await self._id_claims(tokens, pending.nonce)
        if "email" not in claims and metadata.get("userinfo_endpoint"):
            claims = await self._user_info(metadata, tokens, claims["sub"]) | claims
        return _account_of(self._registration.issuer, claims)

    async def check(self) -> int:
        """Read the metadata and the keys, and return the number of usable keys; raises ProviderError."""
        return len((await self._keys.get()).keys)

    async def _tokens(self, metadata: dict[str, Any], code: str, pending: PendingSignIn) -> dict[str, Any]:
        own = self._registration
        form = prepare_token_request(
            "authorization_code", code=code, redirect_uri=own.redirect_uri, code_verifier=pending.verifier
        )
        methods = metadata.get("token_endpoint_auth_methods_supported") or ["client_secret_basic"]
        method = "client_secret_basic" if "client_secret_basic" in methods else "client_secret_post"
        client = ClientAuth(own.client_id, own.client_secret, method)
        url, headers, form = client.prepare("POST", metadata["token_endpoint"], {}, form)
        tokens = await fetch_json(url, form=form, headers=headers, seconds=self._seconds)
        if not isinstance(tokens.get("id_token"), str):
            raise ProviderError("its answer to the code has no ID token")
        return tokens

    async def _id_claims(self, tokens: dict[str, Any], nonce: str) -> dict[str, Any]:
        try:
            try:
                token = jwt.decode(tokens["id_token"], await self._keys.get(), algorithms=ALGORITHMS)
            except InvalidKeyIdError:
                token = jwt.decode(tokens["id_token"], await self._keys.renewed(), algorithms=ALGORITHMS)
            own = self._registration
            claims = CodeIDToken(
                token.claims,
                token.header,
                options={
                    "iss": {"essential": True, "value": own.issuer},
                    "aud": {"essential": True, "value": own.client_id},
                },
                params={
                    "nonce": nonce,
                    "client_id": own.client_id,
                    "access_token": tokens.get("access_token"),
                },
            )
            claims.validate(leeway=_LEEWAY_SECONDS)
        except (JoseError, AuthlibBaseError, ValueError, TypeError) as error:
            raise ProviderError(f"its ID token is not valid: {error}") from error
        return dict(claims)

    async def _user_info(
        self, metadata: dict[str, Any], tokens: dict[str, Any], subject: Any
    ) -> dict[str, Any]:
        """Return the claims of the UserInfo endpoint, where some providers keep the email."""
        url = metadata["userinfo_endpoint"]
        if not isinstance(url, str) or not is_confidential(url):
            raise ProviderError("the UserInfo endpoint in its metadata is not https")
        headers = {"authorization": f"Bearer {tokens.get('access_token', '')}"}
        claims = await fetch_json(url, headers=headers, seconds=self._seconds)
        if claims.get("sub") != subject:
            raise ProviderError("its UserInfo is of another subject than the ID token")
        return claims

    async def _load_metadata(self) -> dict[str, Any]:
        issuer = self._registration.issuer
        url = f"{issuer.rstrip('/')}/.well-known/openid-configuration"
        metadata = await fetch_json(url, seconds=self._seconds)
        if metadata.get("issuer") != issuer:
            raise ProviderError(f"its metadata is of the issuer {str(metadata.get('issuer'))[:300]!r}")
        for name in _ENDPOINTS:
            endpoint = metadata.get(name)
            if not isinstance(endpoint, str) or not is_confidential(endpoint):
                raise ProviderError(f"the {name} in its metadata is missing or not https")
        return metadata

    async def _load_keys(self) -> KeySet:
        metadata = await self._metadata.get()
        answer = await fetch_json(metadata["jwks_uri"], seconds=self._seconds)
        keys = answer.get("keys")
        usable = [key for key in keys if _is_usable(key)] if isinstance(keys, list) else []
        if not usable:
            raise ProviderError("it publishes no RSA or EC key that signs")
        try:
            return KeySet.import_key_set({"keys": usable[:_KEYS]})
        except (JoseError, ValueError, TypeError, KeyError) as error:
            raise ProviderError("its keys cannot be read") from error


def _is_usable(key: Any) -> bool:
    return isinstance(key, dict) and key.get("kty") in _KEY_TYPES and key.get("use", "sig") == "sig"


def _account_of(issuer: str, claims: dict[str, Any]) -> OidcAccount:
    subject, email, name = claims.get("sub"), claims.get("email"), claims.get("name")
    if not isinstance(subject, str) or not 0 < len(subject) <= _LONGEST_SUBJECT or not subject.isprintable():
        raise ProviderError("the subject of its ID token is no identifier")
    is_address = isinstance(email, str) and not email_address_error(email)
    # Microsoft Entra has no email_verified. Its xms_edov says that the domain's owner is verified.
    is_verified = claims["email_verified"] if "email_verified" in claims else claims.get("xms_edov")
    return OidcAccount(
        issuer,
        subject,
        email if is_address and isinstance(email, str) else "",
        email_verified=is_verified in _TRUE,
        name=name if isinstance(name, str) else "",
    )
