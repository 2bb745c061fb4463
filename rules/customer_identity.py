"""Signed identities of customers: JSON Web Tokens that the integrator's back end makes for its own pages.

The algorithm is HS256 and no other, whatever the token says. A signature covers every claim that is used.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated, Any

import jwt
from pydantic import BaseModel, BeforeValidator, Field, ValidationError

from rules.email_address import email_address_error
from rules.text import KEY_LIMIT, NAME_LIMIT, text_error

ALGORITHM = "HS256"
LONGEST_LIFETIME = timedelta(hours=24)
# The clock of the integrator's server may be ahead.
CLOCK_TOLERANCE = timedelta(seconds=30)
TOKEN_LIMIT = 8_192

# The times are checked here, against one clock.
_OPTIONS: Any = {
    "require": ["sub", "aud", "exp"],
    "verify_exp": False,
    "verify_iat": False,
    "verify_nbf": False,
}


class InvalidIdentityError(Exception):
    """The token proves no identity; the message is for the integrator and repeats nothing of the token."""


@dataclass(frozen=True, slots=True)
class CustomerIdentity:
    """The claims of a valid token: the integrator's own id of the customer, and what else it has signed."""

    subject: str
    email: str | None = None
    name: str | None = None


def _absent_if_empty(value: Any) -> Any:
    return None if value == "" else value


_Text = Annotated[str | None, BeforeValidator(_absent_if_empty)]
_Seconds = Annotated[float, Field(strict=True, allow_inf_nan=False)]


class _Claims(BaseModel):
    sub: str = Field(strict=True)
    exp: _Seconds
    nbf: _Seconds | None = None
    email: _Text = None
    name: _Text = None


def read_identity(token: str, secrets: Sequence[str], agent_id: str, now: datetime) -> CustomerIdentity:
    """Return the identity that a token proves for pages of the AI agent.

    `secrets` are those of the agent that are valid now. Raises InvalidIdentityError.
    """
    if len(token) > TOKEN_LIMIT:
        raise InvalidIdentityError(f"has more than {TOKEN_LIMIT:,} characters")
    try:
        claims = _Claims.model_validate(_verified(token, secrets, agent_id))
    except ValidationError as error:
        claim = error.errors(include_input=False, include_url=False)[0]["loc"][0]
        raise InvalidIdentityError(f"has a malformed {claim}") from None
    _check_times(claims, now)
    _check_texts(claims)
    return CustomerIdentity(claims.sub, claims.email, claims.name)


def _check_texts(claims: _Claims) -> None:
    faults = {
        "sub": text_error(claims.sub, limit=KEY_LIMIT),
        "email": email_address_error(claims.email) if claims.email is not None else None,
        "name": text_error(claims.name, limit=NAME_LIMIT) if claims.name is not None else None,
    }
    for claim, fault in faults.items():
        if fault:
            raise InvalidIdentityError(f"has an invalid {claim}: it {fault}")


def _verified(token: str, secrets: Sequence[str], agent_id: str) -> dict[str, Any]:
    for secret in secrets:
        try:
            return jwt.decode(token, secret, [ALGORITHM], options=_OPTIONS, audience=agent_id)
        except jwt.InvalidSignatureError:
            continue
        except jwt.InvalidAlgorithmError:
            raise InvalidIdentityError(f"is not signed with {ALGORITHM}") from None
        except jwt.MissingRequiredClaimError as error:
            raise InvalidIdentityError(f"lacks {error.claim}") from None
        except jwt.InvalidAudienceError:
            raise InvalidIdentityError("is for another audience: aud must be the AI agent's id") from None
        # A header may be any bytes, such as JSON that is nested too deep.
        except (jwt.PyJWTError, ValueError, TypeError, RecursionError):
            raise InvalidIdentityError("is not a JSON Web Token with a string as sub") from None
    raise InvalidIdentityError("is not signed with an identity secret of this AI agent that is valid now")


def _check_times(claims: _Claims, now: datetime) -> None:
    instant = now.timestamp()
    if claims.exp <= instant:
        raise InvalidIdentityError("has expired")
    if claims.exp > instant + (LONGEST_LIFETIME + CLOCK_TOLERANCE).total_seconds():
        raise InvalidIdentityError("ends more than 24 hours ahead")
    if claims.nbf is not None and claims.nbf > instant + CLOCK_TOLERANCE.total_seconds():
        raise InvalidIdentityError("is not valid yet")
