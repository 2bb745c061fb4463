"""The widget, before a conversation exists."""

from datetime import datetime

import strawberry
from strawberry.scalars import JSON

from resolvers.customer import Customer
from resolvers.validation import check_object
from resolvers.widget import NewVisit
from resolvers.widget import Widget as ShownWidget
from rules.button import ButtonVisibility
from rules.typeid import AGENT, format_id
from schema.context import Info
from schema.conversation.mutations import CustomerInput


@strawberry.type
class Widget:
    """The widget of an AI agent before a conversation exists. Public, for pages of its allowed origins."""

    agent_id: strawberry.ID
    """The AI agent."""
    button_text: str
    """Text of the button."""
    button_visibility: ButtonVisibility
    """Visibility of the button."""
    greeting: str | None
    """Text of an empty widget, if any."""
    online: bool
    """True during the team's business hours."""
    opens_at: datetime | None
    """Next opening, while it is closed."""
    anonymous_conversations: bool
    """True if visitors may start a conversation without a signed identity."""

    @classmethod
    def of(cls, shown: ShownWidget) -> "Widget":
        """Build the widget in the language of its texts."""
        settings = shown.settings.widget
        return cls(
            agent_id=strawberry.ID(format_id(AGENT, shown.agent_id)),
            button_text=shown.texts.button_text,
            button_visibility=settings.button_visibility,
            greeting=shown.texts.greeting,
            online=shown.online,
            opens_at=shown.opens_at,
            anonymous_conversations=settings.anonymous_conversations,
        )


@strawberry.input
class OpenConversationInput:
    """A conversation that a page starts by itself, without the integrator's back end."""

    agent_id: strawberry.ID
    """AI agent that the customer talks to."""
    identity: str | None = None
    """JSON Web Token, HS256 with the agent's identity secret.

    Required claims: sub (the integrator's id of the customer), aud (the agent's id) and exp (at most 24 h
    ahead). Optional ones: email, name. The same sub resumes its running conversation.
    """
    customer: CustomerInput | None = None
    """Words of the page about its visitor, kept as unverified. Ignored with an identity."""
    metadata: JSON | None = None
    """JSON object of the integrator's own, for a new conversation."""
    language: str | None = None
    """BCP 47 tag of the customer's language, such as de or pt-BR."""
    idempotency_key: str | None = None
    """Key of the request, for 24 hours. The same key and input return the first result again.

    It must be random: keys count per identity, or for other visitors per address and origin.
    """

    def read(self, info: Info) -> NewVisit:
        """Return the input with a UUID in place of the TypeID; raise BadInputError."""
        return NewVisit(
            agent_id=info.context.parse_public_id(AGENT, self.agent_id, "agent_id"),
            identity=self.identity,
            customer=self.customer.read() if self.customer else Customer(),
            metadata=check_object("metadata", self.metadata),
            language=self.language,
            idempotency_key=self.idempotency_key,
        )


@strawberry.type
class IdentitySecretPayload:
    """The identity secret, shown this once; the one before it is valid for 24 more hours."""

    secret: str
    """The secret itself: the key of HS256, as it is written."""
