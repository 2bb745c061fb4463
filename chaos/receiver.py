"""A webhook endpoint of the team's, and what it has received."""

from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web

from chaos.client import Client
from chaos.cluster import Tenant
from chaos.proxy import HOST

CREATE = """mutation($input: CreateWebhookEndpointInput!) { createWebhookEndpoint(input: $input) {
    endpoint { id } } }"""


class Receiver:
    """A receiver of escalation.created that counts the deliveries per escalation."""

    def __init__(self) -> None:
        self.told: Counter[str] = Counter()
        self._url = ""

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[None]:
        """Answer as long as the block lasts."""
        app = web.Application()
        app.router.add_post("/hook", self._take)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        try:
            site = web.TCPSite(runner, HOST, 0)
            await site.start()
            self._url = f"http://{HOST}:{runner.addresses[0][1]}/hook"
            yield
        finally:
            await runner.cleanup()

    async def subscribe(self, client: Client, tenant: Tenant) -> None:
        """Create a webhook endpoint with this URL."""
        given = {"agentId": tenant.agent_id, "url": self._url, "eventTypes": ["escalation.created"]}
        await client.ask(tenant.api_key, CREATE, input=given)

    async def _take(self, request: web.Request) -> web.Response:
        event: dict[str, Any] = await request.json()
        self.told[event["data"]["escalationId"]] += 1
        return web.Response(status=204)
