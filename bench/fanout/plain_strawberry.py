"""Strawberry as its documentation has it: Starlette, uvicorn, broadcaster in memory; each socket executes.

No deflate, no authentication. Started as `python -m bench.fanout.plain_strawberry PORT CONTROL_PORT`.
"""

import asyncio
import sys
from collections.abc import AsyncGenerator
from itertools import count

import strawberry
import uvicorn
import uvloop
from broadcaster import Broadcast
from starlette.applications import Starlette
from starlette.routing import WebSocketRoute
from strawberry.asgi import GraphQL

from bench.fanout.control_port import take_orders
from bench.server_under_test import HOST

BROADCAST = Broadcast("memory://")


@strawberry.type
class Author:
    """The author of a message."""

    name: str


@strawberry.type
class Message:
    """A message."""

    id: strawberry.ID
    content: str
    author: Author | None


@strawberry.type
class MessageEvent:
    """A message, and where it stands."""

    cursor: str
    message: Message


@strawberry.type
class Query:
    """There has to be one."""

    hello: str = "world"


@strawberry.type
class Subscription:
    """The subscriptions."""

    @strawberry.subscription
    async def message_added(
        self, conversation_id: strawberry.ID, after: str | None = None
    ) -> AsyncGenerator[MessageEvent, None]:
        """Yield new messages."""
        async with BROADCAST.subscribe(channel="messages") as subscriber:
            async for event in subscriber:  # type: ignore[union-attr]
                yield event.message  # type: ignore[misc, union-attr]


async def serve(port: int, control: int) -> None:
    """Serve until the client goes."""
    numbers = count()

    async def publish(contents: list[str]) -> None:
        for content in contents:
            number = next(numbers)
            author = Author(name="Ada Lovelace")
            message = Message(id=strawberry.ID(f"msg_{number:026}"), content=content, author=author)
            event = MessageEvent(cursor=f"{number:043}", message=message)
            await BROADCAST.publish(channel="messages", message=event)

    graphql = GraphQL[None, None](strawberry.Schema(Query, subscription=Subscription))
    app = Starlette(routes=[WebSocketRoute("/graphql", graphql)])
    config = uvicorn.Config(
        app, HOST, port, log_level="warning", access_log=False, ws_per_message_deflate=False, lifespan="off"
    )
    async with BROADCAST:
        serving = asyncio.create_task(uvicorn.Server(config).serve())
        await take_orders(control, publish)
        serving.cancel()


if __name__ == "__main__":
    uvloop.run(serve(int(sys.argv[1]), int(sys.argv[2])))
