"""A client of the public API for the simulated people of `baton demo`."""

import asyncio
from collections.abc import AsyncGenerator
from typing import Any, Self

import aiohttp
import structlog

_logger = structlog.get_logger(__name__)

_START = """mutation($input: StartConversationInput!) {
  startConversation(input: $input) { conversation { id } widgetToken } }"""
_RECORD = """mutation($input: RecordMessageInput!) { recordMessage(input: $input) { message { id } } }"""
_BUTTON = """mutation($id: ID!) { requestHuman(conversationId: $id) { created } }"""
_FORM = """mutation($input: SubmitFormInput!) { submitForm(input: $input) { created } }"""
_TOOL = (
    """mutation($input: ReportToolResultInput!) { reportToolResult(input: $input) { consecutiveFailures } }"""
)
_ESCALATE = (
    """mutation($input: EscalateConversationInput!) { escalateConversation(input: $input) { created } }"""
)
_SIGN_IN = """mutation($email: String!, $password: String!) {
  signIn(email: $email, password: $password) { token } }"""
_CLAIM = """mutation($id: ID!) { claimEscalation(escalationId: $id) { escalation { id } } }"""
_REPLY = """mutation($input: ReplyInput!) { replyToEscalation(input: $input) { message { id } } }"""
_RESOLVE = """mutation($input: ResolveEscalationInput!) {
  resolveEscalation(input: $input) { escalation { id } } }"""
_ALLOWED = "query($id: ID!) { escalationSettings(agentId: $id) { widget { allowedOrigins } } }"
_ALLOW = """mutation($input: UpdateEscalationSettingsInput!) {
  updateEscalationSettings(input: $input) { settings { version } } }"""
_TURNS = """subscription($after: String) { turnRequested(after: $after) {
  cursor epoch message { content } conversation { id } } }"""
_ESCALATIONS = """subscription($after: String) { escalationCreated(after: $after) {
  cursor escalation { id } } }"""

# Those that a simulated customer sends with a widget token.
CUSTOMERS_DOCUMENTS = (_RECORD, _BUTTON, _FORM)


class DemoClient:
    """A session of the API; calls use the key unless another token is given."""

    def __init__(self, url: str, api_key: str) -> None:
        self._url = url
        self._key = api_key
        self._session = aiohttp.ClientSession()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._session.close()

    async def allow_pages(self, agent: str, origins: list[str]) -> None:
        """Let visitors of pages of these origins start conversations; other settings stay."""
        listed = (await self._call(_ALLOWED, id=agent))["escalationSettings"]["widget"]["allowedOrigins"]
        widget = {"allowedOrigins": list(dict.fromkeys([*listed, *origins])), "anonymousConversations": True}
        await self._call(_ALLOW, input={"agentId": agent, "widget": widget})

    async def start(self, agent: str, name: str, email: str) -> tuple[str, str]:
        """Start a conversation, and return it with its widget token."""
        given = {"agentId": agent, "customer": {"name": name, "email": email}}
        started = (await self._call(_START, input=given))["startConversation"]
        return started["conversation"]["id"], started["widgetToken"]

    async def say(self, conversation: str, content: str, token: str) -> None:
        """Record a message of the customer."""
        given = {"conversationId": conversation, "role": "USER", "content": content}
        await self._call(_RECORD, token, input=given)

    async def answer(self, conversation: str, content: str, confidence: float, epoch: int) -> None:
        """Record a reply of the AI."""
        given = {"conversationId": conversation, "role": "ASSISTANT", "content": content}
        await self._call(_RECORD, input=given | {"confidence": confidence, "epoch": epoch})

    async def press_button(self, conversation: str, token: str) -> None:
        """Ask for a person, as the customer."""
        await self._call(_BUTTON, token, id=conversation)

    async def submit_form(self, conversation: str, token: str) -> None:
        """Ask for an offer by a form, as the customer."""
        fields = {"product": "Chair No. 14", "amount": 200, "company": "Becker GmbH"}
        given = {"conversationId": conversation, "form": "offer", "fields": fields}
        await self._call(_FORM, token, input=given)

    async def report_failure(self, conversation: str, tool: str) -> None:
        """Report a failure of one of the AI's tools."""
        given = {"conversationId": conversation, "tool": tool, "succeeded": False}
        await self._call(_TOOL, input=given)

    async def escalate(self, conversation: str, reason: str) -> None:
        """Escalate by the API."""
        await self._call(_ESCALATE, input={"conversationId": conversation, "reason": reason})

    async def sign_in(self, email: str, password: str) -> str:
        """Return a team member's session token."""
        token: str = (await self._call(_SIGN_IN, email=email, password=password))["signIn"]["token"]
        return token

    async def claim(self, escalation: str, token: str) -> None:
        """Claim an escalation, as the team member."""
        await self._call(_CLAIM, token, id=escalation)

    async def reply(self, escalation: str, content: str, token: str) -> None:
        """Reply to the customer, as the team member."""
        await self._call(_REPLY, token, input={"escalationId": escalation, "content": content})

    async def resolve(self, escalation: str, token: str) -> None:
        """Resolve an escalation, as the team member."""
        given = {"escalationId": escalation, "note": "Solved in the conversation", "disposition": "NEEDED"}
        await self._call(_RESOLVE, token, input=given)

    def turns(self) -> AsyncGenerator[dict[str, Any], None]:
        """Yield the customer messages that the AI must answer, forever."""
        return self._follow(_TURNS, "turnRequested")

    def escalations(self) -> AsyncGenerator[dict[str, Any], None]:
        """Yield new escalations, forever."""
        return self._follow(_ESCALATIONS, "escalationCreated")

    async def _call(self, query: str, token: str | None = None, **variables: Any) -> dict[str, Any]:
        headers = {"Authorization": f"Bearer {token or self._key}"}
        body = {"query": query, "variables": variables}
        async with self._session.post(f"{self._url}/graphql", json=body, headers=headers) as answer:
            result = await answer.json()
        if "errors" in result:
            raise RuntimeError(result["errors"][0]["message"])
        data: dict[str, Any] = result["data"]
        return data

    async def _follow(self, query: str, field: str) -> AsyncGenerator[dict[str, Any], None]:
        cursor: str | None = None
        while True:
            try:
                async for event in self._events(query, field, cursor):
                    cursor = event["cursor"]
                    yield event
            except (aiohttp.ClientError, OSError) as error:
                _logger.info("demo.reconnects", error=repr(error))
            await asyncio.sleep(1)

    async def _events(
        self, query: str, field: str, cursor: str | None
    ) -> AsyncGenerator[dict[str, Any], None]:
        url = f"{self._url}/graphql"
        async with self._session.ws_connect(url, protocols=("graphql-transport-ws",)) as socket:
            credential = {"authorization": f"Bearer {self._key}"}
            await socket.send_json({"type": "connection_init", "payload": credential})
            payload = {"query": query, "variables": {"after": cursor}}
            async for frame in socket:
                message = frame.json()
                if message["type"] == "connection_ack":
                    await socket.send_json({"id": "1", "type": "subscribe", "payload": payload})
                elif message["type"] == "ping":
                    await socket.send_json({"type": "pong"})
                elif message["type"] == "next":
                    yield message["payload"]["data"][field]
                elif message["type"] == "error":
                    raise RuntimeError(message["payload"][0]["message"])
