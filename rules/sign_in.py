"""Ways of signing in, and reasons of refusals."""

from enum import StrEnum


class SignInMethod(StrEnum):
    """The way in which a team member signed in."""

    PASSWORD = "PASSWORD"  # noqa: S105 - the name of a method
    OIDC = "OIDC"


class SignInRefusal(StrEnum):
    """A reason why signing in by the OpenID provider was refused, as the dashboard reads it."""

    CANCELLED = "cancelled"
    EXPIRED = "expired"
    PROVIDER = "provider"
    TOO_OFTEN = "too-often"
    UNVERIFIED_EMAIL = "unverified-email"
    FOREIGN_DOMAIN = "foreign-domain"
    NO_MEMBER = "no-member"
