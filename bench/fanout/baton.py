"""Baton as it is served, and who listens to it."""

import asyncio
import json
import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from tempfile import NamedTemporaryFile
from typing import Any

from bench.client import Asked, post, run
from bench.fanout.servers import Audience, Subscriber, cores, publisher, subscriber
from bench.server_under_test import Stage, Tenant, stage
from bench.workloads import CREATE_MEMBER

START = """mutation Start($input: StartConversationInput!) { startConversation(input: $input) {
  widgetToken conversation { id } } }"""
ESCALATE = """mutation Escalate($input: EscalateConversationInput!) { escalateConversation(input: $input) {
  escalation { id conversation { id } } } }"""
SIGN_IN = """mutation SignIn($email: String!, $password: String!) {
  signIn(email: $email, password: $password) { token } }"""
REPLY = "mutation Reply($input: ReplyInput!) { replyToEscalation(input: $input) { message { id } } }"
PASSWORD = "correct horse battery staple"


@dataclass(frozen=True, slots=True)
class Talk:
    """A conversation, and its widget's token."""

    id: str
    widget_token: str


@dataclass(frozen=True, slots=True)
class Services:
    """A running Baton, a workspace in it, and the id of a team member whose messages are followed."""

    stage: Stage
    tenant: Tenant
    author: str

    @classmethod
    def on(cls, staged: Stage) -> "Services":
        """Make the workspace and the member."""
        tenant = staged.new_tenant("bench")
        return cls(staged, tenant, create_member(staged, tenant, "author"))


@contextmanager
def baton() -> Iterator[Services]:
    """Start `baton serve` on the server's core, with PostgreSQL on the client's."""
    os.sched_setaffinity(0, {cores().server, cores().postgres, cores().client})
    with stage() as staged:
        yield Services.on(staged)


def ask(stage: Stage, token: str, query: str, asked: Iterable[dict[str, Any]]) -> list[Any]:
    """Return the mutation's result for each set of variables; raises BadAnswerError."""
    requests = [json.dumps({"query": query, "variables": variables}).encode() for variables in asked]
    ready = iter([post(stage.target, "/graphql", body, token) for body in requests])
    sample = asyncio.run(run(stage.target, Asked(ready, b'{"data":{"'), 4, 300, keep_bodies=True))
    return [next(iter(json.loads(body)["data"].values())) for body in sample.bodies]


def start_talks(services: Services, count: int) -> list[Talk]:
    """Start conversations."""
    customer = {"externalId": "c-1", "email": "jane@example.com", "name": "Jane Doe"}
    given = {"input": {"agentId": services.tenant.agent_id, "customer": customer}}
    result = ask(services.stage, services.tenant.api_key, START, [given] * count)
    return [Talk(item["conversation"]["id"], item["widgetToken"]) for item in result]


def create_member(stage: Stage, tenant: Tenant, name: str) -> str:
    """Return the id of a team member."""
    given = {"email": f"{name}@example.com", "name": "Ada Lovelace", "role": "AGENT", "password": PASSWORD}
    (result,) = ask(stage, tenant.api_key, CREATE_MEMBER, [{"input": given}])
    member_id: str = result["member"]["id"]
    return member_id


@contextmanager
def delivery(services: Services) -> Iterator[Audience]:
    """Return the subscribers of one conversation, each event from PostgreSQL to socket."""
    (talk,) = start_talks(services, 1)
    with _publisher(services, [talk]) as control:
        followed = [subscriber(talk.id, services.tenant.api_key)]
        yield _audience("Baton", services.stage, control, followed)


@contextmanager
def own_conversations(services: Services, count: int) -> Iterator[Audience]:
    """Return widgets, each on a conversation of its own; each event is one for every widget."""
    talks = start_talks(services, count)
    with _publisher(services, talks) as control:
        followed = [subscriber(talk.id, talk.widget_token) for talk in talks]
        yield _audience("Baton, widgets", services.stage, control, followed)


@contextmanager
def _publisher(services: Services, talks: Sequence[Talk]) -> Iterator[int]:
    """Start another process that writes messages into the database, and publishes wake-ups."""
    with NamedTemporaryFile("w", prefix="baton-bench-") as conversations:
        conversations.writelines(f"{talk.id}\n" for talk in talks)
        conversations.flush()
        with publisher("commit", services.stage.database_url, conversations.name, services.author) as control:
            yield control


@contextmanager
def recording(services: Services) -> Iterator[Audience]:
    """One conversation's followers, with the mutation that records each message in the same process."""
    (talk,) = start_talks(services, 1)
    api_key = services.tenant.api_key
    with publisher("record", str(services.stage.target.port), talk.id, api_key) as control:
        followed = [subscriber(talk.id, api_key)]
        yield _audience("Baton, recording included", services.stage, control, followed)


def _audience(name: str, stage: Stage, control: int, subscribers: Sequence[Subscriber]) -> Audience:
    return Audience(name, stage.target.port, stage.server, control, subscribers=subscribers)


def widgets(services: Services, count: int, members: int) -> tuple[Audience, list[tuple[str, str]]]:
    """Widget on conversations of their own, all escalated; and for each a reply, by members in turn.

    A reply is who sends it, as a token, and the body of the request.
    """
    stage, tenant = services.stage, services.tenant
    talks = start_talks(services, count)
    given = [{"input": {"conversationId": talk.id, "reason": "The customer is a VIP."}} for talk in talks]
    raised = [item["escalation"] for item in ask(stage, tenant.api_key, ESCALATE, given)]
    escalations = {item["conversation"]["id"]: item["id"] for item in raised}
    tokens = [_sign_in(stage, tenant, f"member{number}") for number in range(members)]
    replies = [(tokens[place % members], _reply(escalations[talk.id])) for place, talk in enumerate(talks)]
    subscribers = [subscriber(talk.id, talk.widget_token) for talk in talks]
    return Audience("Baton", stage.target.port, stage.server, subscribers=subscribers), replies


def _sign_in(stage: Stage, tenant: Tenant, name: str) -> str:
    create_member(stage, tenant, name)
    asked = {"email": f"{name}@example.com", "password": PASSWORD}
    (result,) = ask(stage, tenant.api_key, SIGN_IN, [asked])
    token: str = result["token"]
    return token


def _reply(escalation: str) -> str:
    content = "t=@STAMP@ I have looked it up: we call you back today."
    return json.dumps(
        {"query": REPLY, "variables": {"input": {"escalationId": escalation, "content": content}}}
    )
