"""The second factor of team members."""

import strawberry

from resolvers import second_factor
from rules.typeid import MEMBER
from schema.context import Info, parse_global_id
from schema.mutation import mutation


@strawberry.type
class EnrolSecondFactorPayload:
    """A second factor that confirmSecondFactor puts in force, shown this once."""

    secret: str
    """Secret for an authenticator, in base 32."""
    uri: str
    """The same as an otpauth URI, for a QR code."""


@strawberry.type
class ConfirmSecondFactorPayload:
    """Recovery codes, shown this once. Each replaces a code of the second factor once."""

    codes: list[str]
    """The recovery codes."""


@strawberry.type
class SecondFactorMutation:
    """Mutations of the second factor."""

    @mutation
    async def enrol_second_factor(self, info: Info, password: str) -> EnrolSecondFactorPayload | None:
        """Make a secret for the caller's authenticator (TOTP). It is in force after confirmSecondFactor."""
        made = await second_factor.enrol_second_factor(info.context, password)
        return EnrolSecondFactorPayload(secret=made.secret, uri=made.uri)

    @mutation
    async def confirm_second_factor(self, info: Info, code: str) -> ConfirmSecondFactorPayload | None:
        """Put the caller's second factor in force: from now on signIn requires a code."""
        return ConfirmSecondFactorPayload(codes=await second_factor.confirm_second_factor(info.context, code))

    @mutation
    async def remove_second_factor(self, info: Info, password: str, code: str) -> bool | None:
        """Remove the caller's second factor."""
        await second_factor.remove_second_factor(info.context, password, code)
        return True

    @mutation
    async def reset_second_factor(self, info: Info, id: strawberry.ID) -> bool | None:  # noqa: A002 - the name in the API
        """Remove the second factor of a member who has lost it, and end the member's sessions.

        The audit log records the reset.
        """
        await second_factor.reset_second_factor(info.context, parse_global_id(info, MEMBER, id, "id"))
        return True
