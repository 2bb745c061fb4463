"""Places for deliveries: the time of a job begins when it has its place."""

import asyncio
from uuid import UUID, uuid4

import pytest

from server.fair_places import CrowdedError, FairPlaces

pytestmark = pytest.mark.anyio
WORKSPACE = uuid4()


async def test_waiting_for_a_place_takes_nothing_of_the_time_of_a_job() -> None:
    # A lone workspace has half of the places.
    places, release, seconds = FairPlaces(2, 10), asyncio.Event(), 0.2
    done = []

    async def first() -> None:
        async with places.place(WORKSPACE, 60):
            await release.wait()
            done.append("first")

    async def second() -> None:
        async with places.place(WORKSPACE, seconds):
            await asyncio.sleep(0)
            done.append("second")

    async with asyncio.TaskGroup() as group:
        group.create_task(first())
        group.create_task(second())
        asyncio.get_running_loop().call_later(2 * seconds, release.set)
    assert done == ["first", "second"]


async def test_jobs_in_hand_leave_room_for_a_workspace_that_has_none() -> None:
    places, busy, other, quiet = FairPlaces(1, 4), uuid4(), uuid4(), uuid4()
    async with places.place(busy, 60):
        waiting = [asyncio.ensure_future(held_by(places, workspace)) for workspace in (busy, other, quiet)]
        await asyncio.sleep(0)
        for workspace in (busy, other):
            # Without a refusal it would wait for the place that this test holds.
            with pytest.raises(CrowdedError):
                await asyncio.wait_for(held_by(places, workspace), 1)
    await asyncio.gather(*waiting)
    # All that were in hand have ended.
    await held_by(places, busy)


async def held_by(places: FairPlaces, workspace: UUID) -> None:
    """Wait for a place of the workspace and return it."""
    async with places.place(workspace, 60):
        pass


async def test_place_of_a_job_that_hangs_becomes_free() -> None:
    places = FairPlaces(2, 10)
    with pytest.raises(TimeoutError):
        async with places.place(WORKSPACE, 0.01):
            await asyncio.Event().wait()
    async with places.place(WORKSPACE, 60):
        pass
