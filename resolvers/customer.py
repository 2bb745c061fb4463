"""Customers: who the other side of a conversation is."""

from dataclasses import dataclass

from models.conversation import Conversation
from realtime.transaction import Transaction
from resolvers.validation import check_email, check_key, check_name


@dataclass(frozen=True, slots=True)
class Customer:
    """The identity of a customer, as far as the caller knows it."""

    external_id: str | None = None
    email: str | None = None
    name: str | None = None

    @property
    def is_named(self) -> bool:
        """True if anything about the customer is known."""
        return any(part is not None for part in (self.external_id, self.email, self.name))


def check_customer(customer: Customer) -> None:
    """Raise BadInputError for a part of the identity that cannot be stored."""
    check_key("customer.external_id", customer.external_id)
    if customer.email is not None:
        check_email("customer.email", customer.email)
    if customer.name is not None:
        check_name("customer.name", customer.name)


def customer_of(conversation: Conversation) -> Customer:
    """Return the customer of a conversation."""
    return Customer(
        conversation.customer_external_id, conversation.customer_email, conversation.customer_name
    )


def set_customer(tx: Transaction, conversation: Conversation, customer: Customer, *, verified: bool) -> None:
    """Store the customer of a locked conversation and log that it changed, if it did."""
    if (customer, verified) == (customer_of(conversation), conversation.customer_verified):
        return
    conversation.customer_external_id = customer.external_id
    conversation.customer_email = customer.email
    conversation.customer_name = customer.name
    conversation.customer_verified = verified
    log_change(tx, conversation, "customer_changed")


def log_change(tx: Transaction, conversation: Conversation, kind: str) -> None:
    """Log a change of the conversation in its own stream and in the workspace's."""
    tx.log_to_conversation(conversation.id, f"conversation.{kind}")
    tx.log_to_workspace(
        conversation.workspace_id,
        f"conversation.{kind}",
        conversation=conversation.id,
        agent=conversation.agent_id,
    )
