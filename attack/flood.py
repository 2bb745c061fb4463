"""`python -m attack.flood`: callers in mass, in a process of their own.

It reads a JSON object, a `Plan`, and writes the answers' count and longest time by status. A caller sends one
request after another, and does not wait after a refusal.
"""

import asyncio
import json
import sys
import time
from contextlib import AsyncExitStack
from dataclasses import asdict, dataclass, field

from attack.keep_alive import KeptConnection, kept_connection

RECORD = """mutation($id: ID!) {
    recordMessage(input: {conversationId: $id, role: USER, content: "hello"}) { message { id } } }"""
_CALLERS_OF_ADDRESS = 80  # an address may have 100 connections


@dataclass(frozen=True, slots=True)
class Plan:
    """Callers, each with a token and a conversation in turn, for some seconds."""

    port: int
    callers: int
    seconds: float
    tokens: list[str]
    conversations: list[str]


@dataclass(slots=True)
class Answers:
    """Answers of one kind."""

    count: int = 0
    longest: float = 0.0  # seconds
    without_retry: int = 0
    codes: set[str] = field(default_factory=set)


async def flood(plan: Plan) -> dict[str, Answers]:
    """Call until the time is over, and return the answers by status; 0 is a connection that ended."""
    answers: dict[str, Answers] = {}
    async with AsyncExitStack() as opened:
        connections = [
            await opened.enter_async_context(
                kept_connection(plan.port, plan.tokens[number % len(plan.tokens)], _address(number))
            )
            for number in range(plan.callers)
        ]
        end = time.monotonic() + plan.seconds
        calls = [
            _call(connection, plan.conversations[number % len(plan.conversations)], end, answers)
            for number, connection in enumerate(connections)
        ]
        await asyncio.gather(*calls)
    return answers


def _address(number: int) -> str:
    return f"127.0.1.{1 + number // _CALLERS_OF_ADDRESS}"


async def _call(
    connection: KeptConnection, conversation: str, end: float, answers: dict[str, Answers]
) -> None:
    while time.monotonic() < end:
        try:
            reply = await connection.graphql(RECORD, {"id": conversation})
        except (ConnectionError, asyncio.IncompleteReadError):
            answers.setdefault("0", Answers()).count += 1
            return
        errors = reply.json().get("errors", [])
        seen = answers.setdefault(str(reply.status) if not errors else f"{reply.status} refused", Answers())
        seen.count += 1
        seen.longest = max(seen.longest, reply.seconds)
        seen.codes.update(error["extensions"]["code"] for error in errors)
        seen.without_retry += bool(errors) and "retry-after" not in reply.headers


async def flood_elsewhere(plan: Plan) -> dict[str, Answers]:
    """Run `flood` in another process, so that it does not delay what this one measures."""
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "attack.flood", stdin=pipe, stdout=pipe
    )
    output, _ = await process.communicate(json.dumps(asdict(plan)).encode())
    return {
        status: Answers(**seen | {"codes": set(seen["codes"])}) for status, seen in json.loads(output).items()
    }


def main() -> None:
    """Flood by the plan on stdin."""
    answers = asyncio.run(flood(Plan(**json.load(sys.stdin))))
    print(json.dumps({status: asdict(seen) for status, seen in answers.items()}, default=sorted))


if __name__ == "__main__":
    main()
