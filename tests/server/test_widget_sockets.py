"""Pages over WebSocket: starting without a credential, and renewing a token without losing an event."""

import time
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from datetime import timedelta
from typing import Any

import httpx
import pytest
from websockets.exceptions import ConnectionClosed

from tests.support.baton_client import DEADLINE, Caller, Refused, Socket, Workspace
from tests.support.callers import mint_widget_token
from tests.support.sla_clocks import prolonged
from tests.support.widget_pages import OPEN, ORIGIN, allow

pytestmark = pytest.mark.anyio

ADDED = """subscription($id: ID!, $after: String) { messageAdded(conversationId: $id, after: $after) {
    cursor message { content } } }"""
REVOKE = "mutation($id: ID!) { revokeWidgetTokens(conversationId: $id) }"
REFRESH = "mutation($id: ID!) { refreshWidgetToken(conversationId: $id) }"
# A credential that has ended closes its sockets within this time.
REACHED_SECONDS = 7.0


async def test_page_starts_over_a_socket_without_credential(workspace: Workspace) -> None:
    allow(workspace)
    given = {"input": {"agentId": workspace.agent_id}}
    async with workspace.nobody.socket(origin=ORIGIN) as socket:
        opened = (await socket.next(await socket.subscribe(OPEN, **given)))["openConversation"]
    token, conversation = opened["widgetToken"], opened["conversation"]["id"]
    async with Caller(workspace.server.url, token).socket(origin=ORIGIN) as socket:
        shown = await socket.next(await socket.subscribe("{ viewer { conversation { id } } }"))
        assert shown["viewer"]["conversation"]["id"] == conversation


@pytest.mark.parametrize("origin", [None, "https://evil.example"])
async def test_foreign_page_starts_nothing_over_a_socket(workspace: Workspace, origin: str | None) -> None:
    allow(workspace)
    given = {"input": {"agentId": workspace.agent_id}}
    async with workspace.nobody.socket(**({"origin": origin} if origin else {})) as socket:
        id_ = await socket.subscribe(OPEN, **given)
        frame = await socket.receive()
        errors = frame["payload"] if frame["type"] == "error" else frame["payload"]["errors"]
        assert (frame["id"], errors[0]["extensions"]["code"]) == (id_, "FORBIDDEN")


async def test_renewed_token_continues_the_stream_where_it_was(workspace: Workspace) -> None:
    started = workspace.start()
    conversation = started["conversation"]["id"]
    # It ends in three seconds.
    ending = mint_widget_token(workspace.server, conversation, timedelta(minutes=59, seconds=57))
    customer = Caller(workspace.server.url, ending)
    seen = []
    async with customer.socket() as socket:
        id_ = await socket.subscribe(ADDED, id=conversation, after=started["conversation"]["cursor"])
        workspace.key.record(conversation, "ASSISTANT", "Before")
        event = (await socket.next(id_))["messageAdded"]
        seen.append(event["message"]["content"])
        with pytest.raises(ConnectionClosed) as caught:
            await socket.receive(3 + prolonged(REACHED_SECONDS))
        assert caught.value.rcvd is not None
        assert (caught.value.rcvd.code, caught.value.rcvd.reason) == (
            4403,
            "Forbidden: the credential has expired",
        )
    workspace.key.record(conversation, "ASSISTANT", "Meanwhile")
    renewed = Caller(workspace.server.url, customer.ask(REFRESH, id=conversation)["refreshWidgetToken"])
    async with renewed.socket() as socket:
        id_ = await socket.subscribe(ADDED, id=conversation, after=event["cursor"])
        workspace.key.record(conversation, "ASSISTANT", "Afterwards")
        for _ in range(2):
            seen.append((await socket.next(id_))["messageAdded"]["message"]["content"])
    assert seen == ["Before", "Meanwhile", "Afterwards"]


async def test_token_can_be_renewed_before_it_ends_while_the_socket_goes_on(workspace: Workspace) -> None:
    started = workspace.start()
    conversation, begin = started["conversation"]["id"], started["conversation"]["cursor"]
    customer = workspace.widget(started)
    async with customer.socket() as socket:
        id_ = await socket.subscribe(ADDED, id=conversation, after=begin)
        renewal = await socket.subscribe(REFRESH, id=conversation)
        token = (await socket.next(renewal))["refreshWidgetToken"]
        async with Caller(workspace.server.url, token).socket() as second:
            # A message may be recorded before the subscription is read.
            again = await second.subscribe(ADDED, id=conversation, after=begin)
            workspace.key.record(conversation, "ASSISTANT", "To both")
            for each, number in ((socket, id_), (second, again)):
                while (frame := await each.receive())["id"] != number:
                    pass
                assert frame["payload"]["data"]["messageAdded"]["message"]["content"] == "To both"


async def test_revoked_tokens_end_requests_immediately_and_sockets_within_5_seconds(
    workspace: Workspace,
) -> None:
    started, other = workspace.start(), workspace.start()
    conversation = started["conversation"]["id"]
    customer, bystander = workspace.widget(started), workspace.widget(other)
    async with customer.socket() as socket, bystander.socket() as beside:
        await socket.subscribe(ADDED, id=conversation)
        watched = other["conversation"]
        going_on = await beside.subscribe(ADDED, id=watched["id"], after=watched["cursor"])
        assert workspace.key.ask(REVOKE, id=conversation) == {"revokeWidgetTokens": True}
        for query in ("query($id: ID!) { conversation(id: $id) { id } }", REFRESH):
            assert customer.refusal(query, id=conversation).code == "UNAUTHENTICATED"
        with pytest.raises(ConnectionClosed) as caught:
            await socket.receive(10)
        assert caught.value.rcvd is not None
        assert caught.value.rcvd.code == 4403
        workspace.key.record(other["conversation"]["id"], "ASSISTANT", "Still here")
        assert (await beside.next(going_on))["messageAdded"]["message"]["content"] == "Still here"
    renewed = workspace.key.ask(REFRESH, id=conversation)["refreshWidgetToken"]
    seen = Caller(workspace.server.url, renewed).ask("{ viewer { conversation { id } } }")
    assert seen == {"viewer": {"conversation": {"id": conversation}}}


async def test_customer_cannot_revoke_the_tokens_of_the_conversation(workspace: Workspace) -> None:
    started = workspace.start()
    customer, conversation = workspace.widget(started), started["conversation"]["id"]
    assert customer.refusal(REVOKE, id=conversation).code == "FORBIDDEN"
    assert customer.ask("{ viewer { conversation { id } } }")["viewer"]["conversation"]["id"] == conversation


async def test_sixth_connection_of_a_conversation_is_refused_until_one_ends(
    workspace: Workspace,
) -> None:
    started = workspace.start()
    conversation = started["conversation"]["id"]
    renewed = Caller(workspace.server.url, workspace.key.ask(REFRESH, id=conversation)["refreshWidgetToken"])
    async with AsyncExitStack() as opened:
        for _ in range(4):
            await opened.enter_async_context(workspace.widget(started).socket())
        async with renewed.socket():
            for customer in (workspace.widget(started), renewed):
                with pytest.raises(ConnectionClosed) as caught:
                    async with customer.socket():
                        pytest.fail("was let in")
                assert caught.value.rcvd is not None
                assert caught.value.rcvd.code == 1013
            assert stream_of(renewed, conversation)["errors"][0]["extensions"]["code"] == "RATE_LIMITED"
            async with workspace.widget(workspace.start()).socket(), workspace.key.socket():
                pass
        await opened.enter_async_context(await until_free(renewed))


def stream_of(caller: Caller, conversation: str) -> dict[str, Any]:
    """Return the answer to an event stream that is refused."""
    headers = caller.headers | {"accept": "text/event-stream"}
    body = {"query": ADDED, "variables": {"id": conversation}}
    answer = httpx.post(f"{caller.url}/graphql", json=body, headers=headers, trust_env=False)
    result: dict[str, Any] = answer.json()
    return result


async def until_free(caller: Caller) -> AbstractAsyncContextManager[Socket]:
    """Return a connection that opens once the server has seen the end of another."""
    end = time.monotonic() + DEADLINE
    while True:
        try:
            async with caller.socket():
                return caller.socket()
        except ConnectionClosed:
            assert time.monotonic() < end, "the ended connection still counts"


async def test_eleventh_operation_of_a_customer_is_refused(workspace: Workspace) -> None:
    started = workspace.start()
    conversation = started["conversation"]["id"]
    async with workspace.widget(started).socket() as socket:
        for _ in range(10):
            await socket.subscribe(ADDED, id=conversation)
        with pytest.raises(Refused) as refused:
            await socket.next(await socket.subscribe(ADDED, id=conversation))
    assert refused.value.code == "RATE_LIMITED"
    async with workspace.key.socket() as socket:
        for _ in range(11):
            await socket.subscribe(ADDED, id=conversation)
        assert await socket.next(await socket.subscribe("{ viewer { kind } }")) == {
            "viewer": {"kind": "API_KEY"}
        }
