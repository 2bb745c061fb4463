"""The workloads, as requests ready to send."""

import json
from collections.abc import Iterator, Sequence
from itertools import cycle, islice
from typing import Any

from bench.client import Asked, Target, get, post, run

# The first field is one whose value shows that what was measured is what happened.
RECORD = """mutation RecordMessage($input: RecordMessageInput!) { recordMessage(input: $input) {
  escalation { id } ai { state epoch } message { id position status } } }"""
RECORDED = b'{"data":{"recordMessage":{"escalation":null,'
ESCALATE = """mutation Escalate($input: EscalateConversationInput!) { escalateConversation(input: $input) {
  created confirmationMessage escalation { id status priority assignee { email } sla { dueAt } } } }"""
CREATED = b'{"data":{"escalateConversation":{"created":true,'
FOLDED = b'{"data":{"escalateConversation":{"created":false,'
START = """mutation Start($input: StartConversationInput!) { startConversation(input: $input) {
  conversation { id } } }"""
STARTED = b'{"data":{"startConversation":{"conversation":{"id":'
LIST = """query Escalations { escalations(first: 50) { pageInfo { hasNextPage endCursor }
  nodes { id status priority reason createdAt sla { status dueAt } assignee { id name }
    conversation { id customer { name email } } } } }"""
LIST_OF = """query Listed { escalations(first: 50, filter: %s, orderBy: %s) {
  nodes { id status priority sla { status dueAt remainingMinutes } } pageInfo { endCursor } } }"""
LISTED_OF = b'{"data":{"escalations":{"nodes":[{"id":'
LISTED = b'{"data":{"escalations":{"pageInfo":{"hasNextPage":true,'
CURSOR = "query Cursor($id: ID!) { conversation(id: $id) { cursor } }"
CREATE_MEMBER = """mutation CreateMember($input: CreateMemberInput!) { createMember(input: $input) {
  member { id } } }"""
MEMBER_CREATED = b'{"data":{"createMember":{"member":{"id":'
ALIVE = b'{"status":"ok",'

# What customers write when nothing is wrong, and what an AI that is sure of itself answers.
SAID = (
    "Hi, my parcel was to come on Tuesday and the tracking page has not changed since Sunday evening.",
    "Thanks. Can I still change the delivery address, or is it too late once it has left the warehouse?",
    "I was charged twice for order 48213, once on the 3rd and again on the 4th. Which one is right?",
    "How long does a refund to a credit card take?",
)
ANSWERED = (
    "I have looked it up: the parcel left the depot this morning and is due tomorrow before noon.",
    "You can change the address until the courier has scanned the parcel, under Orders, then Delivery.",
    "The charge of the 3rd was a reservation. It is released by your bank within two working days.",
    "Refunds take three to five working days, counted from when the return is checked in.",
)


class Tray:
    """Requests of one workspace, most of them without end."""

    def __init__(self, target: Target, api_key: str) -> None:
        self._target = target
        self._api_key = api_key

    def starts(self, agent_id: str) -> Asked:
        """Yield requests that start conversations."""
        customer = {"externalId": "c-1", "email": "jane@example.com", "name": "Jane Doe"}
        request = self._graphql(START, input={"agentId": agent_id, "customer": customer})
        return Asked(cycle([request]), STARTED)

    def records(self, conversations: Sequence[str]) -> Asked:
        """Message: in each conversation by turns a customer's and the AI's answer. They trigger nothing."""
        spoken: list[dict[str, Any]] = []
        for said, answered in zip(SAID, ANSWERED, strict=True):
            spoken += [{"role": "USER", "content": said}]
            spoken += [{"role": "ASSISTANT", "content": answered, "confidence": 92.5, "epoch": 1}]
        requests = [
            self._graphql(RECORD, input={"conversationId": conversation, **message})
            for message in spoken
            for conversation in conversations
        ]
        return Asked(cycle(requests), RECORDED)

    def escalations(self, conversations: Sequence[str], assign_to: Sequence[str] = ()) -> Asked:
        """Return requests that raise an escalation in each conversation."""
        return Asked(self._escalating(conversations, assign_to), CREATED)

    def folds(self, conversations: Sequence[str]) -> Asked:
        """Return requests that fold a trigger into an active escalation."""
        return Asked(self._escalating(conversations, ()), FOLDED)

    def _escalating(self, conversations: Sequence[str], assign_to: Sequence[str]) -> Iterator[bytes]:
        members = cycle([{"assignTo": email} for email in assign_to] or [{}])
        for conversation, member in zip(conversations, members, strict=False):
            given = {"conversationId": conversation, "reason": "The customer is a VIP.", **member}
            yield self._graphql(ESCALATE, input=given)

    def lists(self) -> Asked:
        """Return requests for the newest 50 escalations."""
        return Asked(cycle([self._graphql(LIST)]), LISTED)

    def lists_of(self, chosen: str, order: str) -> Asked:
        """Return requests for the first 50 of a filter in an order."""
        return Asked(cycle([self._graphql(LIST_OF % (chosen, order))]), LISTED_OF)

    def members(self, emails: Sequence[str]) -> Asked:
        """Return requests that create a team member per address."""
        given = [{"email": email, "name": email, "role": "AGENT"} for email in emails]
        return Asked(iter([self._graphql(CREATE_MEMBER, input=item) for item in given]), MEMBER_CREATED)

    def cursor(self, conversation: str) -> bytes:
        """Return the conversation's cursor."""
        return self._graphql(CURSOR, id=conversation)

    def probes(self) -> Asked:
        """Return the cheapest request: its cost is that of the client and HTTP."""
        return Asked(cycle([get(self._target, "/healthz")]), ALIVE)

    def _graphql(self, query: str, **variables: Any) -> bytes:
        body = json.dumps({"query": query, "variables": variables}).encode()
        return post(self._target, "/graphql", body, self._api_key)


async def start_conversations(target: Target, tray: Tray, agent_id: str, count: int) -> list[str]:
    """Start conversations and returns their ids."""
    starts = tray.starts(agent_id)
    some = Asked(islice(starts.requests, count), starts.begins)
    return ids_of_started((await run(target, some, 4, 60, keep_bodies=True)).bodies)


def ids_of_started(bodies: Sequence[bytes]) -> list[str]:
    """Return the ids in the responses to `START`."""
    return [json.loads(body)["data"]["startConversation"]["conversation"]["id"] for body in bodies]


async def fill(target: Target, tray: Tray, agent_id: str, escalations: int, members: int) -> None:
    """Fill a workspace with assigned escalations, to be listed."""
    emails = [f"member{number}@example.com" for number in range(members)]
    await run(target, tray.members(emails), 1, 60)
    conversations = await start_conversations(target, tray, agent_id, escalations)
    await run(target, tray.escalations(conversations, emails), 4, 60)
