"""The operations that run on one live socket, each in a task of its own."""

import asyncio
from collections.abc import Callable
from typing import Any

from resolvers.context import Context
from resolvers.errors import BadInputError, RateLimitedError
from schema.errors import dress_error
from schema.execution import run
from schema.groups import Groups
from schema.operation import Operation, read_operation
from server.frames import Ending, RefusedError, frames_of, malformed, write_complete, write_error
from server.outgoing import Outgoing, StuckError
from server.visits import stop

LIMIT = 100


class Operations:
    """At most 100 operations at once. What goes wrong in one ends that one; `on_stuck` ends the socket."""

    def __init__(
        self, context: Context, groups: Groups, outgoing: Outgoing, on_stuck: Callable[[], None]
    ) -> None:
        self._context = context
        self._groups = groups
        self._outgoing = outgoing
        self._on_stuck = on_stuck
        self._running: dict[str, asyncio.Task[None]] = {}

    async def start(self, id_: str, payload: dict[str, Any]) -> None:
        """Starts an operation; raises RefusedError for a malformed payload and for an id that is in use."""
        if id_ in self._running:
            raise RefusedError(Ending(4409, f"Subscriber for {id_} already exists"))
        try:
            operation = read_operation(payload)
            if len(self._running) >= LIMIT:
                raise RateLimitedError(
                    f"A connection runs at most {LIMIT} operations at once: complete some."
                )
        except BadInputError as error:
            # An empty document is well-formed by the protocol, only not by GraphQL.
            if error.field != "query" or not isinstance(payload.get("query"), str):
                raise malformed(str(error)) from None
            await self._outgoing.put(write_error(id_, [dress_error(error)]))
        except RateLimitedError as error:
            await self._outgoing.put(write_error(id_, [dress_error(error)]))
        else:
            task = asyncio.create_task(self._run(id_, operation))
            self._running[id_] = task
            task.add_done_callback(lambda _: self._running.pop(id_))

    async def stop(self, id_: str) -> None:
        """Stops an operation and forgets what it still had to say; afterwards it holds nothing."""
        if task := self._running.get(id_):
            task.cancel()
            await asyncio.wait({task})
        self._outgoing.forget(id_)

    async def stop_all(self) -> None:
        """Stops every operation; afterwards nothing is held."""
        await stop(self._running.values())

    async def _run(self, id_: str, operation: Operation) -> None:
        try:
            await self._outgoing.put(await self._run_until_last(id_, operation), id_)
        except StuckError:
            self._on_stuck()

    async def _run_until_last(self, id_: str, operation: Operation) -> bytes:
        """Sends the results; the frame that says how it ended is left to be sent."""
        try:
            errors = await run(operation, self._context, self._groups, _Voice(self._outgoing, id_))
        except StuckError:
            raise
        except Exception as error:
            return write_error(id_, [dress_error(error)])
        return write_complete(id_) if errors is None else write_error(id_, errors)


class _Voice:
    """Says an operation's results over its socket."""

    def __init__(self, outgoing: Outgoing, id_: str) -> None:
        self._outgoing = outgoing
        self._id = id_
        self._frame_of = frames_of(id_)

    def offer(self, payload: bytes) -> bool:
        """Has it sent, if there is room."""
        return self._outgoing.offer(self._frame_of(payload), self._id)

    async def put(self, payload: bytes) -> None:
        """Has it sent as soon as there is room."""
        await self._outgoing.put(self._frame_of(payload), self._id)
