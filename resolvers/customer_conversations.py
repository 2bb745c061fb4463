"""The conversations of one customer, for erasure and export."""

from typing import Any
from uuid import UUID

from sqlalchemy import CompoundSelect, Select, select, union

from models.agent import Agent
from models.conversation import Conversation
from models.words import folded
from resolvers.errors import BadInputError
from resolvers.validation import check_email, check_key


def conversations_of_customer(
    workspace_id: UUID, external_id: str | None, email: str | None
) -> CompoundSelect[UUID]:
    """Select the ids of the conversations of a customer, given by external id, email address or both.

    A conversation with either is the customer's. External ids are compared exactly, email addresses without
    regard to case. Raises BadInputError if neither is given, or for one that cannot be stored.
    """
    if external_id is None and email is None:
        raise BadInputError("externalId", "or email is needed")
    check_key("external_id", external_id)
    if email is not None:
        check_email("email", email)
    in_workspace = select(Conversation.id).where(Conversation.workspace_id == workspace_id)
    parts: list[Select[Any]] = []
    if external_id is not None:
        # The folded form is indexed.
        parts.append(
            in_workspace.where(
                folded(Conversation.customer_external_id) == folded(external_id),
                Conversation.customer_external_id == external_id,
            )
        )
        agents = select(Agent.id).where(Agent.workspace_id == workspace_id)
        parts.append(
            in_workspace.where(
                Conversation.agent_id.in_(agents), Conversation.customer_subject == external_id
            )
        )
    if email is not None:
        parts.append(in_workspace.where(folded(Conversation.customer_email) == folded(email)))
    return union(*parts)
