"""The mutation that erases a customer."""

import strawberry

from resolvers.erasure import erase_customer
from schema.context import Info
from schema.mutation import mutation


@strawberry.type
class EraseCustomerPayload:
    """An erased customer."""

    conversations: int
    """Number of conversations that were cleared of who the customer is and of what was said."""


@strawberry.type
class PrivacyMutation:
    """Mutations for the privacy of customers."""

    @mutation
    async def erase_customer(
        self, info: Info, external_id: str | None = None, email: str | None = None
    ) -> EraseCustomerPayload | None:
        """Erase a customer, given by external id, email address or both; at least one.

        Everything that identifies or quotes the customer is removed for good. Counts and times stay, so
        analytics do not change. An erased conversation takes no further messages: CONFLICT.
        """
        return EraseCustomerPayload(conversations=await erase_customer(info.context, external_id, email))
