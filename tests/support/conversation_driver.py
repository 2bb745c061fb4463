"""A conversation with an AI agent of its own, and all that can be seen of it."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

from rules.typeid import CONVERSATION, parse_id
from tests.support.baton_client import Caller, Workspace

CONFIRMATION = "Your request has been escalated to our support team. We typically respond within 2 hours."
TAKING_OVER = "A member of our team is taking over this conversation."
HANDED_BACK = "Our AI assistant is answering in this conversation again."

LISTED = {"conversation.created", "conversation.message_added"}


@dataclass(frozen=True)
class Talk:
    """A conversation, and those who take part in it."""

    workspace: Workspace
    agent_id: str
    started: dict[str, Any]

    @classmethod
    def begin(cls, workspace: Workspace, **settings: Any) -> "Talk":
        """Start a conversation with a new AI agent that has `settings`."""
        made = workspace.key.ask('mutation { createAgent(name: "Robot") { id } }')
        agent_id = made["createAgent"]["id"]
        if settings:
            workspace.key.settings(agent_id, **settings)
        return cls(workspace, agent_id, workspace.key.start(agent_id))

    @property
    def id(self) -> str:
        return str(self.started["conversation"]["id"])

    @property
    def key(self) -> Caller:
        """The AI agent's back end."""
        return self.workspace.key

    @cached_property
    def widget(self) -> Caller:
        """The customer."""
        return self.workspace.widget(self.started)

    def says(self, content: str, **more: Any) -> dict[str, Any]:
        """Write as the customer in the widget."""
        return self.widget.record(self.id, "USER", content, **more)

    def answers(self, confidence: float | None = None, **more: Any) -> dict[str, Any]:
        """Record a reply of the AI."""
        return self.key.record(self.id, "ASSISTANT", "Let me see.", confidence=confidence, **more)

    def fails(self, tool: str = "billing", **more: Any) -> dict[str, Any]:
        """Report a failed tool as the AI's back end, or with succeeded=True a successful one."""
        query = """mutation($input: ReportToolResultInput!) { reportToolResult(input: $input) {
            consecutiveFailures escalation { id } } }"""
        given = {"conversationId": self.id, "tool": tool, "succeeded": False, **more}
        report_tool_result: dict[str, Any] = self.key.ask(query, input=given)["reportToolResult"]
        return report_tool_result

    def presses(self) -> dict[str, Any]:
        """Press the button as the customer."""
        query = """mutation($id: ID!) { requestHuman(conversationId: $id) {
            created confirmationMessage escalation { id } } }"""
        request_human: dict[str, Any] = self.widget.ask(query, id=self.id)["requestHuman"]
        return request_human

    def submits(self, **more: Any) -> dict[str, Any] | None:
        """Submit a form as the customer."""
        query = """mutation($input: SubmitFormInput!) { submitForm(input: $input) {
            created confirmationMessage escalation { id } } }"""
        given = {"conversationId": self.id, "form": "refund", "fields": {"order": "1234"}, **more}
        submit_form: dict[str, Any] | None = self.widget.ask(query, input=given)["submitForm"]
        return submit_form

    @property
    def state(self) -> dict[str, Any]:
        """Return the control state and the escalations."""
        return self.key.conversation(self.id)

    @property
    def escalation(self) -> dict[str, Any]:
        """All of the conversation's one escalation."""
        (only,) = self.state["escalations"]["nodes"]
        return self.key.escalation(only["id"])

    @property
    def silent(self) -> bool:
        """Return true if there is no escalation and the AI is active."""
        state = self.state
        return not state["escalations"]["nodes"] and state["ai"]["state"] == "ACTIVE"

    @property
    def notices(self) -> list[str]:
        """Return Baton's own messages, as the customer sees them."""
        return [
            message["content"] for message in self.widget.messages(self.id) if message["role"] == "SYSTEM"
        ]

    @property
    def published(self) -> list[str]:
        """
        Return the workspace's log entries about the conversation, which notifications are made from.

        Entries that are for lists of conversations only are left out.
        """
        rows = self.workspace.server.rows(
            "SELECT type FROM log WHERE data ->> 'conversation' = $1 ORDER BY stream, position",
            str(parse_id(CONVERSATION, self.id)),
        )
        return [row["type"] for row in rows if row["type"] not in LISTED]


def resume(talk: Talk) -> None:
    """Resume the AI and keep the escalation."""
    query = "mutation($id: ID!) { resumeAi(conversationId: $id) { conversation { id } } }"
    talk.key.ask(query, id=talk.id)
