"""The most expensive documents that are accepted, over full pages."""

from attack.case import MIB, Limits, case
from attack.machine import measure_slowness
from attack.products import products
from attack.seed import fill
from attack.world import World, expect
from attack.worst import LIMIT_MEMORY, LIMIT_SECONDS, measure_again

_LEAST_BYTES = 800  # of a reply with data


@case(
    "costly documents",
    "the most expensive accepted document takes 0.3 s of the event loop altogether",
    # The mail is of the escalation that is copied. All documents together fill the caches of a fresh server.
    Limits(mails=1, deliveries=1, memory_bytes=64 * MIB),
)
async def send_costly_documents(world: World) -> None:
    """Send each of the documents that `python -m attack.worst` has found, again and again."""
    await fill(world)
    for kind, document in products(world.agent, world.ids["escalation"]).items():
        measured = await measure_again(world, document, world.key)
        expect(
            measured and measured.reply_bytes > _LEAST_BYTES,
            f"“{kind}” is refused",
        )
        assert measured is not None
        limit = LIMIT_SECONDS * max(world.slowness, measure_slowness())
        expect(measured.memory_bytes <= LIMIT_MEMORY, f"“{kind}” took {measured.memory_bytes / MIB:.0f} MiB")
        expect(measured.seconds <= limit, f"“{kind}” took {measured.seconds:.2f} s of the event loop")
