"""The end of a credential reaches what it has opened within 5 s, and nothing else."""

import asyncio
import time
from collections.abc import Awaitable, Callable

import httpx
import pytest
from websockets.exceptions import ConnectionClosed

from tests.support.baton_client import Caller, Workspace
from tests.support.sla_clocks import prolonged

pytestmark = pytest.mark.anyio

REACHED_SECONDS = 5.0
VIEWER = "{ viewer { kind } }"
ESCALATIONS = "subscription { escalationCreated { cursor } }"
REVOKE = "mutation($id: ID!) { revokeApiKey(id: $id) { id } }"


async def test_sockets_close_and_those_of_other_credentials_stay(workspace: Workspace) -> None:
    revoked, member, stays = workspace.key_with("ESCALATIONS_READ"), workspace.sign_in(), workspace.sign_in()
    customer = workspace.widget(workspace.start())
    key = revoked.ask("{ viewer { apiKey { id } } }")["viewer"]["apiKey"]["id"]
    async with (
        revoked.socket() as ended,
        member.socket() as signed_out,
        stays.socket() as of_member,
        workspace.key.socket() as of_key,
        customer.socket() as of_customer,
    ):
        for socket in (ended, signed_out):
            await socket.subscribe(ESCALATIONS)
        workspace.key.ask(REVOKE, id=key)
        member.ask("mutation { signOut }")
        for socket in (ended, signed_out):
            with pytest.raises(ConnectionClosed) as caught:
                await socket.receive(prolonged(REACHED_SECONDS))
            assert caught.value.rcvd is not None
            assert caught.value.rcvd.code == 4403
        # These were looked at in the same round.
        kinds = [(of_member, "TEAM_MEMBER"), (of_key, "API_KEY"), (of_customer, "CUSTOMER")]
        for socket, kind in kinds:
            assert await socket.next(await socket.subscribe(VIEWER)) == {"viewer": {"kind": kind}}


async def test_event_stream_ends_without_complete(workspace: Workspace) -> None:
    revoked = workspace.key_with("ESCALATIONS_READ")
    key = revoked.ask("{ viewer { apiKey { id } } }")["viewer"]["apiKey"]["id"]
    headers = revoked.headers | {"accept": "text/event-stream"}
    async with (
        httpx.AsyncClient() as client,
        client.stream(
            "POST", f"{revoked.url}/graphql", json={"query": ESCALATIONS}, headers=headers
        ) as response,
        asyncio.timeout(prolonged(REACHED_SECONDS)),
    ):
        assert response.headers["content-type"].startswith("text/event-stream")
        workspace.key.ask(REVOKE, id=key)
        assert "complete" not in (await response.aread()).decode()


async def _post(caller: Caller) -> bool:
    async with httpx.AsyncClient(headers=caller.headers) as client:
        answer = await client.post(f"{caller.url}/graphql", json={"query": VIEWER})
        return "errors" not in answer.json()


async def _connect(caller: Caller) -> bool:
    try:
        async with caller.socket():
            return True
    except ConnectionClosed:
        return False


@pytest.mark.parametrize("use", [_post, _connect])
async def test_no_use_after_a_revocation_shares_an_older_look_up(
    workspace: Workspace, use: Callable[[Caller], Awaitable[bool]]
) -> None:
    revoked = workspace.key_with("ESCALATIONS_READ")
    key = revoked.ask("{ viewer { apiKey { id } } }")["viewer"]["apiKey"]["id"]
    uses: list[tuple[float, bool]] = []
    busy = asyncio.Event()

    async def use_until_refused() -> None:
        served = True
        while served:
            begun = time.monotonic()
            served = await use(revoked)
            uses.append((begun, served))
            if len(uses) == 100:
                busy.set()

    async with asyncio.timeout(prolonged(30)):
        callers = [asyncio.create_task(use_until_refused()) for _ in range(16)]
        await busy.wait()
        await asyncio.to_thread(workspace.key.ask, REVOKE, id=key)
        end = time.monotonic()
        await asyncio.gather(*callers)
    assert sum(served for _, served in uses) >= 100
    assert not [begun for begun, served in uses if served and begun > end]


async def test_widget_token_is_valid_on_the_sites_of_its_agent_only(workspace: Workspace) -> None:
    customer: Caller = workspace.widget(workspace.start())
    workspace.key.settings(workspace.agent_id, widget={"allowedOrigins": ["https://Shop.example"]})
    async with customer.socket(origin="https://shop.example") as socket:
        assert await socket.next(await socket.subscribe(VIEWER))
    with pytest.raises(ConnectionClosed) as caught:
        async with customer.socket(origin="https://evil.example"):
            pass
    assert caught.value.rcvd is not None
    assert caught.value.rcvd.code == 4403
