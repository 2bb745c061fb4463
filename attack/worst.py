"""`python -m attack.worst`: searches for the accepted document that costs the server most, for each caller.

Random documents are products of fields, pages, aliases and fragments over the schema. The most expensive one
is changed again and again, and each improvement is kept. The time is what the thread of the event loop spends
on a core from the request to the end of the reply, so other processes hardly change it.
"""

import argparse
import asyncio
import random
import shutil
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path

from attack.corpus import Shape, document_of, improved, random_shape
from attack.machine import measure_slowness
from attack.products import products
from attack.seed import fill
from attack.stage import stage
from attack.watcher import loop_seconds, memory_bytes
from attack.wire import Reply
from attack.world import World

CALLERS = {"an API key": "key", "a member": "session", "a customer": "widget"}
_CALLS = 5
_NUMBERS = count()
LIMIT_SECONDS, LIMIT_BYTES, LIMIT_MEMORY = 0.3, {"widget": 2 * 2**20}, 32 * 2**20


@dataclass(frozen=True, slots=True)
class Measured:
    """An accepted document and its figures."""

    seconds: float
    reply_bytes: int
    memory_bytes: int
    document: str

    def line(self) -> str:
        """Return the figures in words."""
        return (
            f"{self.seconds * 1e3:.0f} ms of the event loop, {self.memory_bytes / 2**20:.1f} MiB of memory, "
            f"{self.reply_bytes / 2**20:.2f} MiB of reply"
        )


async def measure(world: World, document: str, token: str) -> Measured | None:
    """Return the figures of a document that no cache has, or None if it is refused."""
    memory, before = memory_bytes(world.pid), loop_seconds(world.pid)
    reply: Reply = await world.graphql(f"{document} # {next(_NUMBERS)}", token=token)
    seconds = loop_seconds(world.pid) - before
    if b'"data":' not in reply.body[:200_000] and b"QUERY_TOO_COMPLEX" not in reply.body:
        return None
    grown = max(memory_bytes(world.pid) - memory, 0)
    return Measured(seconds, reply.size, grown, document)


async def measure_again(world: World, document: str, token: str) -> Measured | None:
    """Return the figures of the cheapest of some calls: neighbours of the core can only make one dearer."""
    calls = [await measure(world, document, token) for _ in range(_CALLS)]
    accepted = [call for call in calls if call is not None]
    if not accepted:
        return None
    return replace(min(accepted, key=lambda call: call.seconds), memory_bytes=accepted[0].memory_bytes)


def repeated(shape: Shape) -> Iterator[str]:
    """Yield the document of a shape with more and more aliases."""
    for aliases in (90, 60, 30, 15, 8, 4, 2, 1):
        yield document_of(shape, aliases)


async def search(world: World, token: str, seconds: float, seed: int) -> Measured | None:
    """Return the most expensive document found within some seconds."""
    chance = random.Random(seed)
    best: tuple[Measured, Shape] | None = None
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        climbs = best is not None and chance.random() < 0.5
        shape = improved(best[1], chance) if climbs and best else random_shape(world, chance)
        candidate = await _most_aliases(world, shape, token)
        if candidate and (best is None or candidate.seconds > best[0].seconds):
            best = candidate, shape
    return best[0] if best else None


async def _most_aliases(world: World, shape: Shape, token: str) -> Measured | None:
    for document in repeated(shape):
        candidate = await measure(world, document, token)
        if candidate and candidate.reply_bytes > 1_000:
            return candidate
    return None


async def main(seconds: float, seed: int) -> bool:
    """Search for each caller, print the worst documents, and return whether all are within the limits."""
    folder = Path(tempfile.mkdtemp(prefix="baton-worst-"))
    folder.chmod(0o755)
    good = True
    async with stage(folder, BATON_WIDGET_DOCUMENTS="any") as running:
        world = running.world
        await fill(world)
        for kind, document in products(world.agent, world.ids["escalation"]).items():
            product = await measure_again(world, document, world.key)
            print(f"{kind}: {product.line() if product else 'refused'}", flush=True)
        for caller, field in CALLERS.items():
            token = getattr(world, field)
            candidate = await search(world, token, seconds, seed)
            if candidate is None:
                continue
            again = await measure_again(world, candidate.document, token) or candidate
            within = (
                again.seconds <= LIMIT_SECONDS * measure_slowness()
                and again.reply_bytes <= LIMIT_BYTES.get(field, 8 * 2**20)
                and again.memory_bytes <= LIMIT_MEMORY
            )
            good = good and within
            print(
                f"{caller}: {again.line()}{'' if within else '  FAILED'}\n  {again.document[:1_500]}",
                flush=True,
            )
    shutil.rmtree(folder)
    return good


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m attack.worst", description=__doc__)
    parser.add_argument("--seconds", type=float, default=60, help="time of the search for each caller")
    parser.add_argument("--seed", type=int, default=1, help="start of the random numbers")
    given = parser.parse_args()
    raise SystemExit(0 if asyncio.run(main(given.seconds, given.seed)) else 1)
