"""Customers: who the other side of a conversation is."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from models.conversation import Conversation
from realtime.transaction import Transaction
from resolvers.validation import check_email, check_key, check_name
from rules.email_address import email_address_error
from rules.text import normalize


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


_EMAIL_FIELDS = frozenset({"email", "emailaddress"})


def adopt_form_email(tx: Transaction, conversation: Conversation, fields: Mapping[str, Any]) -> None:
    """Take the customer's email from a form, if the customer has none and the form has a valid one.

    Anybody can write any address into a form, so the customer counts as unverified from then on.
    """
    emails = [value.strip() for name, value in fields.items() if _is_email_field(name, value)]
    if emails and conversation.customer_email is None:
        named = Customer(conversation.customer_external_id, emails[0], conversation.customer_name)
        set_customer(tx, conversation, named, verified=False)


def _is_email_field(name: str, value: Any) -> bool:
    letters = "".join(filter(str.isalpha, normalize(name)))
    return letters in _EMAIL_FIELDS and isinstance(value, str) and not email_address_error(value.strip())
