"""Fields that customers may see, every path to them, and conversations with much to hide."""

from typing import Any

from tests.support.baton_client import Workspace
from tests.support.callers import Visitor

# The contract: of an escalation they see id, status, createdAt and the assignee's name; of their conversation
# all but metadata. A field that is new in the schema is taken to be none for them until it stands here.
SEEN = {
    "Agent": {"id", "name", "createdAt"},
    "Conversation": {
        "id",
        "agent",
        "customer",
        "ai",
        "button",
        "messages",
        "activeEscalation",
        "escalations",
        "pendingEscalation",
        "language",
        "readPositions",
        "createdAt",
        "lastMessageAt",
        "cursor",
    },
    "Escalation": {"id", "status", "createdAt", "assignee"},
    "EscalationConnection": {"edges", "nodes", "pageInfo", "totalCount"},
    "Message": {
        "id",
        "conversationId",
        "position",
        "role",
        "kind",
        "status",
        "content",
        "author",
        "createdAt",
    },
    "PendingEscalation": {"requestedAt", "firesAt"},
    "TeamMember": {"id", "name"},
}
PATHS = {
    "Agent": ["conversation(id: $conversation) { agent { % } }"],
    "Conversation": [
        "conversation(id: $conversation) { % }",
        "node(id: $conversation) { ... on Conversation { % } }",
        "viewer { conversation { % } }",
    ],
    "Escalation": [
        "escalation(id: $active) { % }",
        "escalation(id: $resolved) { % }",
        "node(id: $resolved) { ... on Escalation { % } }",
        "conversation(id: $conversation) { activeEscalation { % } }",
        "conversation(id: $conversation) { escalations { nodes { % } } }",
        "conversation(id: $conversation) { escalations { edges { node { % } } } }",
    ],
    "EscalationConnection": ["conversation(id: $conversation) { escalations { % } }"],
    "Message": [
        "conversation(id: $conversation) { messages { nodes { % } } }",
        "conversation(id: $conversation) { messages { edges { node { % } } } }",
        "node(id: $message) { ... on Message { % } }",
    ],
    "PendingEscalation": [
        "conversation(id: $conversation) { pendingEscalation { % } }",
        "node(id: $conversation) { ... on Conversation { pendingEscalation { % } } }",
        "viewer { conversation { pendingEscalation { % } } }",
    ],
    "TeamMember": [
        "escalation(id: $resolved) { assignee { % } }",
        "conversation(id: $conversation) { messages { nodes { author { % } } } }",
    ],
}


ACTS = {
    "requestHuman": ("Escalation", "requestHuman(conversationId: $id) { escalation { % } }"),
    "submitForm": (
        "Escalation",
        'submitForm(input: {conversationId: $id, form: "f", fields: {a: "b"}}) { escalation { % } }',
    ),
    "recordMessage, its escalation": (
        "Escalation",
        'recordMessage(input: {conversationId: $id, role: USER, content: "x"}) { escalation { % } }',
    ),
    "recordMessage, its message": (
        "Message",
        'recordMessage(input: {conversationId: $id, role: USER, content: "x"}) { message { % } }',
    ),
    "recordMessage, what waits": (
        "PendingEscalation",
        'recordMessage(input: {conversationId: $id, role: USER, content: "x"}) { pendingEscalation { % } }',
    ),
}


_HERE = "(conversationId: $id, after: $after)"
EVENTS = {
    "messageAdded": ("Message", f"messageAdded{_HERE} {{ message {{ % }} }}"),
    "conversationUpdated": ("Conversation", f"conversationUpdated{_HERE} {{ conversation {{ % }} }}"),
    "conversationUpdated, its escalation": (
        "Escalation",
        f"conversationUpdated{_HERE} {{ conversation {{ activeEscalation {{ % }} }} }}",
    ),
    "conversationUpdated, what waits": (
        "PendingEscalation",
        f"conversationUpdated{_HERE} {{ conversation {{ pendingEscalation {{ % }} }} }}",
    ),
}


class ObservedConversation:
    """A conversation with every kind of event, and its two kinds of subscribers."""

    def __init__(self, workspace: Workspace, door: Visitor) -> None:
        self.team = door.as_one(workspace.api_key)
        started = self.team.start(
            workspace.agent_id, customer={"name": "Kim"}, metadata={"plan": "gold"}, language="en"
        )
        self.conversation = str(started["conversation"]["id"])
        self.cursor = str(started["conversation"]["cursor"])
        self.customer = door.as_one(started["widgetToken"])
        self.resolved = self._resolve(workspace)
        reply = self.team.record(
            self.conversation,
            "ASSISTANT",
            "It may be the battery.",
            confidence=12.5,
            intents=["repair"],
            metadata={"model": "m"},
        )
        self.message, self.active = str(reply["message"]["id"]), str(reply["escalation"]["id"])
        self._let_wait(workspace)
        viewing = "mutation($id: ID!) { setViewing(conversationId: $id, viewing: true) }"
        self.member = door.as_one(workspace.sign_in().token)
        self.member.ask(viewing, id=self.conversation)

    def _let_wait(self, workspace: Workspace) -> None:
        self.team.settings(workspace.agent_id, autoEscalation={"delaySeconds": 86_400})
        self.team.ask(
            "mutation($id: ID!) { resumeAi(conversationId: $id) { conversation { id } } }",
            id=self.conversation,
        )
        self.team.record(self.conversation, "ASSISTANT", "Or the screen.", confidence=23.5)

    def _resolve(self, workspace: Workspace) -> str:
        form = {"conversationId": self.conversation, "form": "Contact", "fields": {"about": "a phone"}}
        self.customer.ask(
            "mutation($input: SubmitFormInput!) { submitForm(input: $input) { created } }", input=form
        )
        self.team.escalate(self.conversation, summary="Kim's phone is broken", metadata={"order": "1042"})
        active = self.team.conversation(self.conversation)["activeEscalation"]["id"]
        self.team.ask(
            "mutation($in: UpdateEscalationInput!) { updateEscalation(input: $in) { escalation { id } } }",
            **{"in": {"escalationId": active, "note": "Kim is upset"}},
        )
        self.team.reply(active, authorEmail=workspace.email)
        return str(self.team.resolve(active, note="Done", disposition="NEEDED")["id"])

    @property
    def variables(self) -> dict[str, str]:
        names = ("conversation", "active", "resolved", "message")
        return {name: getattr(self, name) for name in names}


class Drafted:
    """A conversation with drafts: held ones, a discarded one, and one that was sent as a member's words."""

    def __init__(self, workspace: Workspace, door: Visitor) -> None:
        self.team = door.as_one(workspace.api_key)
        started = self.team.start(workspace.agent_id)
        self.id, self.cursor = (str(started["conversation"][name]) for name in ("id", "cursor"))
        self.customer = door.as_one(started["widgetToken"])
        self.customer.record(self.id, "USER", "Is it blue?")
        self.team.escalate(self.id)
        self.drafts = [
            str(self.team.record(self.id, "ASSISTANT", f"draft {n}")["message"]["id"]) for n in range(4)
        ]
        self.team.ask("mutation($id: ID!) { discardHeldReply(messageId: $id) { id } }", id=self.drafts[1])
        door.sign_in(workspace.email).ask(
            'mutation($id: ID!) { sendHeldReply(messageId: $id, content: "It is.") { message { id } } }',
            id=self.drafts[2],
        )
        self.customer.record(self.id, "USER", "Thanks")
        self.drafts.append(str(self.team.record(self.id, "ASSISTANT", "the last draft")["message"]["id"]))

    @property
    def delivered(self) -> list[str]:
        """Return the messages that the customer must see, in order."""
        return [message["id"] for message in self.team.messages(self.id) if message["status"] == "DELIVERED"]

    def page(self, **arguments: Any) -> dict[str, Any]:
        """Return a page of messages as the customer sees it."""
        query = """query($id: ID!, $first: Int, $after: String, $last: Int, $before: String) {
            conversation(id: $id) { lastMessageAt
              messages(first: $first, after: $after, last: $last, before: $before) {
                totalCount nodes { id createdAt } edges { cursor node { id } }
                pageInfo { hasNextPage hasPreviousPage } } } }"""
        conversation: dict[str, Any] = self.customer.ask(query, id=self.id, **arguments)["conversation"]
        return conversation
